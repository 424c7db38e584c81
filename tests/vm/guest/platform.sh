# SPDX-License-Identifier: MIT
#
# What the scenarios with the test chip's platform devices have in common; sourced by them.

platform=/sys/bus/platform/devices
chip=/sys/kernel/debug/ptirq_test_chip
[ -e /sys/kernel/debug/tracing ] || mount -t debugfs debugfs /sys/kernel/debug
load ptirq_uio
load ptirq_test_chip

# take N...: binds ptirq-test.N to the helper. Fails where it does not take it.
take() {
    for n in "$@"; do
        echo ptirq_uio >$platform/ptirq-test.$n/driver_override
        echo ptirq-test.$n >/sys/bus/platform/drivers_probe 2>/dev/null || true
        [ -e $platform/ptirq-test.$n/ptirq_line ] || return 1
    done
}

drop() { for n in "$@"; do echo ptirq-test.$n >/sys/bus/platform/drivers/ptirq_uio/unbind; done; }

# platform_line N, platform_node N: the nodes of the device's line and of its UIO device.
platform_line() { echo "/dev/$(basename "$(readlink $platform/ptirq-test.$1/ptirq_line)" | tr ! /)"; }
platform_node() { echo "/dev/$(ls $platform/ptirq-test.$1/uio)"; }

# promises SUFFIX COMMAND...: a result line for each promise that the program reports.
promises() {
    suffix=$1
    shift
    { "$@" || echo "fail $1 ended with status $?"; } | while read -r verdict name detail; do
        $verdict "$name$suffix" "$detail"
    done
}
