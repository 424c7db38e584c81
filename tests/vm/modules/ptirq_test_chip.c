// SPDX-License-Identifier: GPL-2.0
/*
 * Test-only interrupt controller of true level semantics, and platform devices on its wires.
 *
 * A wire interrupts for as long as it is at its active level and not masked. That is looked at when
 * it changes, is unmasked or gets another polarity, and raised through irq_work, in hard interrupt
 * context. The kernel's own irq_sim has no level types; the IO-APIC can neither invert nor tell.
 *
 * A device "ptirq-test.N" has a page of registers. The first word is its status: it asserts while
 * that is not 0. The registers are memory, so a write to them through a mapping is seen when the
 * wire is looked at next (an unmask does it); writes to the files below are seen at once.
 *
 * /sys/kernel/debug/ptirq_test_chip/
 *	wireN/assert	write 1: asserted whatever the devices do; reads what the wire is
 *	wireN/calls	how often the interrupt was raised
 *	wireN/masked	at this controller
 *	wireN/type	the polarity that the kernel has set (IRQ_TYPE_*)
 *	deviceN/raise	write: bits to be set in the status, which it reads
 *	deviceN/ack	write: bits to be cleared
 *
 * Must not know the driver of its devices.
 */
#include <linux/debugfs.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irq_work.h>
#include <linux/irqdomain.h>
#include <linux/module.h>
#include <linux/platform_device.h>

enum behaviour {
	HONEST,  /* inverts, and tells its level */
	BLIND,   /* inverts, but cannot tell its level */
	REFUSES, /* has one polarity, and says so, as the GIC does */
	INERT,   /* has one polarity, and no irq_set_type() to say so, as the IO-APIC */
	LIES,    /* has one polarity, and claims to have changed it */
	OPEN,    /* masks nothing, as many a PCI host bridge's */
	SLEEPS,  /* behind a slow bus */
};

static const struct {
	unsigned int type; /* how its devices are wired */
	enum behaviour behaviour;
} kinds[] = {
	{IRQ_TYPE_LEVEL_HIGH, HONEST},  {IRQ_TYPE_LEVEL_LOW, HONEST}, {IRQ_TYPE_LEVEL_HIGH, BLIND},
	{IRQ_TYPE_LEVEL_HIGH, REFUSES}, {IRQ_TYPE_LEVEL_HIGH, INERT}, {IRQ_TYPE_LEVEL_HIGH, LIES},
	{IRQ_TYPE_EDGE_RISING, HONEST}, {IRQ_TYPE_LEVEL_HIGH, OPEN},  {IRQ_TYPE_LEVEL_HIGH, SLEEPS},
};

/* The wire of each device: two share the first, each other wire has one. */
static const unsigned int wire_of[] = {0, 0, 1, 2, 3, 4, 5, 6, 7, 8};

#define WIRES   ARRAY_SIZE(kinds)
#define DEVICES ARRAY_SIZE(wire_of)

struct wire {
	struct irq_work work;
	unsigned int nr;
	bool forced;
	bool masked;
	unsigned int type; /* in effect */
	u32 set_type;      /* what the kernel believes */
	u32 calls;
};

struct device_page {
	atomic_t status;
};

static struct wire wires[WIRES];
static struct device_page *pages[DEVICES];
static struct platform_device *devices[DEVICES];
static DEFINE_RAW_SPINLOCK(chip_lock); /* of wires[] */
static struct irq_domain *domain;
static struct dentry *debugfs_root;

static bool is_asserted(const struct wire *wire)
{
	unsigned int n;

	if (wire->forced)
		return true;
	for (n = 0; n < DEVICES; n++) {
		if (wire_of[n] == wire->nr && atomic_read(&pages[n]->status))
			return true;
	}
	return false;
}

static bool is_high(const struct wire *wire)
{
	return is_asserted(wire) == (kinds[wire->nr].type != IRQ_TYPE_LEVEL_LOW);
}

/* Whether the interrupt is raised at this moment. */
static bool is_active(const struct wire *wire)
{
	return !wire->masked && is_high(wire) == (wire->type != IRQ_TYPE_LEVEL_LOW);
}

/* After any change; as often as one likes. */
static void look(struct wire *wire)
{
	lockdep_assert_held(&chip_lock);
	if (is_active(wire))
		irq_work_queue(&wire->work);
}

static void raise_interrupt(struct irq_work *work)
{
	struct wire *wire = container_of(work, struct wire, work);
	bool active;

	raw_spin_lock(&chip_lock);
	active = is_active(wire);
	wire->calls += active;
	raw_spin_unlock(&chip_lock);
	if (active)
		generic_handle_domain_irq(domain, wire->nr);
}

