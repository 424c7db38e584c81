# SPDX-License-Identifier: MIT
#
# Three devices on one line, each with a driver process that serves it through a granted BAR: 10,000
# interrupts in random order and in bursts.

. /vmtest/broker.sh

for address in $EDU0 $EDU1 $EDU2; do bind "$address" uio_pci_generic; done
broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1" "$EDU2 name=dev2"
broker_start
for n in 0 1 2; do driver drv$n dev$n; done

before=$(irqs "$EDU0")
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --device $pci/$EDU2/resource0 \
    --count 10000 --burst 6 --gap 50 --seed 1 --log /tmp/raised
driver_stop drv0 drv1 drv2
compared broker.three-drivers /tmp/raised /tmp/drv0 /tmp/drv1 /tmp/drv2
grown=$(($(irqs "$EDU0") - before))
rounds=$(counted asked drv0 drv1 drv2)

# One interrupt of the line finds up to three devices asserting: it opens as many rounds. A round
# ends in an unmask, and an unmask can interrupt again.
check broker.interrupts "$grown interrupts for 10000 raises and $rounds rounds" \
    [ $((3 * grown)) -ge "$rounds" -a $grown -le $((10000 + rounds)) ]
check broker.stops "status 0 at SIGTERM" broker_stop

# command ADDRESS: the upper byte of the command register, in which 4 is "interrupt disable".
command() { dd if="$pci/$1/config" bs=1 skip=5 count=1 2>/dev/null | od -An -tu1; }
masked="$(($(command "$EDU0") & 4)) $(($(command "$EDU1") & 4)) $(($(command "$EDU2") & 4))"
check broker.leaves-masked "interrupt disable: $masked" [ "$masked" = "4 4 4" ]
