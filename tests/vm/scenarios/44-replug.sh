# SPDX-License-Identifier: MIT
#
# A device is unplugged under its subscriber and plugged again: the same subscription gets its next
# interrupt. Its neighbour on the line goes on.

. /vmtest/broker.sh

echo 1234 11e8 >/sys/bus/pci/drivers/uio_pci_generic/new_id
for address in $EDU0 $EDU1; do
    [ "$(driver_of "$address")" = uio_pci_generic ] || bind "$address" uio_pci_generic
done
broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1"
broker_start
driver neighbour dev0
driver same dev1
raiser --device $pci/$EDU1/resource0 --count 100 --log /tmp/raised
raiser --device $pci/$EDU0/resource0 --count 300 --gap 5000 --log /tmp/raised-neighbour &
raiser=$!

host unplug dev1
await 5 grep -q "$EDU1 was unplugged" $broker_log
pass replug.gone "$(grep "$EDU1 was unplugged" $broker_log)"

host plug dev1
bound() { [ "$(driver_of "$EDU1")" = uio_pci_generic ]; }
await 5 bound
edu $pci/$EDU1/resource0 raise 0
next() { [ "$(wc -l </tmp/same)" -eq 101 ]; }
check replug.next "the subscription from before gets the next interrupt" await 10 next
wait $raiser
driver_stop neighbour
compared replug.neighbour /tmp/raised-neighbour /tmp/neighbour
kill $driver_same
broker_stop
echo 1234 11e8 >/sys/bus/pci/drivers/uio_pci_generic/remove_id
cat $broker_log