static void chip_set_masked(struct irq_data *data, bool masked)
{
	struct wire *wire = irq_data_get_irq_chip_data(data);
	unsigned long flags;

	raw_spin_lock_irqsave(&chip_lock, flags);
	wire->masked = masked;
	look(wire);
	raw_spin_unlock_irqrestore(&chip_lock, flags);
}

static void chip_mask(struct irq_data *data)
{
	chip_set_masked(data, true);
}

static void chip_unmask(struct irq_data *data)
{
	chip_set_masked(data, false);
}

static int chip_set_type(struct irq_data *data, unsigned int type)
{
	struct wire *wire = irq_data_get_irq_chip_data(data);
	unsigned long flags;

	if (kinds[wire->nr].behaviour == REFUSES && type != kinds[wire->nr].type)
		return -EINVAL;
	raw_spin_lock_irqsave(&chip_lock, flags);
	wire->set_type = type;
	if (kinds[wire->nr].behaviour != LIES)
		wire->type = type;
	look(wire);
	raw_spin_unlock_irqrestore(&chip_lock, flags);
	return IRQ_SET_MASK_OK;
}

static int chip_get_state(struct irq_data *data, enum irqchip_irq_state which, bool *state)
{
	struct wire *wire = irq_data_get_irq_chip_data(data);
	unsigned long flags;

	if (which != IRQCHIP_STATE_LINE_LEVEL || kinds[wire->nr].behaviour != HONEST)
		return -EINVAL;
	raw_spin_lock_irqsave(&chip_lock, flags);
	*state = is_high(wire);
	raw_spin_unlock_irqrestore(&chip_lock, flags);
	return 0;
}

static struct irq_chip chip = {
	.name = "ptirq-test",
	.irq_mask = chip_mask,
	.irq_unmask = chip_unmask,
	.irq_set_type = chip_set_type,
	.irq_get_irqchip_state = chip_get_state,
	.flags = IRQCHIP_SET_TYPE_MASKED | IRQCHIP_SKIP_SET_WAKE,
};

static struct irq_chip inert_chip = {
	.name = "ptirq-inert",
	.irq_mask = chip_mask,
	.irq_unmask = chip_unmask,
	.flags = IRQCHIP_SKIP_SET_WAKE,
};

static void chip_bus(struct irq_data *data)
{
	might_sleep();
}

static struct irq_chip sleeping_chip = {
	.name = "ptirq-sleeping",
	.irq_mask = chip_mask,
	.irq_unmask = chip_unmask,
	.irq_bus_lock = chip_bus,
	.irq_bus_sync_unlock = chip_bus,
	.flags = IRQCHIP_SKIP_SET_WAKE,
};

static struct irq_chip *const chips[] = {
	[HONEST] = &chip,          [BLIND] = &chip, [REFUSES] = &chip,
	[INERT] = &inert_chip,     [LIES] = &chip,  [OPEN] = &dummy_irq_chip,
	[SLEEPS] = &sleeping_chip,
};

static int domain_map(struct irq_domain *d, unsigned int irq, irq_hw_number_t hwirq)
{
	struct wire *wire = &wires[hwirq];

	irq_set_chip_data(irq, wire);
	irq_set_chip_and_handler(irq, chips[kinds[hwirq].behaviour], handle_level_irq);
	if (kinds[hwirq].type & IRQ_TYPE_LEVEL_MASK)
		irq_set_status_flags(irq, IRQ_LEVEL);
	irq_set_noprobe(irq);
	return 0;
}

static const struct irq_domain_ops domain_ops = {
	.map = domain_map,
};

/* Unlike those of debugfs's own attributes, these files can be read again without an open. */
static ssize_t show(char __user *to, size_t size, loff_t *pos, u32 value)
{
	char text[16];

	return simple_read_from_buffer(to, size, pos, text,
				       scnprintf(text, sizeof(text), "%u\n", value));
}

static ssize_t assert_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct wire *wire = file->private_data;
	bool asserted;

	raw_spin_lock_irq(&chip_lock);
	asserted = is_asserted(wire);
	raw_spin_unlock_irq(&chip_lock);
	return show(to, size, pos, asserted);
}

static ssize_t assert_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	struct wire *wire = file->private_data;
	bool forced;
	int ret = kstrtobool_from_user(from, size, &forced);

	if (ret)
		return ret;
	raw_spin_lock_irq(&chip_lock);
	wire->forced = forced;
	look(wire);
	raw_spin_unlock_irq(&chip_lock);
	return size;
}

static const struct file_operations assert_fops = {
	.open = simple_open,
	.read = assert_read,
	.write = assert_write,
	.llseek = default_llseek,
};

