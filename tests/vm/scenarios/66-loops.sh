# SPDX-License-Identifier: MIT
#
# The kernel helper while everything happens at once: devices are unbound, unplugged and bound, the
# module is removed and loaded, in loops, with interrupts flying, files open and mapped, and notify
# lists and resample eventfds set. The kernel says nothing, and afterwards all is as it was.

devices="$EDU0 $EDU1 $EDU2"
load ptirq_uio
for address in $devices; do bind "$address" ptirq_uio; done

helper_storm $devices >/tmp/storm &
storm=$!

loops=0
while [ $loops -lt 6 ]; do
    for address in $devices; do
        unbind "$address"
        usleep 10000
        bind "$address" ptirq_uio
        usleep 20000
    done
    loops=$((loops + 1))
done
check helper.storm-unbind "each device $loops times" kill -0 $storm

loops=0
while [ $loops -lt 3 ]; do
    host unplug dev1
    plug 1
    bind "$EDU1" ptirq_uio
    usleep 50000
    loops=$((loops + 1))
done
check helper.storm-unplug "$EDU1 $loops times" kill -0 $storm

# With files open it is refused; it comes to pass between two holders, whoever has what bound.
loops=0
tries=0
while [ $loops -lt 5 ] && [ $tries -lt 400 ]; do
    tries=$((tries + 1))
    rmmod ptirq_uio 2>/dev/null || continue
    loops=$((loops + 1))
    load ptirq_uio
    for address in $devices; do bind "$address" ptirq_uio; done
    usleep 50000
done
check helper.storm-rmmod "$loops times, refused $((tries - loops)) times" [ $loops -eq 5 ]

status=0
kill $storm && wait $storm || status=$?
check helper.storm "$(cat /tmp/storm), status $status" [ $status -eq 0 ]

for address in $devices; do edu "$pci/$address/resource0" ack 0xffffffff; done
line=$(line_of "$EDU0")
helper_driver "$line" --direct --log /tmp/served $devices >/tmp/counts &
driver=$!
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 \
    --device $pci/$EDU2/resource0 --count 500 --burst 3 --seed 67 --log /tmp/raised || true
kill $driver && wait $driver
compared helper.storm-after /tmp/raised /tmp/served
for address in $devices; do unbind "$address"; done
rmmod ptirq_uio
check helper.storm-gone "nothing is left" [ ! -e /sys/class/ptirq -a ! -e "$line" ]
