# SPDX-License-Identifier: MIT
#
# The kernel helper beside a driver of the kernel's own: a network card on the same line carries
# traffic throughout, while one, two and three devices are served and while the one who serves them,
# and then the broker, is killed at random moments. Everything raised is served, and the card neither
# loses a frame nor waits for one. VMTEST_COUNT interrupts in all.

. /vmtest/broker.sh

load ptirq_uio
load e1000
await 5 test -d "$pci/$CARD/net" -a -d "$pci/$PEER/net"
card=$(ls "$pci/$CARD/net")
peer=$(ls "$pci/$PEER/net")
carrier() { [ "$(cat "/sys/class/net/$1/carrier" 2>/dev/null)" = 1 ]; }
frames() { cat "/sys/class/net/$card/statistics/rx_packets"; }

for interface in $card $peer; do
    echo 1 >"/proc/sys/net/ipv6/conf/$interface/disable_ipv6" 2>/dev/null || true
    ip link set "$interface" up
done
await 20 carrier "$card"
await 20 carrier "$peer"
# A debugging kernel takes its time, and the card has room for 256 frames.
every=1
[ ! -e /proc/lockdep_stats ] || every=5
neighbour "$card" "$peer" $every >/tmp/neighbour &
neighbour=$!

# each ADDRESS...: its resource0 as an option of the raiser.
each() { for address; do printf ' --device %s' "$pci/$address/resource0"; done; }
ready() { grep -q ready /tmp/counts; }

# drive ADDRESS...: in the background; sets $driver.
drive() {
    : >/tmp/counts
    helper_driver "$line" --log /tmp/served "$@" >/tmp/counts &
    driver=$!
}

# serve NAME ADDRESS...: a fifth of all on these devices, beside the card.
serve() {
    name=$1
    shift
    for address; do bind "$address" ptirq_uio; done
    line=$(line_of "$1")
    actions=$(grep ptirq-line /proc/interrupts | tr -s ' ')
    check neighbour.$name-shared "$actions" [ "${actions%$card*}" != "$actions" ]
    drive "$@"
    await 10 ready
    before=$(frames)
    # shellcheck disable=SC2046 # options are words
    raiser $(each "$@") --count $((VMTEST_COUNT / 5)) --burst 6 --gap 1000 --seed $# \
        --log /tmp/raised || true
    frames=$(($(frames) - before))
    kill $driver && wait $driver
    compared neighbour.$name /tmp/raised /tmp/served
    check neighbour.$name-traffic "$frames frames meanwhile" [ $frames -gt 50 ]
    rm /tmp/served
    for address; do unbind "$address"; done
}
serve one "$EDU0"
serve two "$EDU0" "$EDU1"
serve three "$EDU0" "$EDU1" "$EDU2"

devices="$EDU0 $EDU1 $EDU2"
for address in $devices; do bind "$address" ptirq_uio; done
line=$(line_of "$EDU0")
before=$(frames)
# shellcheck disable=SC2046
raiser $(each $devices) --count $((VMTEST_COUNT / 5)) --burst 6 --gap 4000 --seed 4 --timeout 30 \
    --log /tmp/raised &
raiser=$!
kills=0
while kill -0 $raiser 2>/dev/null; do
    drive $devices
    # Every other one is killed as it begins.
    [ $((kills % 2)) -eq 0 ] || await 10 ready
    usleep $((RANDOM * 10))
    kill -9 $driver
    wait $driver || true
    kills=$((kills + 1))
    # Nobody holds the line for a while.
    usleep $((RANDOM * 2))
done
wait $raiser
frames=$(($(frames) - before))
compared neighbour.killed --repeats /tmp/raised /tmp/served
check neighbour.killed-traffic "$frames frames while the holder was killed $kills times" \
    [ $frames -gt 50 ]

# The broker in the holder's place; its drivers stay.
broker_source=helper
broker_config "" "$EDU0 name=dev0" "$EDU1 name=dev1" "$EDU2 name=dev2"
broker_start
for n in 0 1 2; do driver drv$n dev$n; done
before=$(frames)
# shellcheck disable=SC2046
raiser $(each $devices) --count $((VMTEST_COUNT / 5)) --burst 6 --gap 20000 --seed 5 --timeout 30 \
    --log /tmp/raised &
raiser=$!
kills=0
served() { cat /tmp/drv0 /tmp/drv1 /tmp/drv2 | wc -l; }
while kill -0 $raiser 2>/dev/null; do
    # The drivers have come back to it.
    already=$(served)
    await 20 eval '[ $(served) -gt $already ] || ! kill -0 $raiser 2>/dev/null'
    usleep $((RANDOM * 10))
    kill -KILL $broker
    wait $broker || true
    kills=$((kills + 1))
    usleep $((RANDOM * 2))
    broker_start
done
wait $raiser
frames=$(($(frames) - before))
driver_stop drv0 drv1 drv2
compared neighbour.broker --repeats /tmp/raised /tmp/drv0 /tmp/drv1 /tmp/drv2
check neighbour.broker-traffic "$frames frames while the broker was killed $kills times" \
    [ $frames -gt 50 -a $kills -ge 2 ]
broker_stop

kill $neighbour
status=0
wait $neighbour || status=$?
traffic=$(cat /tmp/neighbour)
check neighbour.traffic "$traffic" [ $status -eq 0 ]
behind=${traffic##*behind=}
check neighbour.prompt "$behind frames behind at worst, at one every $every ms" [ "$behind" -le 250 ]
rmmod e1000