static ssize_t status_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	unsigned long n = (unsigned long)file->private_data;

	return show(to, size, pos, atomic_read(&pages[n]->status));
}

static ssize_t change_status(struct file *file, const char __user *from, size_t size, bool set)
{
	unsigned long n = (unsigned long)file->private_data;
	u32 bits;
	int ret = kstrtou32_from_user(from, size, 0, &bits);

	if (ret)
		return ret;
	raw_spin_lock_irq(&chip_lock);
	if (set)
		atomic_or(bits, &pages[n]->status);
	else
		atomic_andnot(bits, &pages[n]->status);
	look(&wires[wire_of[n]]);
	raw_spin_unlock_irq(&chip_lock);
	return size;
}

static ssize_t raise_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	return change_status(file, from, size, true);
}

static ssize_t ack_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	return change_status(file, from, size, false);
}

static const struct file_operations raise_fops = {
	.open = simple_open,
	.read = status_read,
	.write = raise_write,
	.llseek = default_llseek,
};

static const struct file_operations ack_fops = {
	.open = simple_open,
	.write = ack_write,
	.llseek = default_llseek,
};

static void init_debugfs(void)
{
	struct dentry *dir;
	unsigned long n;
	char name[16];

	debugfs_root = debugfs_create_dir("ptirq_test_chip", NULL);
	for (n = 0; n < WIRES; n++) {
		snprintf(name, sizeof(name), "wire%lu", n);
		dir = debugfs_create_dir(name, debugfs_root);
		debugfs_create_file("assert", 0600, dir, &wires[n], &assert_fops);
		debugfs_create_u32("calls", 0400, dir, &wires[n].calls);
		debugfs_create_bool("masked", 0400, dir, &wires[n].masked);
		debugfs_create_u32("type", 0400, dir, &wires[n].set_type);
	}
	for (n = 0; n < DEVICES; n++) {
		snprintf(name, sizeof(name), "device%lu", n);
		dir = debugfs_create_dir(name, debugfs_root);
		debugfs_create_file("raise", 0600, dir, (void *)n, &raise_fops);
		debugfs_create_file("ack", 0600, dir, (void *)n, &ack_fops);
	}
}

/* The trigger type comes with the resource, as firmware's description of a board has it. */
static int add_device(unsigned int n)
{
	unsigned int irq = irq_create_mapping(domain, wire_of[n]);
	const struct resource resources[] = {
		DEFINE_RES_MEM_NAMED(virt_to_phys(pages[n]), PAGE_SIZE, "registers"),
		{
			.start = irq,
			.end = irq,
			.flags = IORESOURCE_IRQ | kinds[wire_of[n]].type,
		},
	};

	if (!irq)
		return -ENOMEM;
	devices[n] =
		platform_device_register_simple("ptirq-test", n, resources, ARRAY_SIZE(resources));
	return PTR_ERR_OR_ZERO(devices[n]);
}

static void chip_free(void)
{
	unsigned int n;

	debugfs_remove(debugfs_root);
	for (n = 0; n < DEVICES; n++) {
		if (!IS_ERR_OR_NULL(devices[n]))
			platform_device_unregister(devices[n]);
	}
	for (n = 0; n < WIRES; n++) {
		if (domain)
			irq_dispose_mapping(irq_find_mapping(domain, n));
		irq_work_sync(&wires[n].work);
	}
	if (domain)
		irq_domain_remove(domain);
	for (n = 0; n < DEVICES; n++)
		free_page((unsigned long)pages[n]);
}

static int __init chip_init(void)
{
	unsigned int n;
	int ret = -ENOMEM;

	for (n = 0; n < WIRES; n++) {
		wires[n] = (struct wire){
			.work = IRQ_WORK_INIT_HARD(raise_interrupt),
			.nr = n,
			.masked = true,
			.type = kinds[n].type,
			.set_type = kinds[n].type,
		};
	}
	for (n = 0; n < DEVICES; n++) {
		pages[n] = (void *)get_zeroed_page(GFP_KERNEL);
		if (!pages[n])
			goto free;
	}
	domain = irq_domain_create_linear(NULL, WIRES, &domain_ops, NULL);
	if (!domain)
		goto free;
	for (n = 0; n < DEVICES; n++) {
		ret = add_device(n);
		if (ret)
			goto free;
	}
	init_debugfs();
	return 0;

free:
	chip_free();
	return ret;
}

static void __exit chip_exit(void)
{
	chip_free();
}

module_init(chip_init);
module_exit(chip_exit);
MODULE_DESCRIPTION("Test-only interrupt controller with level-triggered wires of either polarity");
MODULE_LICENSE("GPL");
