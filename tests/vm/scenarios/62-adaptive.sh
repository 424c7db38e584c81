# SPDX-License-Identifier: MIT
#
# The kernel helper's mask level: at the line while a device is alone on the interrupt, at the device
# while somebody shares it, and from one to the other with interrupts in flight. What DisINTx is,
# is read back from configuration space at each step; the trace tells in which order it changed.

load ptirq_uio
load e1000
await 5 test -d "$pci/$CARD/net"
card=$(ls "$pci/$CARD/net")
trace=/sys/kernel/tracing
mount -t tracefs tracefs $trace
echo 1 >$trace/events/ptirq/mask_level/enable
for function in ptirq_intx_mask ptirq_intx_unmask pci_check_and_mask_intx pci_check_and_unmask_intx; do
    echo "p:intx/$function $function"
done >$trace/kprobe_events
echo 'p:joins/request request_threaded_irq irq=%di:u32' >>$trace/kprobe_events
echo 1 >$trace/events/joins/enable

unmasked() { ! masked "$1"; }
raise0() { edu "$pci/$EDU0/resource0" raise 0; }
ack0() { edu "$pci/$EDU0/resource0" ack 1; }
# changes: of the mask levels since the last call, oldest first.
changes() {
    sed -n 's/.* mask_level: irq=[0-9]* nr=\(.*\)/\1;/p' $trace/trace | tr -d '\n'
    : >$trace/trace
}
traced() {
    traced_name=$1 traced_expected=$2
    traced_changes=$(changes)
    check "$traced_name" "$traced_changes" [ "$traced_changes" = "$traced_expected" ]
}

bind "$EDU0" ptirq_uio
line=$(line_of "$EDU0")
hold "$line"
ask unmask line >/dev/null
asked adaptive.alone-info "info line" "ok devices=0x1 caps=0x0 *"
: >$trace/trace

# Alone.
raise0
asked adaptive.alone "await 0 deferred" "ok state=deferred level=line *"
asked adaptive.alone-sample sample "ok devices=0x1 asserting=0x1 masked=0x0 * line_masked=1"
check adaptive.alone-disintx "not set" unmasked "$EDU0"
generation=$(ask page 0 | sed 's/.*generation=\([0-9]*\).*/\1/')
asked adaptive.alone-again "ack 0" ok
asked adaptive.alone-again-fired "await 0 deferred" \
    "ok state=deferred level=line * generation=$((generation + 1)) * again=0"
ack0
asked adaptive.alone-ack "ack 0" ok
asked adaptive.alone-idle sample "* asserting=0x0 masked=0x0 * line_masked=0"
asked adaptive.alone-stale "ack 0" ESTALE
traced adaptive.alone-trace \
    "0 unmasked -> line;0 line -> unmasked;0 unmasked -> line;0 line -> unmasked;"

# Requests mask at the device, and enable the line.
raise0
ask await 0 deferred >/dev/null
asked adaptive.keep "ack 0 keep" ok
asked adaptive.keep-page "page 0" "ok state=masked level=device *"
asked adaptive.keep-sample sample "* masked=0x1 * line_masked=0"
check adaptive.keep-disintx "set" masked "$EDU0"
asked adaptive.keep-unmask "unmask 0" ok
asked adaptive.keep-fires "page 0" "ok state=deferred level=device * again=1"
ack0
asked adaptive.keep-ack "ack 0" ok
check adaptive.keep-cleared "not set" unmasked "$EDU0"

# The other mode, of one's choice.
asked adaptive.mode-bad "mode 9 0" EINVAL
asked adaptive.mode-flag "mode 0 2" EINVAL
asked adaptive.mode "mode 1 0" ok
asked adaptive.mode-masks "page 0" "ok state=masked *"
ask unmask 0 >/dev/null
raise0
asked adaptive.mode-device "await 0 deferred" "ok state=deferred level=device *"
ack0
ask ack 0 >/dev/null
asked adaptive.mode-back "mode 0 0" ok
ask unmask 0 >/dev/null

# Another device of the helper's comes while the line is masked, and goes.
changes >/dev/null
raise0
ask await 0 deferred >/dev/null
bind "$EDU1" ptirq_uio
asked adaptive.second "page 0" "ok state=deferred level=device *"
asked adaptive.second-sample sample "ok devices=0x3 * masked=0x3 * line_masked=0"
check adaptive.second-disintx "set" masked "$EDU0"
ask unmask 1 >/dev/null
edu "$pci/$EDU1/resource0" raise 0
asked adaptive.second-fires "await 1 deferred" "ok state=deferred level=device *"
edu "$pci/$EDU1/resource0" ack 1
ask ack 1 >/dev/null
ack0
asked adaptive.second-ack "ack 0" ok
unbind "$EDU1"
raise0
asked adaptive.second-left "await 0 deferred" "ok state=deferred level=line *"
ack0
ask ack 0 >/dev/null
traced adaptive.second-trace "0 unmasked -> line;0 line -> device;1 unmasked -> device;\
1 device -> unmasked;1 unmasked -> device;1 device -> unmasked;0 device -> unmasked;\
1 unmasked -> device;1 device -> unmasked;0 unmasked -> line;0 line -> unmasked;"

# Masks come and go while its driver switches bus mastering, which is in the same register.
let_go
command() { od -An -tu1 -j4 -N1 "$pci/$EDU0/config"; }
poke() { printf "\\$(printf %o "$1")" | dd of="$pci/$EDU0/config" bs=1 seek=4 conv=notrunc 2>/dev/null; }
off=$(($(command) & ~4))
yes "$(printf 'mask 0\nunmask 0')" | helper_hold "$line" >/dev/null &
masker=$!
undone=0
for _ in $(seq 150); do
    for value in $((off | 4)) $off; do
        poke $value
        [ $(($(command))) -eq $value ] || undone=$((undone + 1))
    done
