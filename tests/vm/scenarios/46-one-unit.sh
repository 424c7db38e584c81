# SPDX-License-Identifier: MIT
#
# A line that can only be masked as a whole, by irqcontrol of a UIO driver: one unit, three devices
# behind it, each with its driver. While dev0's is mute the others wait for a round's budget at most,
# and then are served although nothing can quiet dev0 (POLLED).

. /vmtest/broker.sh

load ptirq_test_uio
broken=/sys/module/ptirq_test_uio/parameters/broken
echo 1 >$broken
for address in $EDU0 $EDU1 $EDU2; do bind "$address" ptirq_test_uio; done
broker_config "policy = chain" "$EDU0 name=line"
broker_start

# Their devices are behind the one that has the line: they map their registers by themselves.
n=0
for address in $EDU0 $EDU1 $EDU2; do
    driver drv$n line --unbound --id $n --bar $pci/$address/resource0
    n=$((n + 1))
done
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --device $pci/$EDU2/resource0 \
    --count 600 --burst 6 --gap 50 --timeout 30 --seed 1 --log /tmp/raised
driver_stop drv0 drv1 drv2
compared one-unit.three-drivers /tmp/raised /tmp/drv0 /tmp/drv1 /tmp/drv2

status() { edu "$pci/$1/resource0" status; }
served() { [ $(($(status "$1"))) -eq 0 ]; }
# of_line FIELD: of what the broker tells of the whole line.
of_line() { ptirqctl --json stats intx | grep -o "\"$1\": [^,]*" | head -n 1 | sed 's/.*: //' | tr -d '"'; }
driver mute line --unbound --id 0 --bar $pci/$EDU0/resource0 --mute-after 1
driver good line --unbound --id 1 --bar $pci/$EDU1/resource0
edu $pci/$EDU0/resource0 raise 0
await 5 served "$EDU0"
edu $pci/$EDU0/resource0 raise 0
await 5 grep -q mute /tmp/mute.out
began=$(cut -d. -f1 /proc/uptime)
raiser --device $pci/$EDU0/resource0:1 --device $pci/$EDU1/resource0 --mix 0,1 --count 100 --gap 50 \
    --timeout 30 --log /tmp/raised
took=$(($(cut -d. -f1 /proc/uptime) - began))
state=$(of_line state) masked=$(($(of_line max_masked_ns) / 1000000))
driver_stop good
compared one-unit.neighbour /tmp/raised /tmp/good
check one-unit.polled "the line that nobody can quiet is $state" [ "$state" = polled ]
# With a round's budget for each of them it would be 10 s.
check one-unit.bounded "100 interrupts beside a mute device that holds the line: $took s" [ $took -le 5 ]
# Twenty times the budget of a round, 100 ms: the rest is for the host of this machine.
check one-unit.masked "for $masked ms at most" [ $masked -le 2000 ]
kill -USR1 $driver_mute
check one-unit.speaks "the mute driver comes back and serves" await 10 served "$EDU0"
driver_stop mute
broker_stop

for address in $EDU0 $EDU1 $EDU2; do unbind "$address"; done
echo 0 >$broken
for n in 0 1 2; do host unplug dev$n; done
