# SPDX-License-Identifier: MIT
#
# The kernel helper and devices that cannot mask themselves, or whose status bit is not to be
# trusted: their line is one unit. Wholly the helper's it is served; with a neighbour it is refused,
# by name; and the line changes between the two kinds as such a device comes and goes.

load e1000
await 5 test -d "$pci/$CARD/net"
card=$(ls "$pci/$CARD/net")
carrier() { [ "$(cat "/sys/class/net/$card/carrier" 2>/dev/null)" = 1 ]; }
unmasked() { ! masked "$1"; }
for address in "$EDU0" "$EDU1" "$EDU2"; do echo >"$pci/$address/driver_override"; done
insmod /modules/ptirq_uio.ko unmaskable=0000:00:1f.7,"$EDU0"
ready() { grep -q ready /tmp/counts; }
drive() {
    helper_driver "$line" --log /tmp/served "$@" >/tmp/counts &
    driver=$!
    await 10 ready
}
kind() { echo "info line" | helper_hold "$line" --look | sed 's/.*caps=\(0x[0-9a-f]*\).*/\1/'; }
each() { for address; do printf ' --device %s' "$pci/$address/resource0"; done; }

# One such device, alone.
bind "$EDU0" ptirq_uio
line=$(line_of "$EDU0")
hold "$line"
asked unit.info "info line" "ok devices=0x1 caps=0x8 *"
asked unit.device-info "info 0" "ok * caps=0x0 name=$EDU0"
asked unit.starts-masked "page line" "ok state=masked level=line *"
asked unit.device-idle "page 0" "ok state=idle level=unmasked status=unknown *"
edu "$pci/$EDU0/resource0" raise 0
asked unit.masked "await line masked" "ok * interrupts=0 *"
asked unit.unmask "unmask line" ok
asked unit.fires "await line deferred" "ok state=deferred level=line status=asserted * interrupts=1 *"
asked unit.sample sample "ok devices=0x1 asserting=0x0 masked=0x0 unknown=0x1 level=* line_masked=1"
check unit.disintx "not touched" unmasked "$EDU0"
asked unit.device-ack "ack 0" EOPNOTSUPP
asked unit.device-mask "mask 0" EOPNOTSUPP
asked unit.device-unmask "unmask 0" EOPNOTSUPP
asked unit.mode "mode 1 0" EOPNOTSUPP
asked unit.ack-asserting "ack line" ok
asked unit.again "await line deferred" "ok * interrupts=2 *"
edu "$pci/$EDU0/resource0" ack 1
asked unit.keep "ack line keep" ok
asked unit.stale "ack line" ESTALE
edu "$pci/$EDU0/resource0" raise 0
asked unit.kept "page line" "ok state=masked * interrupts=2 *"
asked unit.unmasked "unmask line" ok
asked unit.kept-fires "await line deferred" "ok * interrupts=3 *"
edu "$pci/$EDU0/resource0" ack 1
ask ack line >/dev/null
if ip link set "$card" up 2>/dev/null; then refused=no; else refused=yes; fi
check unit.late-joiner "a driver that comes later is refused: $refused" [ $refused = yes ]
asked unit.late-joiner-page "page line" "ok state=idle *"
let_go

# A device with a mask joins it: held and freed by that, served with the line.
bind "$EDU1" ptirq_uio
hold "$line"
asked unit.second "info line" "ok devices=0x3 caps=0x8 *"
asked unit.second-info "info 1" "ok * caps=0x3 name=$EDU1"
check unit.second-disintx "not set: the line's mask is enough" unmasked "$EDU1"
ask unmask line >/dev/null
asked unit.second-mask "mask 1" ok
check unit.second-masked "DisINTx is set" masked "$EDU1"
edu "$pci/$EDU1/resource0" raise 0
edu "$pci/$EDU0/resource0" raise 0
asked unit.second-quiet "await line deferred" "ok *"
edu "$pci/$EDU0/resource0" ack 1
asked unit.second-ack "ack line" ok
asked unit.second-idle "page line" "ok state=idle *"
asked unit.second-unmask "unmask 1" ok
asked unit.second-fires "await line deferred" "ok *"
edu "$pci/$EDU1/resource0" ack 1
ask mask 1 >/dev/null
let_go
check unit.second-freed "what its holder had masked is behind the line's mask again" unmasked "$EDU1"

bind "$EDU2" ptirq_uio
devices="$EDU0 $EDU1 $EDU2"
drive $devices
# shellcheck disable=SC2046 # options are words
raiser $(each $devices) --count 1000 --burst 6 --seed 63 --log /tmp/raised || true
kill $driver && wait $driver
compared unit.served /tmp/raised /tmp/served
rm /tmp/served

# The device without a mask goes and comes while its neighbours are served: two kinds of action.
unbind "$EDU0"
drive $devices
# shellcheck disable=SC2046
raiser $(each "$EDU1" "$EDU2") --count $((VMTEST_COUNT / 2)) --gap 2000 --burst 4 --seed 64 \
    --timeout 30 --log /tmp/raised &
