# SPDX-License-Identifier: MIT
#
# ptirqctl's verbs that look at the machine, on real devices: scan, bind and unbind, and doctor's
# sentences, each on its real cause. A udevd of systemd's gives the helper's lines their names.

. /vmtest/broker.sh

has() { case $1 in *"$2"*) true ;; *) false ;; esac; }
# finds CODE ADDRESS [TEXT]: doctor finds CODE (its sentence has TEXT).
finds() {
    finds_all=$(ptirqctl --json doctor "$2") || true
    finds_one=$(echo "$finds_all" | sed -n "s/.*\"code\": \"$1\", \"text\": \"\([^\"]*\)\".*/\1/p")
    [ "$finds_one" ] || echo "$finds_all"
    check "ctl.doctor-$1" "$finds_one" has "$finds_one" "${3- }"
}
# gives NAME STATUS COMMAND...: its exit status; the detail is its last line. The rest is in /tmp/out.
gives() {
    gives_name=$1 gives_status=$2 status=0
    shift 2
    "$@" >/tmp/out 2>&1 || status=$?
    cat /tmp/out
    check "ctl.$gives_name" "$(tail -n 1 /tmp/out)" [ $status -eq "$gives_status" ]
}
out_has() { grep -qF -- "$1" /tmp/out; }
scan_has() { ptirqctl scan >/tmp/out && out_has "$1"; }

# ---- not bound

gives scan 0 ptirqctl scan
check ctl.scan-free "$(grep -F "$EDU0" /tmp/out | head -n 1)" out_has "ptirqctl bind $EDU0"
finds no-driver "$EDU0"
finds not-there 0000:1f:1f.7
finds bridge 0000:00:01.0
gives bind-no-module 1 ptirqctl bind "$EDU0"
echo ptirq_uio >"$pci/$EDU0/driver_override"
finds not-loaded "$EDU0"
echo >"$pci/$EDU0/driver_override"

# ---- a driver of the kernel's

load ptirq_uio
load e1000
await 5 test -d "$pci/$CARD/net"
card=$(ls "$pci/$CARD/net")
finds kernel-driver "$CARD" e1000
ip link set "$card" up
finds in-use "$CARD" "$card is up"
gives bind-in-use 1 ptirqctl bind "$CARD"
check ctl.bind-left-alone "$(driver_of "$CARD")" [ "$(driver_of "$CARD")" = e1000 ]

# A device that cannot mask itself, beside a driver of the kernel's: the helper's own words.
load ptirq_test_uio
echo 1 >/sys/module/ptirq_test_uio/parameters/broken
bind "$EDU2" ptirq_test_uio
unbind "$EDU2"
echo 0 >/sys/module/ptirq_test_uio/parameters/broken
gives bind-refused 1 ptirqctl bind "$EDU2"
check ctl.bind-refused-why "$(tail -n 1 /tmp/out)" out_has "ptirq_uio refuses it: it "
check ctl.bind-restored "driver_override is as it was" \
    [ "$(cat "$pci/$EDU2/driver_override")" = ptirq_test_uio ]
bind "$EDU2" ptirq_uio || true
finds refused "$EDU2"
ip link set "$card" down
gives bind-one-unit 0 ptirqctl bind "$EDU2"
finds one-unit "$EDU2"
check ctl.scan-one-unit "$(ptirqctl scan | grep -F "device = $EDU2")" scan_has "device = $EDU2 mask=no"
ptirqctl unbind "$EDU2" >/dev/null
host unplug dev2 # and with it the flag that it cannot mask itself
plug 2
ip link set "$card" up

# ---- bound to the helper

for n in 0 1 2; do
    eval "address=\$EDU$n"
    gives bind-$n 0 ptirqctl bind "$address"
done
node=$(line_of "$EDU0")
check ctl.bind-driver "$node" [ "$(driver_of "$EDU2")" = ptirq_uio -a -c "$node" ]
check ctl.scan-line "a line of three" scan_has "device = $EDU2"
check ctl.scan-neighbour "$(grep "^# Interrupt" /tmp/out)" out_has "shared with the kernel's $card"
finds shared "$EDU0" "$card"
finds unheld "$EDU0"
edu "$pci/$EDU0/resource0" raise 0
finds unserved "$EDU0" "$node"
edu "$pci/$EDU0/resource0" ack 1

# What scan prints is a configuration, and makes a line that works.
ptirqctl scan | sed -n "/^\[line intx-$EDU0/,/^$/p" >/tmp/ptirq.conf
sed -i 's/^\[line .*/[line intx]\ngrant = yes\nunsafe-dma = yes/' /tmp/ptirq.conf
broker_start
gives doctor-line 0 ptirqctl doctor intx
finds unclaimed "$EDU2"
vm_driver --line intx --device "$EDU0" --id 0 --log /tmp/served >/tmp/driver 2>&1 &
driver=$!
await 5 grep -q ready /tmp/driver
gives doctor-everything 0 ptirqctl doctor
check ctl.doctor-quiet "$(cat /tmp/out)" out_has "shares interrupt"
kill $driver
wait $driver
broker_stop

