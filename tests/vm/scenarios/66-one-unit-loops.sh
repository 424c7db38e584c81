# SPDX-License-Identifier: MIT
#
# The kernel helper while everything happens at once to lines that are one unit, that become one and
# cease to be, in every mode, beside a driver of the kernel's that comes and goes where it may. The
# kernel says nothing, and afterwards all is as it was.

devices="$EDU0 $EDU1 $EDU2"
load ptirq_uio
rmmod ptirq_uio
load e1000
await 5 test -d "$pci/$CARD/net"
card=$(ls "$pci/$CARD/net")
insmod /modules/ptirq_uio.ko unmaskable="$EDU0" lease_ms=5
for address in $EDU1 $EDU2; do bind "$address" ptirq_uio; done
helper_storm --kinds $EDU1 $EDU2 $EDU0 >/tmp/storm &
storm=$!
kinds=0
joined=0
loops=0
while [ $loops -lt 12 ]; do
    bind "$EDU0" ptirq_uio && kinds=$((kinds + 1))
    usleep 60000
    unbind "$EDU2"
    usleep 30000
    unbind "$EDU0"
    ip link set "$card" up && joined=$((joined + 1))
    usleep 30000
    ip link set "$card" down
    bind "$EDU2" ptirq_uio
    usleep 10000
    loops=$((loops + 1))
done
check helper.storm-kinds "one unit $kinds times, beside a driver of the kernel's $joined times" \
    [ $kinds -ge 3 -a $joined -ge 3 ]
status=0
kill $storm && wait $storm || status=$?
check helper.storm-kinds-end "$(cat /tmp/storm), status $status" [ $status -eq 0 ]
for address in $devices; do
    unbind "$address"
    edu "$pci/$address/resource0" ack 0xffffffff
done
for address in $devices; do bind "$address" ptirq_uio; done
line=$(line_of "$EDU0")
helper_driver "$line" --log /tmp/served $devices >/tmp/counts &
driver=$!
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 \
    --device $pci/$EDU2/resource0 --count 500 --burst 3 --seed 68 --log /tmp/raised || true
kill $driver && wait $driver
compared helper.storm-kinds-after /tmp/raised /tmp/served
for address in $devices; do unbind "$address"; done
rmmod ptirq_uio e1000
