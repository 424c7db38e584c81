# SPDX-License-Identifier: MIT
#
# A driver is killed in the middle of a round, and the broker while devices assert. What was pending is
# served afterwards, and drivers come back by themselves.

. /vmtest/broker.sh

bind "$EDU0" uio_pci_generic
bind "$EDU1" uio_pci_generic
broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1"
broker_start

driver victim dev0 --die-after 50
driver neighbour dev1
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --count 400 --burst 4 --gap 50 \
    --timeout 30 --log /tmp/raised &
raiser=$!
status=0
wait "$driver_victim" || status=$?
check killed.in-round "the driver's status $status" [ $status -eq 137 ]
driver heir dev0
wait $raiser
driver_stop neighbour heir
# The victim may have logged a raise that it had no time to acknowledge.
compared killed.driver --repeats /tmp/raised /tmp/victim /tmp/neighbour /tmp/heir

driver left dev0
driver right dev1
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --count 600 --burst 4 --gap 50 \
    --timeout 30 --seed 2 --log /tmp/raised-broker &
raiser=$!
for n in 1 2 3; do
    served=$(cat /tmp/left /tmp/right | wc -l)
    more() { [ "$(cat /tmp/left /tmp/right | wc -l)" -gt $((served + 50)) ]; }
    await 20 more
    kill -KILL $broker
    wait $broker || true
    broker_start
done
wait $raiser
driver_stop left right
broker_stop
compared killed.broker --repeats /tmp/raised-broker /tmp/left /tmp/right
epochs=$(counted epochs left right)
check killed.epochs "two drivers saw $epochs epochs of four brokers" [ "$epochs" -eq 8 ]
