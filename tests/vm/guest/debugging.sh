# SPDX-License-Identifier: MIT
#
# The last word of a kernel made for debugging, when the scenarios are over: what lockdep and kmemleak
# have seen. What KASAN, UBSAN and lockdep print themselves is seen by the host.

mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null || true
modprobe_r() { ! grep -q "^$1 " /proc/modules || rmmod "$1"; }
modprobe_r ptirq_uio

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
