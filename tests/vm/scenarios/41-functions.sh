# SPDX-License-Identifier: MIT
#
# One device with two functions, served by two clients that cannot tell in advance whose an interrupt
# is: every policy serves all of them, "learned" with few asks.

. /vmtest/broker.sh

bind "$EDU0" uio_pci_generic
trial=0

# functions POLICY even|odd WEIGHTS MOST: at most MOST asks for 300 interrupts, of two functions.
# Each is raised a while after the one before was served: what is raised in an open round belongs to that
# round, and whoever is asked then is asked because the level is still up, not because of the policy.
functions() {
    trial=$((trial + 1))
    name=functions.$1-$2
    # An emulator on a busy machine answers late, and then both are asked: that is not counted here.
    broker_config "policy = $1
hedge = 800ms
round-deadline = 4s" "$EDU0 name=dev0"
    broker_start
    driver a$trial dev0 --bits 0
    driver b$trial dev0 --bits 1
    raiser --device $pci/$EDU0/resource0:0,1 --mix "$3" --count 300 --gap 0 --rest 4000 --seed $trial \
        --log /tmp/raised$trial
    driver_stop a$trial b$trial
    broker_stop
    compared "$name" /tmp/raised$trial /tmp/a$trial /tmp/b$trial
    asks=$(counted asked a$trial b$trial)
    check "$name-asks" "$asks asks for 300 interrupts, at most $4 allowed" [ "$asks" -le "$4" ]
}

functions chain even 1,1 600
functions broadcast even 1,1 600
functions learned even 1,1 480
functions learned odd 95,5 330
