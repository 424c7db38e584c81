# SPDX-License-Identifier: MIT
#
# The broker on a line of the kernel helper: three devices, three drivers; a mute one is quieted by its
# own mask; the broker is killed while devices assert; what cannot work is said in a sentence.

. /vmtest/broker.sh

broker_source=helper
says() { grep -q "$1" $broker_log; }
# refused NAME TEXT: the broker says TEXT.
refused() {
    await 5 says "$2" >/dev/null || true
    check "helper-source.$1" "$(grep "line intx" $broker_log | tail -n 1)" says "$2"
}

# ---- what has to be done first is said, one thing after the other, and then the line comes up

broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1" "$EDU2 name=dev2"
broker_start
refused no-module "$EDU0 has no driver: .modprobe ptirq_uio., then .ptirqctl bind $EDU0"
load ptirq_uio
bind "$EDU0" uio_pci_generic
refused other-driver "$EDU0 belongs to the driver uio_pci_generic, not to the kernel helper: .ptirqctl bind"
for address in $EDU0 $EDU1 $EDU2; do bind "$address" ptirq_uio; done
for n in 0 1 2; do driver drv$n dev$n; done
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --device $pci/$EDU2/resource0 \
    --count 3000 --burst 6 --gap 50 --seed 1 --log /tmp/raised
driver_stop drv0 drv1 drv2
compared helper-source.three-drivers /tmp/raised /tmp/drv0 /tmp/drv1 /tmp/drv2

# ---- one holder

line=$(line_of "$EDU0")
ptirq-broker --config /tmp/ptirq.conf --socket /tmp/second.sock >/tmp/second.log 2>&1 &
second=$!
says2() { grep -q "$EDU0 is in use by ptirq-broker (pid $broker)" /tmp/second.log; }
await 5 says2 >/dev/null || true
check helper-source.second-broker "$(grep "^line intx" /tmp/second.log)" says2
kill $second
wait $second || true
check helper-source.stops "status 0 at SIGTERM" broker_stop
check helper-source.leaves-masked "interrupt disable is set" \
    eval 'masked "$EDU0" && masked "$EDU1" && masked "$EDU2"'

helper_driver "$line" --log /tmp/other $EDU0 >/dev/null &
other=$!
await 5 test -e /tmp/other
broker_start
refused held "$line is held by helper_driver (pid $other)"
kill $other
wait $other
await 10 eval 'ptirqctl show intx | grep -q "dev0"'
broker_stop
