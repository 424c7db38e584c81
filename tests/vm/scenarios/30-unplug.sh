# SPDX-License-Identifier: MIT
#
# dev1 is unplugged under its driver and plugged again, while its neighbour dev0 goes on.

# drive NAME ADDRESS: a lone driver that logs to /tmp/NAME; sets $pid.
drive() {
    lone_driver --uio "$(uio "$2")" --device "$pci/$2" --id 0 --log "/tmp/$1" &
    pid=$!
}

bind "$EDU0" uio_pci_generic
bind "$EDU1" uio_pci_generic
drive neighbour "$EDU0"; neighbour=$pid
drive before "$EDU1"; before=$pid
raiser --device "$pci/$EDU0/resource0" --count 1000 --gap 2000 --log /tmp/raised-neighbour &
raiser=$!
raiser --device "$pci/$EDU1/resource0" --count 100 --log /tmp/raised-before

host unplug dev1
status=0
wait $before || status=$?
check unplug.gone "the driver's status $status" [ $status -eq 3 -a ! -e "$pci/$EDU1" ]

plug 1
bind "$EDU1" uio_pci_generic
drive after "$EDU1"; after=$pid
raiser --device "$pci/$EDU1/resource0" --count 100 --seed 2 --log /tmp/raised-after
kill -0 $raiser # still at it: the neighbour was served all the while
wait $raiser
kill $neighbour $after
wait $neighbour $after
compared unplug.after /tmp/raised-after /tmp/after
compared unplug.neighbour /tmp/raised-neighbour /tmp/neighbour