raiser=$!
changed=0
kinds=
while kill -0 $raiser 2>/dev/null; do
    bind "$EDU0" ptirq_uio
    kinds="$kinds $(kind)"
    usleep $((RANDOM * 3))
    unbind "$EDU0"
    kinds="$kinds $(kind)"
    usleep $((RANDOM * 3))
    changed=$((changed + 1))
done
wait $raiser || true
kill $driver && wait $driver
sed 's/^1 /0 /; s/^2 /1 /' /tmp/served >/tmp/renumbered
compared unit.changes /tmp/raised /tmp/renumbered
kinds=$(echo "$kinds" | tr ' ' '\n' | sort | uniq -c | tr -s '\n ' ' ')
check unit.changed "the line changed $changed times:$kinds" [ $changed -ge 2 ]
rm /tmp/served

# It asserts while it is bound: the line waits, and goes on.
drive $devices
served() { [ "$(edu "$pci/$1/resource0" status)" = 0x0 ]; }
for _ in 1 2 3 4; do
    edu "$pci/$EDU0/resource0" raise 0
    bind "$EDU0" ptirq_uio
    await 5 served "$EDU0"
    edu "$pci/$EDU1/resource0" raise 0
    await 5 served "$EDU1"
    unbind "$EDU0"
done
kill $driver && wait $driver
calls=$(sed -n 's/.*calls=\([0-9]*\) .*/\1/p' /tmp/counts)
claimed=$(sed -n 's/.*claimed=//p' /tmp/counts)
check unit.asserting-bind "bound 4 times, of $calls interrupts $claimed claimed" \
    [ $((calls - claimed)) -lt 1500 ]
rm /tmp/served
for address in $devices; do unbind "$address"; done

# With a driver of the kernel's on the line it is refused, alone or beside others of the helper's.
ip link set "$card" up
await 20 carrier
dmesg -c >/dev/null
if bind "$EDU0" ptirq_uio 2>/dev/null; then bound=yes; else bound=no; fi
message=$(dmesg | grep "ptirq_uio.*shared with" | sed 's/^[^]]*] //')
check unit.refused "$message" [ $bound = no ]
case "$message" in
*"shared with $card (e1000 $CARD)"*) pass unit.refused-names "the neighbour" ;;
*) fail unit.refused-names "not the neighbour" ;;
esac
bind "$EDU1" ptirq_uio
line=$(line_of "$EDU1")
hold "$line"
ask unmask line >/dev/null
if bind "$EDU0" ptirq_uio 2>/dev/null; then bound=yes; else bound=no; fi
check unit.refused-beside "bound: $bound" [ $bound = no ]
edu "$pci/$EDU1/resource0" raise 0
asked unit.refused-goes-on "await 0 deferred" "ok state=deferred level=device *"
edu "$pci/$EDU1/resource0" ack 1
let_go
check unit.refused-card "the card goes on" carrier
ip link set "$card" down
unbind "$EDU1"

# A UIO program has a line that is one device. It would not share it.
bind "$EDU0" ptirq_uio
lone_driver --uio "$(uio "$EDU0")" --device "$pci/$EDU0" --id 0 --log /tmp/lone --irqcontrol &
lone=$!
raiser --device "$pci/$EDU0/resource0" --count 200 --burst 4 --seed 65 --log /tmp/raised || true
if bind "$EDU1" ptirq_uio 2>/dev/null; then bound=yes; else bound=no; fi
check unit.uio-refuses "another is bound while a UIO program has the line: $bound" [ $bound = no ]
kill $lone && wait $lone
compared unit.uio /tmp/raised /tmp/lone
hold "$(line_of "$EDU0")"
asked unit.uio-closed "page line" "ok state=masked *"
let_go
bind "$EDU1" ptirq_uio
error=$(lone_driver --uio "$(uio "$EDU0")" --device "$pci/$EDU0" --id 0 --log /tmp/lone \
    --irqcontrol 2>&1) || true
check unit.uio-shared "$error" [ "${error##*: }" = "Operation not supported" ]
for address in $devices; do unbind "$address"; done
rmmod ptirq_uio

# A device that the kernel itself knows as broken; and one of which the administrator knows better.
load ptirq_test_uio
echo Y >/sys/module/ptirq_test_uio/parameters/broken
bind "$EDU2" ptirq_test_uio
unbind "$EDU2"
rmmod ptirq_test_uio
load ptirq_uio
bind "$EDU2" ptirq_uio
hold "$(line_of "$EDU2")"
asked unit.broken "info line" "ok * caps=0x8 *"
let_go
unbind "$EDU2"
rmmod ptirq_uio
insmod /modules/ptirq_uio.ko maskable="$EDU1,$EDU2"
bind "$EDU2" ptirq_uio
hold "$(line_of "$EDU2")"
asked unit.maskable "info line" "ok * caps=0x0 *"
let_go
unbind "$EDU2"
rmmod ptirq_uio
# As it was found: the flag is gone with the device.
host unplug dev2
plug 2
rmmod e1000
