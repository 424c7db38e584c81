# SPDX-License-Identifier: MIT
#
# The kernel helper on platform devices: lines of one unit, on wires of the test chip.

. /vmtest/platform.sh

# Two devices on an active-high wire, one on an active-low one, and on one that does not tell its
# level.
check platform.bind "driver_override binds" take 0 1 2 3
check platform.one-line "$(platform_line 0)" [ "$(platform_line 0)" = "$(platform_line 1)" ]
check platform.masked "a line that nobody holds is masked" [ "$(cat $chip/wire0/masked)" = Y ]
promises "" platform_check "$(platform_line 0)" 0 0 1
promises .low env VMTEST_COUNT=500 platform_check "$(platform_line 2)" 1 2
promises .blind env VMTEST_COUNT=500 platform_check "$(platform_line 3)" 2 3

# A program that knows only UIO, on a line of its own.
counts=$(platform_uio "$(platform_node 3)" 3 2000 2>&1) && status=0 || status=$?
check platform.uio "$counts" [ $status -eq 0 ]
check platform.uio-closed "masked once it is closed" [ "$(cat $chip/wire2/masked)" = Y ]

# An edge is refused, and says so.
refused=no
take 7 || refused=yes
said=$(dmesg | grep "ptirq-test.7: .*not level-triggered") || true
check platform.edge "${said#*: }" [ $refused = yes -a -n "$said" ]

# So is a controller that would not mask it, or could not in the handler.
refused=no
take 8 || refused=yes
said=$(dmesg | grep "ptirq-test.8: .*cannot mask") || true # nothing: the check says so
check platform.open "${said#*: }" [ $refused = yes -a -n "$said" ]
refused=no
take 9 || refused=yes
said=$(dmesg | grep "ptirq-test.9: .*sleeps") || true # nothing: the check says so
check platform.sleeps "${said#*: }" [ $refused = yes -a -n "$said" ]

# Unbound while it asserts, bound again: nothing is lost, and the line is as it was.
drop 3
echo 1 >$chip/device3/raise
take 3
counts=$(platform_uio "$(platform_node 3)" 3 0 2>&1) || true
check platform.rebind "asserted while it was unbound: $counts" \
    [ "$counts" = "raised=0 served=1 woken=1" ]

line=$(platform_line 0)
drop 0 1 2 3
rmmod ptirq_test_chip
check platform.gone "$line, with its devices and their controller" [ ! -e "$line" -a ! -e "$chip" ]
