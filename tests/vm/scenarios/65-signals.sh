# SPDX-License-Identifier: MIT
#
# The kernel helper's eventfds (notify lists, resample), who holds which device, races for one
# generation, and plain UIO programs beside a holder of the other devices.

devices="$EDU0 $EDU1 $EDU2"
load ptirq_uio
for address in $devices; do bind "$address" ptirq_uio; done
line=$(line_of "$EDU0")

for checker in helper_signals helper_races; do
    $checker "$line" $devices >/tmp/checks || fail helper.$checker "ended with status $?"
    while read -r verdict name detail; do
        $verdict "$name" "$detail"
    done </tmp/checks
done

# A plain UIO program, its registers mapped through /dev/uioN, and a holder of the two others.
lone_driver --uio "$(uio "$EDU0")" --id 0 --log /tmp/lone --irqcontrol >/tmp/lone_counts &
lone=$!
opened() { grep -q ready /tmp/lone_counts; }
await 10 opened
helper_driver "$line" --each --log /tmp/served0 "$EDU1" "$EDU2" >/tmp/counts &
driver=$!
ready() { grep -q ready /tmp/counts; }
await 10 ready
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 \
    --device $pci/$EDU2/resource0 --count 1000 --burst 6 --seed 65 --log /tmp/raised || true
# The holder's devices are 1 and 2 of the raiser.
kill $lone && wait $lone
check helper.uio-left "the holder's now, and masked" masked "$EDU0"
kill $driver && wait $driver
cat /tmp/lone_counts /tmp/counts
awk '{ $1 = $1 + 1; print }' /tmp/served0 >/tmp/served
compared helper.uio-and-holder /tmp/raised /tmp/lone /tmp/served

# The direct path: triggers and resample eventfds, the holder does nothing.
rm /tmp/served
helper_driver "$line" --direct --log /tmp/served $devices >/tmp/counts &
driver=$!
await 10 ready
raiser --device $pci/$EDU0/resource0:0,1 --device $pci/$EDU1/resource0 \
    --device $pci/$EDU2/resource0 --count 2000 --burst 6 --seed 66 --log /tmp/raised || true
kill $driver && wait $driver
cat /tmp/counts
compared helper.direct /tmp/raised /tmp/served
