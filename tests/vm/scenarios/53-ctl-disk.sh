# SPDX-License-Identifier: MIT
#
# ptirqctl bind leaves alone what is in use where this process does not see it: a disk that is mounted
# in another mount namespace, a network card that is up in another network namespace.
#
# qemu: -device pcie-root-port,id=reset_port,chassis=9 -device edu,id=dev9,bus=reset_port
# qemu: -drive if=none,id=disk,driver=null-co,size=16M,snapshot=on -device nvme,serial=53,drive=disk
# modules: nvme ext4

refuses() {
    refuses_name=$1
    shift
    status=0
    ptirqctl bind --dry-run "$@" >/tmp/out 2>&1 || status=$?
    check "ctl.$refuses_name" "$(tail -n 1 /tmp/out)" \
        eval '[ $status -eq 1 ] && grep -q "$refuses_why" /tmp/out'
}
takes() {
    takes_name=$1
    shift
    status=0
    ptirqctl bind --dry-run "$@" >/tmp/out 2>&1 || status=$?
    check "ctl.$takes_name" "$(tail -n 1 /tmp/out)" [ $status -eq 0 ]
}

load nvme
load ext4
await 10 test -b /dev/nvme0n1
disk=$(basename "$(readlink -f /sys/class/nvme/nvme0/device)")
takes disk "$disk"
mke2fs /dev/nvme0n1 >/dev/null 2>&1
mkdir /tmp/disk
unshare -m sh -c 'mount --make-rprivate /; mount -t ext4 /dev/nvme0n1 /tmp/disk && : >/tmp/mounted
    exec sleep 1000' &
elsewhere=$!
await 10 test -e /tmp/mounted
refuses_why="/dev/nvme0n1 is in use by the kernel"
refuses disk-mounted-elsewhere "$disk"
takes disk-forced --force "$disk"
kill $elsewhere
wait $elsewhere || true # it was killed
free() { ptirqctl bind --dry-run "$disk" >/tmp/out 2>&1; }
check ctl.disk-unmounted "free again" await 10 free

load e1000
await 5 test -d "$pci/$CARD/net"
card=$(ls "$pci/$CARD/net")
takes card "$CARD"
unshare -n sleep 1000 &
elsewhere=$!
moved() {
    [ "$(readlink /proc/$elsewhere/ns/net)" != "$(readlink /proc/self/ns/net)" ] &&
        ip link set "$card" netns $elsewhere
}
await 5 moved
await 5 test ! -e "/sys/class/net/$card"
nsenter -t $elsewhere -n ip link set "$card" up
refuses_why="another network namespace"
refuses card-elsewhere "$CARD"
kill $elsewhere
wait $elsewhere || true # it was killed
back() { [ -e "/sys/class/net/$card" ]; }
await 10 back
ip link set "$card" down
takes card-back "$CARD"
rmmod e1000 nvme
