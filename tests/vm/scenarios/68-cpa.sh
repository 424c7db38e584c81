# SPDX-License-Identifier: MIT
#
# Mode cpa of the kernel helper, on wires of the test chip whose polarity can be inverted, and on
# some whose cannot: the controller refuses, has no way to be asked (as the IO-APIC), or lies.

. /vmtest/platform.sh

take 0 1 2 3 4 5 6
promises "" cpa_check "$(platform_line 0)" 0 0 1
promises .low cpa_check "$(platform_line 2)" 1 2
promises .blind cpa_check "$(platform_line 3)" 2 3
promises .refuses cpa_check "$(platform_line 4)" 3 4
promises .inert cpa_check "$(platform_line 5)" 4 5
promises .lies cpa_check "$(platform_line 6)" 5 6

# Unbound in this mode while the wire flies: the next driver finds the polarity that it needs.
flying() { grep -q ready /tmp/fly; }
wrong=0
for _ in 1 2 3 4 5; do
    cpa_check --fly "$(platform_line 2)" 1 2 >/tmp/fly &
    holder=$!
    await 5 flying
    drop 2
    wait $holder || wrong=$((wrong + 1))
    [ "$(cat $chip/wire1/type)" -eq 8 ] || wrong=$((wrong + 1))
    rm /tmp/fly
    take 2
done
check cpa.unbind "5 times in flight, $wrong times wrong" [ $wrong -eq 0 ]
promises .again env VMTEST_COUNT=100 platform_check "$(platform_line 2)" 1 2

drop 0 1 2 3 4 5 6
rmmod ptirq_test_chip
