# SPDX-License-Identifier: MIT
#
# The kernel helper when whoever held a line is gone with something masked: where devices have masks
# these stay and the line goes on; where they have none the line waits out its lease and is looked at
# less and less often. The kernel never says "nobody cared". Then what takes masks away or brings
# them back: suspend and resume, a reset.
#
# qemu: -device pcie-root-port,id=reset_port,chassis=9 -device edu,id=dev9,bus=reset_port
# qemu: -drive if=none,id=disk,driver=null-co,size=16M,snapshot=on -device nvme,serial=53,drive=disk

for address in "$EDU0" "$EDU1" "$EDU2"; do echo >"$pci/$address/driver_override"; done
load e1000
await 5 test -d "$pci/$CARD/net"
card=$(ls "$pci/$CARD/net")
carrier() { [ "$(cat "/sys/class/net/$card/carrier" 2>/dev/null)" = 1 ]; }
unmasked() { ! masked "$1"; }
trace=/sys/kernel/tracing
mount -t tracefs tracefs $trace

# command ADDRESS BYTE: of the command register, 0 or 1; poke ADDRESS BYTE VALUE writes it.
command() { od -An -tu1 -j$((4 + $2)) -N1 "$pci/$1/config"; }
poke() { printf "\\$(printf %o "$3")" | dd of="$pci/$1/config" bs=1 seek=$((4 + $2)) conv=notrunc 2>/dev/null; }
masters() { [ $(($(command "$1" 0) & 4)) -ne 0 ]; }
stopped() { ! masters "$1"; }

# Devices with masks: they stay, whoever else is on the line goes on, DMA stops where asked for.
load ptirq_uio
for address in "$EDU0" "$EDU1"; do
    bind "$address" ptirq_uio
    poke "$address" 0 $(($(command "$address" 0) | 4))
done
line=$(line_of "$EDU0")
hold "$line"
asked deadman.mode "mode 0 1" ok
ask unmask line >/dev/null
edu "$pci/$EDU0/resource0" raise 0
ask await 0 deferred >/dev/null
check deadman.masters "both may while it is held" masters "$EDU0"
let_go
check deadman.masks "of both, one asserting" masked "$EDU0"
check deadman.masks-quiet "and one not" masked "$EDU1"
check deadman.dma "stopped where it asserts" stopped "$EDU0"
check deadman.dma-quiet "goes on where it does not" masters "$EDU1"
poke "$EDU0" 0 $(($(command "$EDU0" 0) | 4))
hold "$line"
asked deadman.next "page 0" "ok state=masked level=device *"
ask unmask 0 >/dev/null
asked deadman.next-fires "page 0" "ok state=deferred *"
let_go
check deadman.dma-default "goes on unless asked for: the mode ended with its holder" masters "$EDU0"
ip link set "$card" up
check deadman.card "has its interrupts beside an asserting device that nobody holds" await 20 carrier
ip link set "$card" down
edu "$pci/$EDU0/resource0" ack 1

# A third on the line, which no driver has, asserts: with nobody to serve it the line rests now and
# then, and goes on for who is served.
calls() { echo head | helper_hold "$line" --look | sed 's/.*calls=\([0-9]*\).*/\1/'; }
edu "$pci/$EDU2/resource0" raise 0
before=$(calls)
poke "$EDU2" 1 $(($(command "$EDU2" 1) & ~4))
sleep 3
calls=$(($(calls) - before))
check deadman.stray "$calls interrupts in 3 s that are nobody's" \
    [ $calls -ge 100 -a $calls -le 60000 ]
hold "$line"
ask unmask line >/dev/null
for nr in 0 1; do
    eval "address=\$EDU$nr"
    edu "$pci/$address/resource0" raise 0
    asked deadman.stray-fires$nr "await $nr deferred" "ok state=deferred level=device *"
    edu "$pci/$address/resource0" ack 1
    asked deadman.stray-ack$nr "ack $nr" ok
done
edu "$pci/$EDU2/resource0" ack 1
usleep 50000
before=$(calls)
usleep 100000
check deadman.stray-over "$(($(calls) - before)) interrupts when it asserts no more" \
    [ "$(calls)" -eq "$before" ]
let_go
for address in "$EDU0" "$EDU1"; do unbind "$address"; done
rmmod ptirq_uio
for address in "$EDU0" "$EDU1"; do echo >"$pci/$address/driver_override"; done

