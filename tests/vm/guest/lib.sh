# SPDX-License-Identifier: MIT
#
# What the scenarios have in common; sourced by each of them and by the guest's init.
# EDU0, EDU1 and EDU2 are the PCI addresses of QEMU's dev0, dev1 and dev2, plugged or not; CARD and
# PEER those of two network cards on one hub, of which CARD is on the line too (driver e1000).

results=/run/results
pci=/sys/bus/pci/devices

if [ -z "${EDU0-}" ]; then
    : >$results
    edu_bus=$(cd $pci && grep -l 0x11e8 */device | head -n 1 | cut -d: -f1,2)
    EDU0=$edu_bus:$(echo "$EDU_SLOTS" | cut -d, -f1).0
    EDU1=$edu_bus:$(echo "$EDU_SLOTS" | cut -d, -f2).0
    EDU2=$edu_bus:$(echo "$EDU_SLOTS" | cut -d, -f3).0
    CARD=$edu_bus:$(echo "$CARD_SLOTS" | cut -d, -f1).0
    PEER=$edu_bus:$(echo "$CARD_SLOTS" | cut -d, -f2).0
    export EDU0 EDU1 EDU2 CARD PEER
fi

# pass NAME DETAIL..., fail NAME DETAIL...: one result line.
pass() { report PASS "$@"; }
fail() { : >/run/failed; report FAIL "$@"; }
report() {
    verdict=$1 test=$2
    shift 2
    echo "$test" >>$results
    echo "VMTEST $test $verdict $*"
}

# check NAME DETAIL COMMAND...: a result line by the command's status.
check() {
    check_name=$1 check_detail=$2
    shift 2
    if "$@"; then pass "$check_name" "$check_detail"; else fail "$check_name" "$check_detail"; fi
}

# compared NAME [--repeats] RAISED SERVED...: a result line by comparing the logs.
compared() {
    compared_name=$1
    shift
    if compared_result=$(compare "$@"); then
        pass "$compared_name" "$compared_result"
    else
        # All of it into the log, the counts into the result line.
        echo "$compared_result"
        fail "$compared_name" "$(echo "$compared_result" | tail -n 1)"
    fi
}

# expect TEXT: the kernel is about to complain of TEXT once, and fails the run if it does not.
expect() { echo "VMTEST-EXPECT $*"; }

# host unplug|plug devN: asks the host and waits until it is done.
host() {
    echo "@host $*"
    read -r host_reply </dev/ttyS1
    [ "${host_reply%% *}" = ok ] || { echo "host $*: $host_reply"; return 1; }
}

# await SECONDS COMMAND...: until it succeeds; sysfs has no event that a shell could wait for. A
# kernel made for debugging gets more time.
await() {
    await_left=$(($1 * 50 * VMTEST_SCALE))
    shift
    until "$@"; do
        await_left=$((await_left - 1))
        [ $await_left -gt 0 ] || { echo "gave up waiting for: $*"; return 1; }
        usleep 20000
    done
}

# load MODULE: with what it depends on.
load() {
    while read -r ko; do
        loaded=$(echo "${ko%.ko}" | tr - _)
        grep -q "^$loaded " /proc/modules || insmod "/modules/$ko"
    done <"/modules/$1.list"
}

driver_of() { [ ! -e "$pci/$1/driver" ] || basename "$(readlink "$pci/$1/driver")"; }

unbind() { [ ! -e "$pci/$1/driver" ] || echo "$1" >"$pci/$1/driver/unbind"; }

# bind ADDRESS DRIVER: fails where the driver does not take the device.
bind() {
    unbind "$1"
    echo "$2" >"$pci/$1/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe 2>/dev/null || true
    [ "$(driver_of "$1")" = "$2" ]
}

# plug N: plugs devN in, until a driver can be bound. Its files in sysfs are there a little earlier.
plug() {
    host plug "dev$1" || return 1
    eval "plugged=\$EDU$1"
    await 5 test -e "$pci/$plugged"
    await 5 bind "$plugged" uio_pci_generic
    unbind "$plugged"
}

# uio ADDRESS: the device's /dev/uioN.
uio() { echo "/dev/$(ls "$pci/$1/uio")"; }

# line_of ADDRESS: the kernel helper's node of the device's line.
line_of() { echo "/dev/$(basename "$(readlink "$pci/$1/ptirq_line")" | tr ! /)"; }

# hold LINE: helper_hold in the background ($holder), which "ask WORDS..." asks and let_go ends.
hold() {
    rm -f /tmp/ask /tmp/answer
    mkfifo /tmp/ask /tmp/answer
    helper_hold "$1" </tmp/ask >/tmp/answer &
    holder=$!
    exec 3>/tmp/ask 4</tmp/answer
}
ask() {
    echo "$*" >&3
    read -r hold_answer <&4
    echo "$hold_answer"
}
let_go() {
    exec 3>&- 4<&-
    kill -9 $holder 2>/dev/null || true
    wait $holder || true
}

# asked NAME QUESTION PATTERN: a result line by whether the holder's answer is like that.
asked() {
    asked_answer=$(ask "$2")
    # shellcheck disable=SC2254 # a pattern it is
    case "$asked_answer" in
    $3) pass "$1" "$2: $asked_answer" ;;
    *) fail "$1" "$2: $asked_answer, not $3" ;;
    esac
}

# masked ADDRESS: whether DisINTx is set.
masked() { [ $(($(od -An -tu1 -j5 -N1 "$pci/$1/config") & 4)) -ne 0 ]; }

# irqs ADDRESS: how many interrupts /proc/interrupts counts on the device's line.
irqs() {
    awk -v irq="$(cat "$pci/$1/irq"):" '
        NR == 1 { cpus = NF }
        $1 == irq { for (i = 2; i <= cpus + 1; i++) sum += $i; print sum }' /proc/interrupts
}

# as_user UID GID COMMAND...: without groups; by its path, as the shell prefers busybox's setpriv.
as_user() {
    as_uid=$1 as_gid=$2
    shift 2
    /bin/setpriv --reuid "$as_uid" --regid "$as_gid" --clear-groups "$@"
}

# clean_up: between scenarios, by init only: no processes, all devices there, quiet, without a driver
# and meant for none, and no module that a scenario loaded.
clean_up() {
    kill -KILL -1 2>/dev/null || true
    for n in 0 1 2; do
        eval "address=\$EDU$n"
        [ -e "$pci/$address" ] || plug $n
        edu "$pci/$address/resource0" ack 0xffffffff 2>/dev/null || true
        unbind "$address"
        # Or a driver that is loaded takes it at once.
        echo >"$pci/$address/driver_override"
    done
    for module in e1000 ptirq_test_chip ptirq_uio; do
        # What was killed may not have let go yet.
        [ ! -e /sys/module/$module ] || await 5 rmmod $module 2>/dev/null || true
    done
    rm -rf /tmp/*
}
