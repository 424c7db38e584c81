// SPDX-License-Identifier: MIT
/* ptirqctl scan: every interrupt of the machine, who shares it, and what each device can do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/helper.h"
#include "ctl/hw.h"
#include "ctl/output.h"
#include "ctl/stanza.h"
#include "kmod-uio-ext/ptirq_uio_abi.h"

/* The owners of the handlers of @irq, each once, between commas. */
static void owners_of(const struct hw *hw, const struct hw_irq *irq, char *ret, size_t size)
{
	char actions[sizeof(irq->actions)], *save = NULL, *action;
	bool has[HW_VFIO + 1] = {0};

	*ret = 0;
	strcpy(actions, irq->actions);
	for (action = strtok_r(actions, ",", &save); action; action = strtok_r(NULL, ",", &save))
		has[hw_action_owner(hw, irq, action)] = true;
	for (enum hw_owner owner = HW_KERNEL; owner <= HW_VFIO; owner++)
		if (has[owner])
			snprintf(ret + strlen(ret), size - strlen(ret), "%s%s", *ret ? "," : "",
				 hw_owner(owner));
}

static void interrupts(struct output *output, const struct hw *hw)
{
	static const struct column columns[] = {
		{"name", "IRQ", CELL_TEXT},
		{"trigger", "TRIGGER", CELL_TEXT},
		{"chip", "CHIP", CELL_TEXT},
		{"count", "COUNT", CELL_NUMBER},
		{"unhandled", "UNHANDLED", CELL_NUMBER},
		{"owners", "OWNERS", CELL_LIST},
		{"handlers", "HANDLERS", CELL_LIST},
		{"devices", "DEVICES", CELL_TEXTS},
		{0},
	};

	output_table(output, "interrupts", columns);
	for (size_t i = 0; i < hw->n_irqs; i++) {
		const struct hw_irq *irq = &hw->irq[i];
		char name[16], owners[64];

		if (!irq->actions[0] && !irq->devices[0])
			continue;
		snprintf(name, sizeof(name), "%u", irq->number);
		owners_of(hw, irq, owners, sizeof(owners));
		output_row(output, name, irq->trigger, irq->chip, irq->count, irq->unhandled,
			   owners, irq->actions, irq->devices);
	}
}

/*
 * Does the device have a mask and a status bit that work? Its driver has tried, or the bit is set;
 * everything else would be a guess.
 */
static void abilities(const struct hw_device *device, enum hw_tri *ret_mask,
		      enum hw_tri *ret_status)
{
	bool mask = device->config.masked || strcmp(device->driver, "uio_pci_generic") == 0;
	bool status = device->config.asserts, tried = false;
	struct helper_view view;

	if (helper_view(device, &view) == 0) {
		mask = mask || view.device_caps & PTIRQ_UIO_CAN_MASK;
		status = status || view.device_caps & PTIRQ_UIO_HAS_STATUS;
		tried = view.line_caps & PTIRQ_UIO_ONE_UNIT;
	}
	*ret_mask = mask ? HW_YES : tried ? HW_NO : HW_UNKNOWN;
	*ret_status = status ? HW_YES : tried ? HW_NO : HW_UNKNOWN;
}

/* "yes, set": a bit and its state. */
static const char *with(enum hw_tri can, bool is, const char *word, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s", hw_tri(can), is ? word : "");
	return buf;
}

/* "65, on" */
static const char *vectors(enum hw_tri can, uint32_t n, bool on, char *buf, size_t size)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", n);
	snprintf(buf, size, "%s%s", n ? number : hw_tri(can), on ? ", on" : "");
	return buf;
}

