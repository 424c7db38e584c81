# SPDX-License-Identifier: MIT
#
# dev0's driver goes mute in a round: dev1, with a mask of its own, completes 1,000 interrupts while
# that round is open. With one mask for the whole line it waits for the round's budget, and no longer.

. /vmtest/broker.sh

bind "$EDU0" uio_pci_generic
bind "$EDU1" uio_pci_generic
broker_config "deadline = 100s
round-deadline = 100s" "$EDU0 name=dev0" "$EDU1 name=dev1"
broker_start
driver mute dev0 --mute-after 1
driver good dev1

# status ADDRESS: of the device, 0 when it does not assert.
status() { edu "$pci/$1/resource0" status; }
served() { [ $(($(status "$EDU0"))) -eq 0 ]; }

edu $pci/$EDU0/resource0 raise 0
await 5 served
edu $pci/$EDU0/resource0 raise 0
await 5 grep -q mute /tmp/mute.out
raiser --device $pci/$EDU0/resource0:1 --device $pci/$EDU1/resource0 --mix 0,1 --count 1000 --burst 6 \
    --gap 50 --log /tmp/raised
check mute.in-round "dev0's status: $(status "$EDU0")" [ $(($(status "$EDU0"))) -ne 0 ]
driver_stop good
compared mute.neighbour /tmp/raised /tmp/good
kill -USR1 $driver_mute
check mute.speaks "the round that was open all the while is answered" await 5 served
driver_stop mute
broker_stop
