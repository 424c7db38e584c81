// SPDX-License-Identifier: GPL-2.0
/*
 * Makes QEMU 7.2 obey a byte write to the upper half of the PCI command register (a correction was
 * posted to qemu-devel in August 2023, "pci: Fix the update of interrupt disable bit").
 *
 * Its pci_default_write_config() looks at "interrupt disable" only when the write covers offset 4:
 * after a byte write at offset 5 the bit reads back right, but the INTx pin stays as it was. An
 * unmask that finds the device asserting does not fire, and an ack while masked leaves the pin up.
 * Real devices obey, so the programs under test must not be bent to the emulator; instead such a
 * write goes out as the 16-bit write that QEMU understands.
 *
 * Owns the config accessors of the bus that the edu devices are on, and nothing
 * else of them; must be loaded before any test touches an interrupt.
 */
#include <linux/module.h>
#include <linux/pci.h>

static struct pci_ops ops;
static struct pci_ops *original;
static struct pci_bus *bus;

static int fixup_write(struct pci_bus *b, unsigned int devfn, int where, int size, u32 value)
{
	u32 command;
	int ret;

	if (where != PCI_COMMAND + 1 || size != 1)
		return original->write(b, devfn, where, size, value);
	ret = original->read(b, devfn, PCI_COMMAND, 2, &command);
	if (ret)
		return ret;
	return original->write(b, devfn, PCI_COMMAND, 2, (command & 0xff) | value << 8);
}

static int __init fixup_init(void)
{
	struct pci_dev *pdev = pci_get_device(0x1234, 0x11e8, NULL);

	if (!pdev)
		return -ENODEV;
	bus = pdev->bus;
	ops = *bus->ops;
	ops.write = fixup_write;
	original = pci_bus_set_ops(bus, &ops);
	pci_dev_put(pdev);
	return 0;
}

static void __exit fixup_exit(void)
{
	pci_bus_set_ops(bus, original);
}

module_init(fixup_init);
module_exit(fixup_exit);
MODULE_DESCRIPTION("Byte writes to the upper half of the command register, for QEMU 7.2");
MODULE_LICENSE("GPL");
