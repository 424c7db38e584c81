# SPDX-License-Identifier: MIT
#
# A line of the kernel helper that is one unit, since a device on it cannot mask itself: the broker says
# so, and then arbitrates it by verdicts; the neighbour of a mute driver waits for a round's budget at most.

. /vmtest/broker.sh

broker_source=helper
says() { grep -q "$1" $broker_log; }
status() { edu "$pci/$1/resource0" status; }
served() { [ $(($(status "$1"))) -eq 0 ]; }
# of_line FIELD: of what the broker tells of the whole line.
of_line() { ptirqctl --json stats intx | grep -o "\"$1\": [^,]*" | head -n 1 | sed 's/.*: //' | tr -d '"'; }

load ptirq_uio
rmmod ptirq_uio
insmod /modules/ptirq_uio.ko unmaskable="$EDU0,$EDU2"
for address in $EDU0 $EDU1 $EDU2; do bind "$address" ptirq_uio; done
broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1" "$EDU2 name=dev2"
broker_start
await 5 says "say mask=no for it" || true
check helper-one-unit.configure "$(grep "line intx" $broker_log | tail -n 1)" \
    says "$EDU0 cannot mask its own interrupt, or not tell that it asserts: say mask=no for it"
broker_stop

# one_unit KEYS: dev0 and dev2 cannot mask themselves.
one_unit() {
    broker_config "$1" "$EDU0 name=dev0 mask=no" "$EDU1 name=dev1" "$EDU2 name=dev2 mask=no"
    broker_start
}
one_unit ""
for n in 0 1 2; do driver drv$n dev$n; done
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --device $pci/$EDU2/resource0 \
    --count 1200 --burst 6 --gap 50 --timeout 30 --seed 1 --log /tmp/raised
driver_stop drv0 drv1 drv2
compared helper-one-unit.three-drivers /tmp/raised /tmp/drv0 /tmp/drv1 /tmp/drv2

# Killed with devices asserting: the line stays masked for the kernel's lease, and is resumed.
for n in 0 1 2; do driver more$n dev$n; done
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --device $pci/$EDU2/resource0 \
    --count 600 --burst 6 --gap 50 --timeout 30 --seed 2 --log /tmp/raised &
raiser=$!
for n in 1 2 3; do
    served=$(cat /tmp/more0 /tmp/more1 /tmp/more2 | wc -l)
    more() { [ "$(cat /tmp/more0 /tmp/more1 /tmp/more2 | wc -l)" -gt $((served + 50)) ]; }
    await 20 more
    kill -KILL $broker
    wait $broker || true
    broker_start
done
wait $raiser
driver_stop more0 more1 more2
compared helper-one-unit.killed --repeats /tmp/raised /tmp/more0 /tmp/more1 /tmp/more2

# dev1's driver is mute: its own mask takes it off the line.
driver mute1 dev1 --mute-after 1
driver good0 dev0
edu $pci/$EDU1/resource0 raise 0
await 5 served "$EDU1"
edu $pci/$EDU1/resource0 raise 0
await 5 grep -q mute /tmp/mute1.out
raiser --device $pci/$EDU0/resource0 --count 200 --gap 50 --log /tmp/raised
# A probe of the mute one opens a round now and then.
check helper-one-unit.quiet "dev1 asserts, held by its own mask, and the line is idle" await 5 \
    eval 'masked "$EDU1" && ! served "$EDU1" && [ "$(of_line state)" = idle ]'
driver_stop good0
compared helper-one-unit.neighbour /tmp/raised /tmp/good0
kill -USR1 $driver_mute1
check helper-one-unit.speaks "the mute driver comes back and serves" await 15 served "$EDU1"
driver_stop mute1

# dev0's is: nothing takes it off the line.
driver mute0 dev0 --mute-after 1
driver good1 dev1
edu $pci/$EDU0/resource0 raise 0
await 5 served "$EDU0"
edu $pci/$EDU0/resource0 raise 0
await 5 grep -q mute /tmp/mute0.out
raiser --device $pci/$EDU1/resource0 --count 100 --gap 50 --timeout 30 --log /tmp/raised
# Eight rounds that nobody handles within 100 ms (A8): not at once on a slow machine.
polled() { [ "$(of_line state)" = polled ]; }
check helper-one-unit.polled "the line that nobody can quiet is polled" await 10 polled
driver_stop good1
sed -i 's/^0 /1 /' /tmp/raised
compared helper-one-unit.beside /tmp/raised /tmp/good1
kill -USR1 $driver_mute0
check helper-one-unit.speaks-too "the mute driver comes back and serves" await 15 served "$EDU0"
driver_stop mute0
broker_stop

# One driver for all of it, past the broker.
one_unit "direct = yes"
driver only dev0 --direct
raiser --device $pci/$EDU0/resource0 --count 500 --gap 50 --seed 3 --log /tmp/raised
driver_stop only
compared helper-one-unit.direct /tmp/raised /tmp/only
check helper-one-unit.is-direct "$(counted direct only) of 500" [ "$(counted direct only)" -ge 450 ]
broker_stop
for address in $EDU0 $EDU1 $EDU2; do unbind "$address"; done
rmmod ptirq_uio
