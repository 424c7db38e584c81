# SPDX-License-Identifier: MIT
#
# The laboratory itself, without a broker: three devices on one line, each with a driver process of
# its own that knows nothing of the others.

# start: one lone driver per device of $devices, their logs in /tmp.
start() {
    n=0
    pids=
    for address in $devices; do
        lone_driver --uio "$(uio "$address")" --device "$pci/$address" --id $n \
            --log /tmp/driver$n >/tmp/counts$n &
        pids="$pids $!"
        n=$((n + 1))
    done
}

stop() {
    kill $pids
    wait $pids
    logs=
    for m in $(seq 0 $((n - 1))); do logs="$logs /tmp/driver$m"; done
    enabled=$(sed 's/.*enabled=//' /tmp/counts* | awk '{ sum += $1 } END { print sum }')
}

devices="$EDU0 $EDU1 $EDU2"
for address in $devices; do bind "$address" uio_pci_generic; done
lines=$(for address in $devices; do cat "$pci/$address/irq"; done | sort -u | wc -l)
check lab.one-line "$(grep uio_pci_generic /proc/interrupts | tr -s ' ')" [ "$lines" -eq 1 ]

before=$(irqs "$EDU0")
start
if raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --device $pci/$EDU2/resource0 \
    --count 1000 --burst 6 --seed 1 --log /tmp/raised; then
    stop
    compared lab.three-drivers /tmp/raised $logs
else
    fail lab.three-drivers "the raiser gave up"
    stop
fi
grown=$(($(irqs "$EDU0") - before))
# One interrupt of the line can find all three devices asserting; an unmask can fire again.
check lab.interrupts "$grown for 1000 raises and $enabled unmasks" \
    [ $grown -ge 334 -a $grown -le $((1000 + enabled)) ]

# Others are kept out of the registers, so that a client needs what a broker grants.
user=$(as_user 1000 1001 sh -c 'echo "$(id -u):$(id -g)"; edu "$0" status' "$pci/$EDU0/resource0" 2>&1) || true
user=$(echo $user)
check lab.as-user "$user" [ "${user%% *} ${user##*: }" = "1000:1001 Permission denied" ]
