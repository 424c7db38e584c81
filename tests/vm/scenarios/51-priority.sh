# SPDX-License-Identifier: MIT
#
# fifo-priority= and mlock=: what /proc says of the loop, and that it serves as before.

. /vmtest/broker.sh

bind "$EDU0" uio_pci_generic
broker_config "" "$EDU0 name=dev0"
sed -i '1i [broker]\nfifo-priority = 50\nmlock = yes\n' /tmp/ptirq.conf
broker_start

# After the name, in parentheses: field 41 of stat is the policy (1: SCHED_FIFO), 40 the priority.
policy() { sed 's/.*) //' "/proc/$broker/stat" | cut -d' ' -f38,39; }
locked() { sed -n 's/^VmLck:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$broker/status"; }
check priority.fifo "priority and policy of the loop: $(policy)" [ "$(policy)" = "50 1" ]
check priority.mlock "$(locked) kB are locked" [ "$(locked)" -gt 1000 ]
check priority.silent "nothing was refused" sh -c "! grep -E 'fifo-priority|mlock' $broker_log"

driver steady dev0
raiser --device $pci/$EDU0/resource0 --count 300 --burst 4 --log /tmp/raised
driver_stop steady
compared priority.serves /tmp/raised /tmp/steady
broker_stop
