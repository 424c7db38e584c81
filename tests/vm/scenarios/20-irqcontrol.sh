# SPDX-License-Identifier: MIT
#
# The test-only UIO driver with irqcontrol, in both its forms.

load ptirq_test_uio
broken=/sys/module/ptirq_test_uio/parameters/broken
resource0=$pci/$EDU0/resource0
resource1=$pci/$EDU1/resource0

# irqcontrol ADDRESS 0|1
irqcontrol() { printf "\\$2\\0\\0\\0" >"$(uio "$1")"; }

# events ADDRESS: how many the UIO core has counted.
events() { cat "$pci/$1"/uio/uio*/event; }

# since IRQS EVENTS: hardware interrupts of the line and UIO events of dev0 since the last call, in
# $since; waits a while for those that are expected, as another processor may be counting still.
moved() {
    now_irqs=$(irqs "$EDU0") now_events=$(events "$EDU0")
    since="irqs $((now_irqs - last_irqs)) events $((now_events - last_events))"
    [ "$since" = "irqs $1 events $2" ]
}
since() {
    await 1 moved "$1" "$2" || true
    last_irqs=$now_irqs last_events=$now_events
}
start_counting() {
    last_irqs=$(irqs "$EDU0") last_events=$(events "$EDU0")
}

bind "$EDU0" ptirq_test_uio
bind "$EDU1" uio_pci_generic
bind "$EDU2" uio_pci_generic
start_counting
edu "$resource0" raise 0
since 1 1; first=$since
irqcontrol "$EDU0" 1
since 0 1; again=$since
check irqcontrol.resignals "first: $first; unmasked while asserting: $again" \
    [ "$first, $again" = "irqs 1 events 1, irqs 0 events 1" ]

edu "$resource1" raise 0
since 1 0
check irqcontrol.attribution "a neighbour fires while dev0 asserts masked: $since" \
    [ "$since" = "irqs 1 events 0" ]

edu "$resource0" ack 1
edu "$resource1" ack 1
irqcontrol "$EDU0" 0
edu "$resource0" raise 0
since 0 0; masked=$since
edu "$resource0" ack 1
irqcontrol "$EDU0" 1
since 0 0
check irqcontrol.masks "masked: $masked; unmasked: $since" \
    [ "$masked, $since" = "irqs 0 events 0, irqs 0 events 0" ]

lone_driver --uio "$(uio "$EDU0")" --device "$pci/$EDU0" --id 0 --log /tmp/driver --irqcontrol &
raiser --device "$resource0" --count 500 --burst 4 --seed 2 --log /tmp/raised
kill $! && wait $!
compared irqcontrol.driver /tmp/raised /tmp/driver

# Without a mask of their own, the first device has the line, the others no interrupt.
for address in $EDU0 $EDU1 $EDU2; do unbind "$address"; done
echo 1 >$broken
for address in $EDU0 $EDU1 $EDU2; do bind "$address" ptirq_test_uio; done
start_counting
edu "$resource1" raise 0
since 1 1; first=$since
edu "$resource0" raise 0
since 0 0; masked=$since
edu "$resource1" ack 1
irqcontrol "$EDU0" 1
since 1 1
check irqcontrol.line "dev1 fires: $first; dev0 while the line is masked: $masked; unmasked: $since" \
    [ "$first, $masked, $since" = "irqs 1 events 1, irqs 0 events 0, irqs 1 events 1" ]
error=$(dd if="$(uio "$EDU1")" bs=4 count=1 2>&1) || true
check irqcontrol.irqless "reading dev1: $(echo "$error" | grep error)" \
    [ "${error##*: }" = "I/O error" -o "${error##*: }" = "Input/output error" ]

edu "$resource0" ack 1
unbind "$EDU0"
if bind "$EDU0" uio_pci_generic; then refused=1; else refused=0; fi
check irqcontrol.broken "uio_pci_generic refuses a device that cannot mask" [ $refused -eq 0 ]

# The mark stays with the kernel's device: only a new one is whole again.
echo 0 >$broken
for n in 0 1 2; do host unplug dev$n; done
