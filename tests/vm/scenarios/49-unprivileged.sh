# SPDX-License-Identifier: MIT
#
# The broker as a user without any capability, with what the udev rules give its group; a neighbour's
# files stay closed to it.

. /vmtest/broker.sh

bind "$EDU0" uio_pci_generic
bind "$EDU1" uio_pci_generic

# As conf/60-ptirq.rules does at each plug.
give() {
    chgrp 999 "$(uio "$1")" $pci/$1/config $pci/$1/resource0
    chmod g+rw "$(uio "$1")" $pci/$1/config $pci/$1/resource0
}
give "$EDU0"
mkdir -p /run/ptirq/lock
rm -rf /run/ptirq/broker.sock /run/ptirq/lock/*
chown -R 999:999 /run/ptirq
broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1"
: >$broker_log
/bin/setpriv --reuid 999 --regid 999 --clear-groups --bounding-set=-all --no-new-privs \
    ptirq-broker --config /tmp/ptirq.conf >>$broker_log 2>&1 &
broker=$!
await 10 grep -q "listening on" $broker_log
caps=$(grep -h Cap /proc/$broker/status | awk '{ sum = sum $2 } END { print sum }' | tr -d 0)
check unprivileged.capabilities "effective, permitted, inheritable, bounding, ambient: ${caps:-none}" [ -z "$caps" ]

driver drv0 dev0
raiser --device $pci/$EDU0/resource0 --count 300 --burst 4 --gap 50 --log /tmp/raised
driver_stop drv0
compared unprivileged.serves /tmp/raised /tmp/drv0
closed() { grep -q "Permission denied; the udev rules that come with ptirq" $broker_log; }
check unprivileged.closed "$(grep "Permission denied" $broker_log | head -n 1)" closed

# What udev gives a moment after the plug is taken when it is there.
give "$EDU1"
unbind "$EDU1"
bind "$EDU1" uio_pci_generic
give "$EDU1"
driver drv1 dev1
raiser --device $pci/$EDU1/resource0 --count 100 --log /tmp/raised1
driver_stop drv1
sed -i 's/^0 /1 /' /tmp/raised1
compared unprivileged.late /tmp/raised1 /tmp/drv1
broker_stop
rm -rf /run/ptirq
