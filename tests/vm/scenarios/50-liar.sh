# SPDX-License-Identifier: MIT
#
# T18: dev0's driver says HANDLED and serves nothing, so that its device asserts on and fires at every
# unmask. The kernel must not give the line up ("nobody cared" fails the run), dev1 is served beside
# it, and dev0 as soon as its driver is honest.

. /vmtest/broker.sh

bind "$EDU0" uio_pci_generic
bind "$EDU1" uio_pci_generic
broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1"
broker_start
driver liar dev0 --lie
driver good dev1

edu $pci/$EDU0/resource0 raise 0
before=$(irqs "$EDU0")
raiser --device $pci/$EDU0/resource0:1 --device $pci/$EDU1/resource0 --mix 0,1 --count 1000 --burst 6 \
    --log /tmp/raised
fired=$(($(irqs "$EDU0") - before))
check liar.fires "$fired interrupts while 1,000 were served beside it" [ $fired -gt 2000 ]
driver_stop good
compared liar.neighbour /tmp/raised /tmp/good
kill -USR1 $driver_liar
served() { [ $(($(edu "$pci/$EDU0/resource0" status))) -eq 0 ]; }
check liar.honest "served as soon as it is" await 5 served
driver_stop liar
broker_stop
