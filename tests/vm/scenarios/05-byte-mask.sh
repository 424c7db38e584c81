# SPDX-License-Identifier: MIT
#
# A masked device that asserts fires as soon as it is unmasked, by a byte write to config space too;
# the emulator needs a module for that (modules/qemu_intx_fixup.c).

resource=$pci/$EDU0/resource0
bind "$EDU0" uio_pci_generic

# command BYTE: the upper byte of the command register; 4 is "interrupt disable".
command() { printf "$1" | dd of="$pci/$EDU0/config" bs=1 seek=5 conv=notrunc 2>/dev/null; }

before=$(irqs "$EDU0")
fired() { [ $(($(irqs "$EDU0") - before)) -eq 1 ]; }

command '\4'
edu "$resource" raise 0
masked=$(($(irqs "$EDU0") - before))
command '\0'
await 1 fired || true
unmasked=$(($(irqs "$EDU0") - before))
check lab.byte-mask "interrupts: masked $masked, then unmasked $unmasked" \
    [ "$masked $unmasked" = "0 1" ]

# The handler has masked the device again: an ack and a byte write leave it quiet and unmasked.
edu "$resource" ack 1
command '\0'
check lab.byte-ack "interrupts: $(($(irqs "$EDU0") - before))" fired