static void device_row(struct output *output, const struct hw_device *device)
{
	static const char *const words[] = {
		[BROKERABLE_NO] = "no", [BROKERABLE_READY] = "ready", [BROKERABLE_BIND] = "bind"};
	const struct hw_config *config = &device->config;
	char irq[16] = "-", pin[2] = {config->pin, 0};
	char mask_text[16], status_text[24], msi[16], msix[16], broker_text[64];
	enum hw_tri mask, status;
	enum brokerable can;
	const char *why;

	if (device->irq)
		snprintf(irq, sizeof(irq), "%u%s", device->irq, device->settled ? "" : "?");
	abilities(device, &mask, &status);
	can = brokerable(device, &why);
	snprintf(broker_text, sizeof(broker_text), "%s%s%s", words[can], *why ? ": " : "", why);
	output_row(output, device->name, device->id, device->kind, device->driver, device->override,
		   hw_owner(device->owner), device->line, device->uio, irq, (uint64_t)device->irq,
		   (int)device->settled, pin,
		   with(mask, config->masked, ", set", mask_text, sizeof(mask_text)), hw_tri(mask),
		   (int)config->masked,
		   with(status, config->asserts, ", asserts", status_text, sizeof(status_text)),
		   hw_tri(status), (int)config->asserts,
		   vectors(config->msi, config->n_msi, config->msi_on, msi, sizeof(msi)),
		   hw_tri(config->msi), (int)config->msi_on, (uint64_t)config->n_msi,
		   vectors(config->msix, config->n_msix, config->msix_on, msix, sizeof(msix)),
		   hw_tri(config->msix), (int)config->msix_on, (uint64_t)config->n_msix,
		   device->reset, device->group, broker_text, words[can], why);
}

static void devices(struct output *output, const struct hw *hw)
{
	static const struct column columns[] = {
		{"name", "DEVICE", CELL_TEXT},
		{"id", "ID", CELL_TEXT},
		{"kind", "KIND", CELL_TEXT},
		{"driver", "DRIVER", CELL_TEXT},
		{"driver_override", NULL, CELL_TEXT},
		{"owner", "OWNER", CELL_TEXT},
		{"line", NULL, CELL_TEXT},
		{"uio", NULL, CELL_TEXT},
		{"", "IRQ", CELL_TEXT},
		{"irq", NULL, CELL_NUMBER},
		{"irq_settled", NULL, CELL_BOOL},
		{"pin", "PIN", CELL_TEXT},
		{"", "MASK", CELL_TEXT},
		{"mask", NULL, CELL_TEXT},
		{"masked", NULL, CELL_BOOL},
		{"", "STATUS", CELL_TEXT},
		{"status", NULL, CELL_TEXT},
		{"asserts", NULL, CELL_BOOL},
		{"", "MSI", CELL_TEXT},
		{"msi", NULL, CELL_TEXT},
		{"msi_on", NULL, CELL_BOOL},
		{"msi_vectors", NULL, CELL_NUMBER},
		{"", "MSI-X", CELL_TEXT},
		{"msix", NULL, CELL_TEXT},
		{"msix_on", NULL, CELL_BOOL},
		{"msix_vectors", NULL, CELL_NUMBER},
		{"reset", "RESET", CELL_TEXTS},
		{"iommu_group", "IOMMU", CELL_TEXT},
		{"", "BROKER", CELL_TEXT},
		{"brokerable", NULL, CELL_TEXT},
		{"why", NULL, CELL_TEXT},
		{0},
	};

	output_table(output, "devices", columns);
	for (size_t i = 0; i < hw->n_devices; i++)
		device_row(output, &hw->device[i]);
}

int verb_scan(struct ctl *ctl, int argc, char **argv)
{
	struct output *output;
	char *configuration;
	struct hw hw;

	if (!arguments_between(ctl, argc, argv, 0, 0))
		return EXIT_USAGE;
	hw_load(&hw);
	configuration = stanza(&hw);
	output = output_open(ctl);
	interrupts(output, &hw);
	devices(output, &hw);
	output_text(output, "configuration", configuration);
	output_close(output);
	free(configuration);
	hw_free(&hw);
	return EXIT_FINE;
}
