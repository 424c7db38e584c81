# SPDX-License-Identifier: MIT
#
# The broker on a line of the kernel helper, when things go wrong: it is killed while devices assert, a
# driver is mute until it is quarantined, a device is unplugged, a plain UIO program has one.

. /vmtest/broker.sh

broker_source=helper
status() { edu "$pci/$1/resource0" status; }
served() { [ $(($(status "$1"))) -eq 0 ]; }
says() { grep -q "$1" $broker_log; }
# state UNIT: each device is one.
state() { ptirqctl --json stats intx | tr '{' '\n' | sed -n "s|.*\"name\": \"intx/$1\".*\"state\": \"\([a-z]*\)\".*|\1|p"; }

load ptirq_uio
for address in $EDU0 $EDU1 $EDU2; do bind "$address" ptirq_uio; done
broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1" "$EDU2 name=dev2"
broker_start

for n in 0 1 2; do driver drv$n dev$n; done
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --device $pci/$EDU2/resource0 \
    --count 1200 --burst 6 --gap 50 --timeout 30 --seed 2 --log /tmp/raised &
raiser=$!
for n in 1 2 3 4 5; do
    before=$(cat /tmp/drv0 /tmp/drv1 /tmp/drv2 | wc -l)
    more() { [ "$(cat /tmp/drv0 /tmp/drv1 /tmp/drv2 | wc -l)" -gt $((before + 37 * n)) ]; }
    await 20 more
    kill -KILL $broker
    wait $broker || true
    broker_start
done
wait $raiser
driver_stop drv0 drv1 drv2
compared helper-trouble.killed --repeats /tmp/raised /tmp/drv0 /tmp/drv1 /tmp/drv2
epochs=$(counted epochs drv0 drv1 drv2)
check helper-trouble.epochs "three drivers saw $epochs epochs of six brokers" [ "$epochs" -eq 18 ]

# ---- quarantine: the device's own mask holds it, the line is the others'

driver mute dev0 --mute-after 1
driver good dev1
edu $pci/$EDU0/resource0 raise 0
await 5 served "$EDU0"
edu $pci/$EDU0/resource0 raise 0
await 5 grep -q mute /tmp/mute.out
await 10 says "quarantined"
raiser --device $pci/$EDU0/resource0:1 --device $pci/$EDU1/resource0 --mix 0,1 --count 500 --burst 6 \
    --gap 50 --log /tmp/raised
check helper-trouble.quiet "dev0 asserts, is masked and $(state 0)" \
    eval 'masked "$EDU0" && ! served "$EDU0" && [ "$(state 0)" = unclaimed ]'
driver_stop good
compared helper-trouble.neighbour /tmp/raised /tmp/good
kill -USR1 $driver_mute
check helper-trouble.speaks "the mute driver comes back and serves" await 15 served "$EDU0"
driver_stop mute

# ---- unplug and replug

driver same dev1
driver near dev0
raiser --device $pci/$EDU1/resource0 --count 100 --log /tmp/raised
raiser --device $pci/$EDU0/resource0 --count 300 --gap 5000 --log /tmp/raised-near &
raiser=$!
host unplug dev1
await 5 says "$EDU1 was unplugged"
pass helper-trouble.gone "$(grep "$EDU1 was unplugged" $broker_log)"
host plug dev1
await 5 test -e $pci/$EDU1
await 5 bind "$EDU1" ptirq_uio
edu $pci/$EDU1/resource0 raise 0
asked() { kill -0 $driver_same && served "$EDU1"; }
check helper-trouble.next "the subscription from before gets the next interrupt" await 10 asked
wait $raiser
driver_stop near
compared helper-trouble.near /tmp/raised-near /tmp/near
kill $driver_same
broker_stop

# ---- all leave their line, which goes, and come back to a new one

broker_start
driver new0 dev0
for address in $EDU0 $EDU1 $EDU2; do unbind "$address"; done
await 5 says "$EDU2 was unplugged or its driver unbound"
await 5 eval '! grep -q " [0-9a-f]*ptirq/line" /proc/$broker/maps && ! ls -l /proc/$broker/fd | grep -q ptirq/line'
for address in $EDU2 $EDU1 $EDU0; do bind "$address" ptirq_uio; done
raiser --device $pci/$EDU0/resource0 --count 100 --log /tmp/raised
driver_stop new0
compared helper-trouble.new-line /tmp/raised /tmp/new0
broker_stop

# ---- a device that a plain UIO program has

lone_driver --uio "$(uio "$EDU2")" --device "$pci/$EDU2" --id 2 --log /tmp/lone --irqcontrol &
lone=$!
await 5 test -e /tmp/lone
broker_start
await 5 says "a UIO program has it open" || true
check helper-trouble.uio "$(grep "line intx" $broker_log | tail -n 1)" says "$EDU2: a UIO program has it open"
kill $lone
wait $lone
driver late2 dev2
raiser --device $pci/$EDU2/resource0 --count 100 --log /tmp/raised
driver_stop late2
sed -i 's/^0 /2 /' /tmp/raised
compared helper-trouble.uio-closed /tmp/raised /tmp/late2
broker_stop