# A device without: the line waits, and is looked at.
insmod /modules/ptirq_uio.ko unmaskable="$EDU0" lease_ms=60
echo 1 >$trace/events/ptirq/lease/enable
bind "$EDU0" ptirq_uio
line=$(line_of "$EDU0")
look() { echo "$*" | helper_hold "$line" --look; }
hold "$line"
asked lease.set "deadline 0 40000000" ok
ask unmask line >/dev/null
edu "$pci/$EDU0/resource0" raise 0
asked lease.fired "await line deferred" "ok *"
: >$trace/trace
before=$(irqs "$EDU0")
let_go
seen=$(look until leases 4)
check lease.looks "$seen" [ "${seen%% *}" = ok ]
waits=$(sed -n 's/.* lease: .*after_ns=\([0-9]*\)/\1/p' $trace/trace | head -n 4 | tr '\n' ' ')
check lease.waits "$waits" [ "$waits" = "40000000 80000000 160000000 320000000 " ]
fired=$(($(irqs "$EDU0") - before))
looks=$(look head | sed 's/.*leases=//')
check lease.interrupts "$fired at $looks looks" [ $fired -ge 2 -a $fired -le $((looks + 1)) ]
# A processor that is late misses a look, which says nothing then.
page_says() { case "$(look page line)" in "ok state=masked level=line status=$1 "*) ;; *) return 1 ;; esac; }
check lease.page "$(look page line)" await 5 page_says asserted
edu "$pci/$EDU0/resource0" ack 1
looks=$(look head | sed 's/.*leases=//')
look until leases $((looks + 2)) >/dev/null
check lease.page-clear "$(look page line)" page_says clear
edu "$pci/$EDU0/resource0" raise 0
hold "$line"
asked lease.next "page line" "ok state=masked *"
ask unmask line >/dev/null
asked lease.next-fires "await line deferred" "ok *"
looks=$(ask head | sed 's/.*leases=//')
usleep 200000
asked lease.held "head" "ok * leases=$looks"
let_go
seen=$(look until leases $((looks + 1)))
: >$trace/trace
edu "$pci/$EDU0/resource0" ack 1
# At once after a look has begun, and at any other moment.
for _ in 1 2 3 4 5 6 7 8; do
    hold "$line"
    ask deadline 0 1 >/dev/null
    ask unmask line >/dev/null
    edu "$pci/$EDU0/resource0" raise 0
    ask await line deferred >/dev/null
    let_go
    usleep $((RANDOM / 8))
    edu "$pci/$EDU0/resource0" ack 1
done
helper_driver "$line" --log /tmp/served "$EDU0" >/tmp/counts &
driver=$!
ready() { grep -q ready /tmp/counts; }
await 10 ready
raiser --device "$pci/$EDU0/resource0" --count 200 --burst 4 --seed 66 --log /tmp/raised || true
kill $driver && wait $driver
compared lease.served /tmp/raised /tmp/served
unbind "$EDU0"
rmmod ptirq_uio
echo >"$pci/$EDU0/driver_override"

# Suspend and resume, but for the last step: what is masked and where is as it was.
load ptirq_uio
for address in "$EDU0" "$EDU1"; do bind "$address" ptirq_uio; done
line=$(line_of "$EDU0")
fall_asleep() {
    echo 0 >/sys/module/suspend/parameters/pm_test_delay
    echo platform >/sys/power/pm_test
    echo freeze >/sys/power/state
}
hold "$line"
ask unmask line >/dev/null
edu "$pci/$EDU0/resource0" raise 0
ask await 0 deferred >/dev/null
ask mask 1 >/dev/null
fall_asleep
asked resume.page "page 0" "ok state=deferred level=device *"
check resume.deferred "is masked" masked "$EDU0"
check resume.masked "too, and asserts nothing that would have had it masked again" masked "$EDU1"
asked resume.unmask "unmask 1" ok
edu "$pci/$EDU1/resource0" raise 0
asked resume.fires "await 1 deferred" "ok *"
edu "$pci/$EDU1/resource0" ack 1
edu "$pci/$EDU0/resource0" ack 1
asked resume.ack "ack 0" ok
ask ack 1 >/dev/null
unbind "$EDU1"
edu "$pci/$EDU0/resource0" raise 0
asked resume.line-before "await 0 deferred" "ok state=deferred level=line *"
fall_asleep
asked resume.line sample "* masked=0x0 * line_masked=1"
edu "$pci/$EDU0/resource0" ack 1
asked resume.line-ack "ack 0" ok
edu "$pci/$EDU0/resource0" raise 0
asked resume.line-fires "await 0 deferred" "ok state=deferred level=line *"
edu "$pci/$EDU0/resource0" ack 1
let_go
unbind "$EDU0"

# A reset restores DisINTx as it was before: wrongly, if it was changed behind the helper's back.
lone=$(cd $pci && grep -l 0x11e8 */device | cut -d/ -f1 | grep -v "^${EDU0%:*}")
bind "$lone" ptirq_uio
hold "$(line_of "$lone")"
ask unmask 0 >/dev/null
poke "$lone" 1 $(($(command "$lone" 1) | 4))
echo 1 >"$pci/$lone/reset"
check reset.idle "its mask is off again" unmasked "$lone"
ask mask 0 >/dev/null
poke "$lone" 1 $(($(command "$lone" 1) & ~4))
echo 1 >"$pci/$lone/reset"
check reset.masked "its mask is on again" masked "$lone"
let_go
unbind "$lone"

echo 0 >$trace/events/enable
umount $trace
rmmod ptirq_uio e1000
