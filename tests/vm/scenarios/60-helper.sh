# SPDX-License-Identifier: MIT
#
# The kernel helper (kmod-uio-ext): binding, deferral and acknowledgment, plain UIO programs.

devices="$EDU0 $EDU1 $EDU2"
load ptirq_uio
for address in $devices; do bind "$address" ptirq_uio; done

line=$(line_of "$EDU0")
lines=$(for address in $devices; do line_of "$address"; done | sort -u | wc -l)
actions=$(grep ptirq-line /proc/interrupts | tr -s ' ')
check helper.one-line "$line: $actions" [ "$lines" -eq 1 -a -c "$line" ]

helper_check "$line" $devices >/tmp/checks || fail helper.check "ended with status $?"
while read -r verdict name detail; do
    $verdict "$name" "$detail"
done </tmp/checks

# compare_served NAME OPTION...: 1,000 raises on the three devices, served through triggers.
compare_served() {
    name=$1
    shift
    helper_driver "$line" "$@" --log /tmp/served $devices >/tmp/counts &
    pid=$!
    raiser --device $pci/$EDU0/resource0:0,1 --device $pci/$EDU1/resource0 \
        --device $pci/$EDU2/resource0 --count 1000 --burst 6 --seed 6 --log /tmp/raised || true
    kill $pid && wait $pid
    cat /tmp/counts
    compared "$name" /tmp/raised /tmp/served
    rm /tmp/served
}
before=$(irqs "$EDU0")
compare_served helper.each-trigger --each
grown=$(($(irqs "$EDU0") - before))
compare_served helper.line-trigger
counted=$(sed -n 's/.*claimed=//p' /tmp/counts)
check helper.interrupts "$grown of the line for 1000 raises" [ $grown -ge 250 -a $grown -le 1100 ]
check helper.claims "the page counts $counted interrupts in all" [ "$counted" -ge $grown ]

# The broker's place is free: the same devices for programs that know only UIO.
lone_driver --uio "$(uio "$EDU0")" --device "$pci/$EDU0" --id 0 --log /tmp/lone0 --irqcontrol &
lone0=$!
lone_driver --uio "$(uio "$EDU1")" --device "$pci/$EDU1" --id 1 --log /tmp/lone1 --irqcontrol &
lone1=$!
raiser --device $pci/$EDU0/resource0 --device $pci/$EDU1/resource0 --count 500 --burst 4 --seed 7 \
    --log /tmp/raised || true
command() { od -An -tu1 -j4 -N1 "$pci/$EDU0/config"; }
printf "\\$(printf %o $(($(command) | 4)))" |
    dd of="$pci/$EDU0/config" bs=1 seek=4 conv=notrunc 2>/dev/null
error=$(helper_driver "$line" --log /tmp/served $devices 2>&1) || true
check helper.uio-holds "$error" [ "${error##*: }" = "Device or resource busy" ]
kill $lone0 $lone1
wait $lone0 $lone1
compared helper.uio /tmp/raised /tmp/lone0 /tmp/lone1
check helper.uio-closed "a device that nobody holds is masked" masked "$EDU0"
check helper.uio-dma "and masters the bus no more, whatever became of the program's memory" \
    [ $(($(command) & 4)) -eq 0 ]

size=$(cat "$pci/$EDU0"/uio/uio*/maps/map0/size)
check helper.uio-map "the map of BAR0 has $size bytes" [ $((size)) -eq 1048576 ]

tracepoints=$(mount -t tracefs tracefs /sys/kernel/tracing && cd /sys/kernel/tracing/events/ptirq && echo */)
check helper.tracepoints "$tracepoints" \
    [ "$tracepoints" = "acked/ deferred/ fired/ lease/ mask_level/ stale_ack/ wire/" ]
echo 1 >/sys/kernel/tracing/events/ptirq/enable
helper_check "$line" $devices >/dev/null
helper_check "$line" $devices >/dev/null
for event in fired deferred acked stale_ack mask_level; do
    seen=$(grep -c " $event: irq=$(cat "$pci/$EDU0/irq") " /sys/kernel/tracing/trace) || true
    check helper.trace-$event "$seen events" [ "$seen" -ge 10 ]
done
echo 0 >/sys/kernel/tracing/events/ptirq/enable
umount /sys/kernel/tracing
