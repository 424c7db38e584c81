# SPDX-License-Identifier: MIT
#
# The kernel helper when something goes away: its holder, its devices, the module itself, while
# devices assert. Nothing that was raised is lost, and the kernel says nothing.

devices="$EDU0 $EDU1 $EDU2"
load ptirq_uio
for address in $devices; do bind "$address" ptirq_uio; done
line=$(line_of "$EDU0")

# raise COUNT SEED: in the background; sets $raiser.
raise() {
    raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 \
        --device $pci/$EDU2/resource0 --count "$1" --gap 2000 --seed "$2" --timeout 30 \
        --log /tmp/raised &
    raiser=$!
}
# drive LOG OPTION...: in the background; sets $driver.
drive() {
    log=$1
    shift
    : >/tmp/counts
    helper_driver "$line" "$@" --log "$log" $devices >/tmp/counts &
    driver=$!
}
all_masked() { masked "$EDU0" && masked "$EDU1" && masked "$EDU2"; }
ready() { grep -q ready /tmp/counts; }

# The holder is killed again and again while devices assert.
raise 1500 8
kills=0
while kill -0 $raiser 2>/dev/null && [ $kills -lt 8 ]; do
    drive /tmp/served
    usleep 200000
    kill -9 $driver
    wait $driver || true
    kills=$((kills + 1))
done
check helper.killed-masked "the masks stay when the holder was killed" all_masked
drive /tmp/served --each
await 10 ready
wait $raiser || true
kill $driver && wait $driver
compared helper.killed --repeats /tmp/raised /tmp/served
rm /tmp/served

# Files open and mapped, devices deferred, one unbound after the other.
drive /tmp/deaf --deaf
deaf=$driver
await 10 ready
for address in $devices; do edu "$pci/$address/resource0" raise 0; done
await 5 all_masked
if rmmod ptirq_uio 2>/dev/null; then refused=no; else refused=yes; fi
check helper.rmmod-open "rmmod is refused while the line is held: $refused" [ $refused = yes ]
for address in $devices; do unbind "$address"; done
status=0
wait $deaf || status=$?
check helper.unbind "the holder's status $status, unbound while all are deferred" [ $status -eq 3 ]
check helper.unbound-masked "unbound devices stay masked" all_masked
check helper.node-gone "$line" [ ! -e "$line" ]
for address in $devices; do edu "$pci/$address/resource0" ack 1; done

# A plain UIO program is unbound under its feet.
bind "$EDU0" ptirq_uio
lone_driver --uio "$(uio "$EDU0")" --device "$pci/$EDU0" --id 0 --log /tmp/lone --irqcontrol &
lone=$!
raiser --device $pci/$EDU0/resource0 --count 50 --log /tmp/raised
unbind "$EDU0"
status=0
wait $lone || status=$?
check helper.uio-unbind "the driver's status $status" [ $status -eq 3 ]
compared helper.uio-served /tmp/raised /tmp/lone

# Unbind, rmmod, insmod and bind in a loop while interrupts fly.
for address in $devices; do bind "$address" ptirq_uio; done
line=$(line_of "$EDU0")
raise 2000 9
loops=0
refused=0
while [ $loops -lt 5 ]; do
    drive /tmp/served
    await 10 ready
    usleep 100000
    if rmmod ptirq_uio 2>/dev/null; then exit 1; fi
    for address in $devices; do unbind "$address"; done
    status=0
    wait $driver || status=$?
    [ $status -eq 3 ] || refused=$status
    rmmod ptirq_uio
    load ptirq_uio
    for address in $devices; do bind "$address" ptirq_uio; done
    line=$(line_of "$EDU0")
    loops=$((loops + 1))
done
check helper.loop-status "each holder ended with status 3" [ $refused -eq 0 ]
drive /tmp/served --each
await 10 ready
wait $raiser || true
kill $driver && wait $driver
compared helper.loop /tmp/raised /tmp/served
rm /tmp/served

# dev1 asserts while it is bound, when pci_enable_device() unmasks it, beside a line that goes on.
drive /tmp/served
await 10 ready
served_again() { [ "$(edu "$pci/$EDU1/resource0" status)" = 0x0 ]; }
for _ in 1 2 3 4 5 6; do
    unbind "$EDU1"
    edu "$pci/$EDU1/resource0" raise 0
    bind "$EDU1" ptirq_uio
    await 5 served_again
done
kill $driver && wait $driver
calls=$(sed -n 's/.*calls=\([0-9]*\) .*/\1/p' /tmp/counts)
claimed=$(sed -n 's/.*claimed=//p' /tmp/counts)
check helper.asserting-bind "bound 6 times, of $calls interrupts $claimed claimed" \
    [ $((calls - claimed)) -lt 1500 ]
rm /tmp/served

# dev1 is unplugged while it is deferred and its neighbours go on, and comes back to its holder.
drive /tmp/served
await 10 ready
raiser --device $pci/$EDU0/resource0 --count 600 --gap 4000 --seed 10 --log /tmp/raised &
raiser=$!
host unplug dev1
check helper.unplugged "$EDU1 has left, its neighbour is served" kill -0 $raiser
plug 1
bind "$EDU1" ptirq_uio
edu "$pci/$EDU1/resource0" raise 0
check helper.replugged "$EDU1 is served again by the same holder" await 5 served_again
wait $raiser || true
kill $driver && wait $driver
grep -v '^1 ' /tmp/served >/tmp/neighbour
compared helper.unplug /tmp/raised /tmp/neighbour
cat /tmp/counts

for address in $devices; do unbind "$address"; done
rmmod ptirq_uio
check helper.rmmod "and nothing is left" [ ! -e /sys/class/ptirq -a ! -e "$line" ]
