# SPDX-License-Identifier: MIT
#
# One line, two ways to mask: dev0 by its driver's irqcontrol, dev1 by config space. dev0 is named as
# UIO names it.

. /vmtest/broker.sh

load ptirq_test_uio
bind "$EDU0" ptirq_test_uio
bind "$EDU1" uio_pci_generic
broker_config "" "$(basename "$(uio "$EDU0")") name=dev0" "$EDU1 name=dev1"
broker_start
driver drv0 dev0
driver drv1 dev1
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --count 600 --burst 6 --gap 50 \
    --log /tmp/raised
driver_stop drv0 drv1
broker_stop
compared mixed.both /tmp/raised /tmp/drv0 /tmp/drv1
