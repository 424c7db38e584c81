// SPDX-License-Identifier: MIT
/*
 * The configuration for what a broker could have of this machine: a section for each line of the
 * helper, for the UIO devices of each interrupt, and for each device that is free to be bound.
 */
#include "ctl/stanza.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/helper.h"

enum brokerable brokerable(const struct hw_device *device, const char **ret_why)
{
	const struct hw_config *config = &device->config;

	*ret_why = "";
	if (device->owner == HW_HELPER || device->owner == HW_UIO) {
		if (device->bus == HW_PLATFORM || device->irq)
			return BROKERABLE_READY;
		*ret_why = "has no interrupt";
		return BROKERABLE_NO;
	}
	if (device->owner == HW_KERNEL || device->owner == HW_VFIO)
		*ret_why = config->bridge ? "is a bridge" : "has a driver";
	else if (device->bus == HW_PLATFORM)
		return BROKERABLE_BIND;
	else if (!config->readable)
		*ret_why = "its config space cannot be read";
	else if (!config->answers)
		*ret_why = "does not answer";
	else if (config->bridge || strcmp(device->kind, "bridge") == 0)
		*ret_why = "is a bridge";
	else if (!config->pin)
		*ret_why = "has no INTx pin";
	else
		return BROKERABLE_BIND;
	return BROKERABLE_NO;
}

/* One line for both: the first of them names it. */
static bool together(const struct hw_device *a, const struct hw_device *b)
{
	if (a->owner != b->owner)
		return false;
	if (a->owner == HW_HELPER)
		return strcmp(a->line, b->line) == 0;
	return a->owner == HW_UIO && a->settled && b->settled && a->irq == b->irq;
}

static bool is_first(const struct hw *hw, const struct hw_device *device)
{
	const char *why;

	for (const struct hw_device *other = hw->device; other < device; other++)
		if (brokerable(other, &why) == BROKERABLE_READY && together(other, device))
			return false;
	return true;
}

static void device_line(FILE *out, const struct hw_device *device)
{
	/* What is true of every platform device need not be said. */
	bool whole = device->bus == HW_PCI && helper_cannot_mask(device);

	fprintf(out, "device = %s%s\n", device->name,
		whole ? " mask=no      ; cannot mask itself: the line is masked as a whole" : "");
}

static void section(FILE *out, const struct hw *hw, const struct hw_device *device)
{
	const struct hw_irq *irq = hw_irq(hw, device->irq);
	const char *why;
	char neighbours[256] = "";

	if (brokerable(device, &why) == BROKERABLE_BIND) {
		/* Comments, so that what is printed can be used as it is: this line would be absent. */
		fprintf(out,
			"# After `ptirqctl bind %s`; if scan then shows it on one interrupt with others,\n"
			"# they make one line.\n"
			"# [line intx-%s]\n# source = helper\n# device = %s\n",
			device->name, device->name, device->name);
		return;
	}
	if (irq) {
		hw_neighbours(hw, irq, neighbours, sizeof(neighbours));
		fprintf(out, "# Interrupt %u%s%s.\n", irq->number,
			*neighbours ? ", shared with the kernel's " : "", neighbours);
	}
	fprintf(out, "[line intx-%s]\nsource = %s\n", device->name,
		device->owner == HW_UIO ? "uio" : "helper");
	device_line(out, device);
	for (const struct hw_device *other = device + 1; other < hw->device + hw->n_devices;
	     other++)
		if (brokerable(other, &why) == BROKERABLE_READY && together(device, other))
			device_line(out, other);
	fputs("# allow-user = NAME    ; who may subscribe; without it root alone\n", out);
}

char *stanza(const struct hw *hw)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool between = false;
	const char *why;

	if (!out)
		err(EXIT_NO, "out of memory");
	for (size_t i = 0; i < hw->n_devices; i++) {
		const struct hw_device *device = &hw->device[i];

		if (brokerable(device, &why) == BROKERABLE_NO || !is_first(hw, device))
			continue;
		if (between)
			fputc('\n', out);
		section(out, hw, device);
		between = true;
	}
	if (fclose(out) != 0)
		err(EXIT_NO, "out of memory");
	return text;
}
