// SPDX-License-Identifier: GPL-2.0
/*
 * Who else is on a line's interrupt.
 *
 * Owns nothing, and must only look: at the list of the interrupt's actions, which drivers are not
 * meant to see. There is no other way to tell, as nobody is told when a handler comes or goes.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>

#include "ptirq_line.h"

/* It is there for as long as we have an action on the interrupt. */
static struct irq_desc *desc_of(struct ptirq_line *line)
{
	return irq_data_to_desc(irq_get_irq_data(line->irq));
}

/*
 * Whether anybody but us has a handler on it. Also true where we have none ourselves: a kernel with
 * DEBUG_SHIRQ calls a handler once more when it has been taken off.
 */
bool ptirq_others(struct ptirq_line *line)
{
	struct irq_desc *desc = desc_of(line);
	const struct irqaction *action;
	unsigned long flags;
	bool others;

	raw_spin_lock_irqsave(&desc->lock, flags);
	action = desc->action;
	others = !action || action->dev_id != line || action->next;
	raw_spin_unlock_irqrestore(&desc->lock, flags);
	return others;
}

/* PCI drivers with an INTx of that number. Waits for none that is just coming or going. */
static void name_drivers(struct ptirq_line *line, char *names, size_t size)
{
	struct pci_dev *pdev = NULL;
	size_t n = 0;

	for_each_pci_dev(pdev) {
		if (pdev->irq != line->irq || !device_trylock(&pdev->dev))
			continue;
		if (pdev->driver && pdev->driver != &ptirq_pci_driver && !pdev->msi_enabled &&
		    !pdev->msix_enabled)
			n += scnprintf(names + n, size - n, "%s%s %s", n ? ", " : " (",
				       pdev->driver->name, pci_name(pdev));
		device_unlock(&pdev->dev);
	}
	if (n)
		scnprintf(names + n, size - n, ")");
}

/* "eth0 (e1000 0000:01:11.0)": the names that they requested it under, and PCI drivers on it. */
void ptirq_others_name(struct ptirq_line *line, char *ret_names, size_t size)
{
	struct irq_desc *desc = desc_of(line);
	const struct irqaction *action;
	unsigned long flags;
	size_t n = 0;

	*ret_names = '\0';
	raw_spin_lock_irqsave(&desc->lock, flags);
	for (action = desc->action; action; action = action->next) {
		if (action->dev_id != line)
			n += scnprintf(ret_names + n, size - n, "%s%s", n ? ", " : "",
				       action->name);
	}
	raw_spin_unlock_irqrestore(&desc->lock, flags);
	name_drivers(line, ret_names + n, size - n);
}
