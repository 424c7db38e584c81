# SPDX-License-Identifier: MIT
#
# The last word of a kernel made for debugging, when the scenarios are over: the module's unit tests,
# and what lockdep and kmemleak have seen. What KASAN, UBSAN and lockdep print is seen by the host.

mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null || true

load ptirq_state_test
kunit=/sys/kernel/debug/kunit/ptirq_state/results
cat $kunit
awk '$1 == "ok" || ($1 == "not" && $2 == "ok") { print $1 == "ok" ? "pass" : "fail", "kunit." $NF }' \
    $kunit >/tmp/kunit
while read -r verdict name; do $verdict "$name"; done </tmp/kunit
check kunit "$(wc -l </tmp/kunit) results" [ -s /tmp/kunit ]
rmmod ptirq_state_test

! grep -q '^ptirq_uio ' /proc/modules || rmmod ptirq_uio

# The first report turns lockdep off.
locks=$(grep debug_locks: /proc/lockdep_stats | tr -s ' ')
check debugging.lockdep "$locks" [ "${locks##* }" = 1 ]

# kmemleak leaves alone what is younger than 5 s, and may err in its first scan.
sleep 6
echo scan >/sys/kernel/debug/kmemleak
echo scan >/sys/kernel/debug/kmemleak
cat /sys/kernel/debug/kmemleak
leaks=$(grep -c '^unreferenced' /sys/kernel/debug/kmemleak) || true
check debugging.kmemleak "$leaks leaks" [ "$leaks" -eq 0 ]