done
kill $masker && wait $masker || true
check adaptive.mastering "switched 300 times, undone $undone times" [ $undone -eq 0 ]
hold "$line"
ask unmask line >/dev/null

# A driver of the kernel's comes while the line is masked: it has its interrupts after the deadline.
asked adaptive.deadline-low "deadline 99999 0" EINVAL
asked adaptive.deadline-high "deadline 1000000001 0" EINVAL
asked adaptive.lease-high "deadline 0 60000000001" EINVAL
asked adaptive.deadline "deadline 20000000 0" ok
conversions=$(ask head | sed 's/.*conversions=\([0-9]*\).*/\1/')
raise0
asked adaptive.late-before "await 0 deferred" "ok state=deferred level=line *"
before=$(irqs "$EDU0")
: >$trace/trace
ip link set "$card" up
# Asking for a deadline does not put it off.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    ask deadline 20000000 0 >/dev/null
    usleep 10000
done
asked adaptive.late "head" "ok * conversions=$((conversions + 1)) *"
asked adaptive.late-page "page 0" "ok state=deferred level=device *"
asked adaptive.late-sample sample "ok devices=0x1 asserting=0x1 masked=0x1 * line_masked=0"
asked adaptive.late-info "info line" "* caps=0x10 *"
check adaptive.late-disintx "set" masked "$EDU0"
waited=$(awk -v irq="$(cat "$pci/$EDU0/irq")" '
    { for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9]+:$/) at = $i + 0 }
    / request: / && $0 ~ "irq=" irq "$" { joined = at }
    / mask_level: / && joined { printf "%d", (at - joined) * 1000000; exit }' $trace/trace)
check adaptive.late-bound "${waited:-no trace of it} us after it joined, the deadline being 20000" \
    [ "${waited:-1000000}" -le $((20000 + 100000)) ]
carrier() { [ "$(cat "/sys/class/net/$card/carrier" 2>/dev/null)" = 1 ]; }
check adaptive.late-carrier "the card has a carrier, while dev0 is deferred" await 20 carrier
check adaptive.late-irqs "$(($(irqs "$EDU0") - before)) interrupts since" \
    [ "$(irqs "$EDU0")" -gt "$before" ]
ack0
asked adaptive.late-ack "ack 0" ok
raise0
asked adaptive.shared "await 0 deferred" "ok state=deferred level=device *"
ack0
ask ack 0 >/dev/null

# It leaves.
ip link set "$card" down
raise0
asked adaptive.leaver "await 0 deferred" "ok state=deferred level=line *"
check adaptive.leaver-disintx "not set" unmasked "$EDU0"

# The holder dies with the line masked: the line is free for others, the device is masked.
let_go
check adaptive.killed-disintx "set" masked "$EDU0"
before=$(irqs "$EDU0")
ip link set "$card" up
check adaptive.killed-carrier "a card that comes later has its interrupts" await 20 carrier
ip link set "$card" down
ack0

# Alone nothing of DisINTx is read or written; what would be seen if it were, first.
hold "$line"
ask mode 1 0 >/dev/null
ask unmask line >/dev/null
: >$trace/trace
echo 1 >$trace/events/intx/enable
raise0
ask await 0 deferred >/dev/null
touched=$(grep -c "pci_.*intx: " $trace/trace) || true
check adaptive.touched "1 interrupt in mode device, DisINTx touched $touched times" [ "$touched" -ge 1 ]
ack0
let_go
helper_driver "$line" --log /tmp/served "$EDU0" >/tmp/counts &
driver=$!
ready() { grep -q ready /tmp/counts; }
await 10 ready
: >$trace/trace
raiser --device "$pci/$EDU0/resource0:0" --count 500 --log /tmp/raised || true
echo 0 >$trace/events/intx/enable
touched=$(grep -c "pci_.*intx: " $trace/trace) || true
check adaptive.untouched "500 interrupts alone, DisINTx touched $touched times" [ "$touched" -eq 0 ]
kill $driver && wait $driver
compared adaptive.alone-served /tmp/raised /tmp/served
rm /tmp/served

# Somebody comes and goes all the time, with interrupts in flight.
: >$trace/trace
echo 8192 >$trace/buffer_size_kb
helper_driver "$line" --log /tmp/served "$EDU0" >/tmp/counts &
driver=$!
await 10 ready
raiser --device "$pci/$EDU0/resource0:0" --count "$VMTEST_COUNT" --gap 1000 --burst 4 --seed 62 \
    --timeout 30 --log /tmp/raised &
raiser=$!
changed=0
while kill -0 $raiser 2>/dev/null; do
    ip link set "$card" up
    usleep $((RANDOM * 3))
    ip link set "$card" down
    usleep $((RANDOM * 3))
    changed=$((changed + 1))
done
wait $raiser || true
kill $driver && wait $driver
compared adaptive.flight /tmp/raised /tmp/served
at_line=$(grep -c "unmasked -> line" $trace/trace) || true
at_device=$(grep -c "unmasked -> device" $trace/trace) || true
moved=$(grep -c "line -> device" $trace/trace) || true
check adaptive.flight-levels \
    "the card came $changed times: $at_line at the line, $at_device at the device, $moved moved" \
    [ "$at_line" -ge $((VMTEST_COUNT / 30)) -a "$at_device" -ge $((VMTEST_COUNT / 30)) ]
rm /tmp/served

echo 0 >$trace/events/enable
echo >$trace/kprobe_events
umount $trace
rmmod e1000
unbind "$EDU0"
rmmod ptirq_uio
