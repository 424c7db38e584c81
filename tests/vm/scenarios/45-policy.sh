# SPDX-License-Identifier: MIT
#
# Who may subscribe: a driver that is not root works if the configuration names its user, and is refused
# in words if not; root's own second broker is refused in words too. Registers without an IOMMU in front
# of them are given, logged and shown as what they are (T34).

. /vmtest/broker.sh

bind "$EDU0" uio_pci_generic
broker_config "allow-user = 1000" "$EDU0 name=dev0"
broker_start

# As as_user(), but the process that is started is the driver itself.
touch /tmp/allowed.out
/bin/setpriv --reuid 1000 --regid 1000 --clear-groups vm_driver --line intx --device dev0 --id 0 \
    --log /tmp/allowed >/tmp/allowed.out 2>&1 &
driver_allowed=$!
await 10 grep -q ready /tmp/allowed.out
raiser --device $pci/$EDU0/resource0 --count 200 --burst 4 --log /tmp/raised
driver_stop allowed
compared policy.allowed /tmp/raised /tmp/allowed

says() { case $1 in *"$2"*) ;; *) return 1 ;; esac; }
granted=$(grep "registers of dev0 granted" $broker_log)
check policy.dma-logged "$granted" says "$granted" "uid 1000), which can now reach all memory by DMA"
shown=$(ptirqctl --json show intx)
check policy.dma-shown "as \"unsafe_dma\" of the device" says "$shown" '"unsafe_dma": true'

refused=$(as_user 1001 1001 vm_driver --line intx --device dev0 --id 0 --log /tmp/refused 2>&1) || true
check policy.refused "$refused" says "$refused" "allow-user="

# A granted BAR is one of the things that the line's own key gives away.
sed -i 's/^grant = yes/grant = no/' /tmp/ptirq.conf
kill -HUP $broker
ungranted() {
    vm_driver --line intx --device dev0 --id 0 --log /tmp/refused >/tmp/refused.out 2>&1 &
    wait $! || says "$(cat /tmp/refused.out)" "grant=yes"
}
check policy.ungranted "$(ungranted || true; cat /tmp/refused.out)" ungranted

ptirq-broker --config /tmp/ptirq.conf --socket /tmp/second.sock >/tmp/second.out 2>&1 &
second=$!
in_use() { grep -q "$EDU0 is in use by ptirq-broker (pid $broker)" /tmp/second.out; }
await 10 in_use || true
check policy.second-broker "$(grep "^line" /tmp/second.out)" in_use
kill $second
wait $second
broker_stop
