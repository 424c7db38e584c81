# SPDX-License-Identifier: MIT
#
# Past the broker on a line of the kernel helper (A11): direct, where a device has one taker; notify, where
# two share one; promotion and demotion, a killed broker and a killed client with interrupts in flight.

. /vmtest/broker.sh

broker_source=helper
load ptirq_uio
for address in $EDU0 $EDU1 $EDU2; do bind "$address" ptirq_uio; done
broker_config "direct = yes" "$EDU0 name=dev0" "$EDU1 name=dev1" "$EDU2 name=dev2"
broker_start
# rounds: of the whole line.
rounds() { ptirqctl --json stats intx | tr '{' '\n' | sed -n 's/.*"name": "intx", .*"rounds": \([0-9]*\).*/\1/p'; }

for n in 0 1 2; do driver direct$n dev$n --direct; done
before=$(rounds)
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --device $pci/$EDU2/resource0 \
    --count 3000 --burst 6 --gap 50 --seed 1 --log /tmp/raised
grown=$(($(rounds) - before))
driver_stop direct0 direct1 direct2
compared helper-paths.direct /tmp/raised /tmp/direct0 /tmp/direct1 /tmp/direct2
check helper-paths.direct-rounds "3000 interrupts, $(counted direct direct0 direct1 direct2) of them direct, $grown rounds" \
    [ "$grown" -le 30 -a "$(counted direct direct0 direct1 direct2)" -ge 2900 ]

driver even dev0 --notify --bits 0
driver odd dev0 --notify --bits 1
driver own dev1 --notify
raiser --device $pci/$EDU0/resource0:0,1 --device $pci/$EDU1/resource0 --count 1500 --burst 6 --gap 50 \
    --seed 2 --log /tmp/raised
driver_stop even odd own
compared helper-paths.notify /tmp/raised /tmp/even /tmp/odd /tmp/own
check helper-paths.notified "$(counted notify even odd own) of $(counted asked even odd own) looks on the notify path" \
    [ "$(counted notify even odd own)" -ge 1400 ]

# Somebody watches the line, and ceases to: the unit is demoted and promoted.
driver swaps dev0 --direct
raiser --device $pci/$EDU0/resource0 --count 1500 --burst 4 --gap 500 --seed 3 --timeout 30 --log /tmp/raised &
raiser=$!
swaps=0
while kill -0 $raiser 2>/dev/null; do
    ptirqctl watch intx >/tmp/watched 2>&1 &
    watch=$!
    await 5 eval 'test -s /tmp/watched || ! kill -0 $raiser 2>/dev/null'
    kill $watch
    wait $watch || true
    usleep 100000
    swaps=$((swaps + 1))
    rm /tmp/watched
done
wait $raiser
driver_stop swaps
compared helper-paths.swaps /tmp/raised /tmp/swaps
direct=$(counted direct swaps) asked=$(counted asked swaps)
check helper-paths.both "$swaps times there and back: $direct of $asked direct" \
    [ "$direct" -gt 20 -a "$direct" -lt $((asked - 20)) ]

# The broker is killed, and then the client.
driver killed dev0 --direct
driver heir dev1 --direct
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --count 900 --burst 4 --gap 50 \
    --timeout 30 --seed 4 --log /tmp/raised &
raiser=$!
for n in 1 2 3; do
    served=$(cat /tmp/killed /tmp/heir | wc -l)
    more() { [ "$(cat /tmp/killed /tmp/heir | wc -l)" -gt $((served + 50)) ]; }
    await 20 more
    kill -KILL $broker
    wait $broker || true
    broker_start
done
served=$(wc -l </tmp/killed)
more() { [ "$(wc -l </tmp/killed)" -gt $((served + 20)) ]; }
await 20 more
kill -KILL $driver_killed
wait $driver_killed || true
driver next dev0 --direct
wait $raiser
driver_stop heir next
compared helper-paths.killed --repeats /tmp/raised /tmp/killed /tmp/heir /tmp/next
check helper-paths.stops "status 0 at SIGTERM" broker_stop
check helper-paths.leaves-masked "interrupt disable is set" \
    eval 'masked "$EDU0" && masked "$EDU1" && masked "$EDU2"'
