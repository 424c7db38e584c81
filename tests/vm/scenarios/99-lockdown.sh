# SPDX-License-Identifier: MIT
#
# A kernel that is locked down lets nobody write config space (T31). There is no way back: this one is
# the last.

. /vmtest/broker.sh

bind "$EDU0" uio_pci_generic
broker_config "" "$EDU0 name=dev0"
mkdir -p /sys/kernel/security
mount -t securityfs securityfs /sys/kernel/security
echo integrity >/sys/kernel/security/lockdown
broker_start
says() { grep -q "$EDU0/config may not be written: the kernel is locked down" $broker_log; }
await 5 says >/dev/null || true
check lockdown.refused "$(grep "line intx" $broker_log)" says
broker_stop
doctor=$(ptirqctl doctor "$EDU0") || true
check lockdown.doctor "$doctor" [ "${doctor#*the kernel is locked down}" != "$doctor" ]
