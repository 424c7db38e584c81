# SPDX-License-Identifier: MIT
#
# What cannot work is said in a sentence with its cause and its fix: no driver, no node, no interrupt,
# no irqcontrol. A line comes up by itself once it can.

. /vmtest/broker.sh

says() { grep -q "$1" $broker_log; }
# refused NAME TEXT: the broker says TEXT.
refused() {
    await 5 says "$2" >/dev/null || true
    check "refusals.$1" "$(grep "line intx" $broker_log | tail -n 1)" says "$2"
}

broker_config "" "$EDU0 name=dev0"
broker_start
refused no-driver "$EDU0 has no driver: .echo uio_pci_generic"
bind "$EDU0" uio_pci_generic
driver late dev0
raiser --device $pci/$EDU0/resource0 --count 50 --log /tmp/raised
driver_stop late
compared refusals.comes-up /tmp/raised /tmp/late
broker_stop

node=$(uio "$EDU0")
mv "$node" /tmp/node
broker_start
refused no-node "$node is not there though /sys/class/uio/"
broker_stop
mv /tmp/node "$node"
unbind "$EDU0"

load ptirq_test_uio
broken=/sys/module/ptirq_test_uio/parameters/broken
echo 1 >$broken
bind "$EDU0" ptirq_test_uio
bind "$EDU1" ptirq_test_uio
broker_config "" "$EDU1 name=dev1"
broker_start
refused no-interrupt "has no interrupt"
broker_stop

broker_config "" "0000:1f:1f.7 name=dev0"
broker_start
refused not-there "0000:1f:1f.7 is not there: is it plugged in?"
broker_stop

for address in $EDU0 $EDU1; do unbind "$address"; done
echo 0 >$broken
for n in 0 1; do host unplug dev$n; done