helper_driver "$node" --log /tmp/served "$EDU0" "$EDU2" >/tmp/counts &
driver=$!
await 5 grep -q ready /tmp/counts
gives doctor-well 0 ptirqctl doctor "$EDU0"
kill -STOP $driver
edu "$pci/$EDU0/resource0" raise 0
deferred() { ptirqctl doctor "$EDU0" | grep -q "does not acknowledge"; }
await 5 deferred
finds deferred "$EDU0" "helper_driver (process $driver)"
kill -CONT $driver
served() { [ $(($(edu "$pci/$EDU0/resource0" status))) -eq 0 ]; }
await 5 served
kill $driver
wait $driver
lone_driver --uio "$(uio "$EDU1")" --device "$pci/$EDU1" --id 1 --log /tmp/lone --irqcontrol &
lone=$!
opened() { ptirqctl doctor "$EDU1" | grep -q "has it open"; }
await 5 opened || true
finds uio-open "$EDU1" "lone_driver (process $lone)"
kill $lone
wait $lone

# Byte 0x42 of edu: the enable bit of its MSI.
printf '\1' | dd of="$pci/$EDU1/config" bs=1 seek=66 conv=notrunc 2>/dev/null
finds msi-on "$EDU1"
printf '\0' | dd of="$pci/$EDU1/config" bs=1 seek=66 conv=notrunc 2>/dev/null

# ---- given back: each to the driver that it had

for address in $EDU0 $EDU1 $EDU2; do ptirqctl unbind "$address" >/dev/null; done
check ctl.unbind "no driver, as before" [ -z "$(driver_of "$EDU0")$(driver_of "$EDU2")" ]
ip link set "$card" down
gives bind-driver-s 0 ptirqctl bind "$CARD"
check ctl.bind-taken "$(driver_of "$CARD")" [ "$(driver_of "$CARD")" = ptirq_uio ]
gives unbind-driver-s 0 ptirqctl unbind "$CARD"
check ctl.unbind-back "$(driver_of "$CARD")" [ "$(driver_of "$CARD")" = e1000 ]
rmmod e1000

# ---- uio_pci_generic

gives bind-uio 0 ptirqctl bind --driver uio_pci_generic "$EDU0"
finds qemu "$EDU0"
unbind "$EDU0"

# ---- nobody cares for dev0's interrupts

bind "$EDU1" uio_pci_generic
expect "nobody cared"
edu "$pci/$EDU0/resource0" raise 0
off() { dmesg | grep -q "Disabling IRQ"; }
await 20 off || { cat /proc/irq/*/spurious; od -An -tx1 -N8 "$pci/$EDU0/config"; }
finds turned-off "$EDU1" "$EDU0 asserts, and has no driver"
edu "$pci/$EDU0/resource0" ack 1
unbind "$EDU1"
bind "$EDU1" uio_pci_generic
edu "$pci/$EDU1/resource0" raise 0
gives doctor-on-again 0 ptirqctl doctor "$EDU1"
edu "$pci/$EDU1/resource0" ack 1
unbind "$EDU1"

# ---- udevd

mv /etc/group /tmp/group
(cat /tmp/group; echo ptirq:x:999:) >/etc/group
ptirqctl bind "$EDU0" >/dev/null
finds permission "$EDU0"
systemd-udevd --daemon
udevadm trigger --action=add --subsystem-match=uio --subsystem-match=ptirq
udevadm settle --timeout=5
ls -l /dev/ptirq /dev/ptirq/by-path || true
names="/dev/ptirq/by-path/pci-"
check ctl.udev-name "$names$EDU0" [ "$(readlink -f "$names$EDU0")" = "$(line_of "$EDU0")" ]
owner=$(stat -c %g:%a "$(line_of "$EDU0")")
check ctl.udev-permission "$owner" [ "$owner" = 999:660 ]
# A second device joins; a device is named by whoever comes later, too.
gives bind-persistent 0 ptirqctl bind --persistent "$EDU1"
udevadm control --reload # it would look for new rules in 3 s only
named() { udevadm settle --timeout=5; [ "$(readlink -f "$names$1")" = "$(line_of "$1")" ]; }
check ctl.udev-joins "$names$EDU1" await 5 named "$EDU1"
host unplug dev1
nameless() { udevadm settle --timeout=5; [ ! -e "$names$1" ]; }
check ctl.udev-leaves "$(ls /dev/ptirq/by-path)" await 5 nameless "$EDU1"
check ctl.udev-stays "$(ls /dev/ptirq/by-path)" named "$EDU0"
host plug dev1
check ctl.persistent "bound by udev's rule when it was plugged in" await 10 named "$EDU1"
gives unbind-persistent 0 ptirqctl unbind "$EDU1"
check ctl.unbind-forgets "no rule is left" [ ! -e /etc/udev/rules.d/59-ptirq-bind.rules ]
ptirqctl unbind "$EDU0" >/dev/null
check ctl.udev-last "the last name has gone" await 5 nameless "$EDU0"
mv /tmp/group /etc/group
