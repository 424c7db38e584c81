// SPDX-License-Identifier: MIT
/*
 * Interrupts as /sys/kernel/irq and /proc/irq show them, and whose their handlers are. Must not know
 * config space.
 */
#include "ctl/hw_irq.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/sysfs.h"

/* Appends @text after @between, if it is not there yet and fits. */
static void append(char *list, size_t size, const char *between, const char *text)
{
	size_t used = strlen(list), n = strlen(text);
	const char *at = list;

	while ((at = strstr(at, text)) != NULL) {
		if ((at == list || at[-1] == *between) && (at[n] == 0 || at[n] == *between))
			return;
		at += n;
	}
	snprintf(list + used, size - used, "%s%s", used ? between : "", text);
}

/*
 * The kernel prints jiffies in ms, 32 bits of them, and they begin 5 minutes before they wrap
 * (INITIAL_JIFFIES): how long ago that is.
 */
static uint64_t ago_ms(uint64_t jiffies_ms)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	return (uint32_t)(now - (jiffies_ms + 300000));
}

void hw_irq_count(struct hw_irq *irq)
{
	char text[4096], *save = NULL, *cpu;
	uint64_t last;

	irq->count = 0;
	sys_read(text, sizeof(text), "/sys/kernel/irq/%u/per_cpu_count", irq->number);
	for (cpu = strtok_r(text, ",", &save); cpu; cpu = strtok_r(NULL, ",", &save))
		irq->count += strtoull(cpu, NULL, 10);
	irq->counted =
		sys_bytes(text, sizeof(text), "/proc/irq/%u/spurious", irq->number) > 0 &&
		sscanf(text, "count %" SCNu64 " unhandled %" SCNu64 " last_unhandled %" SCNu64,
		       &irq->recent, &irq->unhandled, &last) == 3;
	if (irq->counted)
		irq->last_unhandled_ms = last ? ago_ms(last) : UINT64_MAX;
}

static bool add_irq(const char *name, void *userdata)
{
	struct hw *hw = userdata;
	struct hw_irq irq = {.number = (uint32_t)strtoul(name, NULL, 10)}, *more;

	sys_read(irq.chip, sizeof(irq.chip), "/sys/kernel/irq/%s/chip_name", name);
	sys_read(irq.trigger, sizeof(irq.trigger), "/sys/kernel/irq/%s/type", name);
	sys_read(irq.actions, sizeof(irq.actions), "/sys/kernel/irq/%s/actions", name);
	hw_irq_count(&irq);
	more = realloc(hw->irq, (hw->n_irqs + 1) * sizeof(*more));
	if (!more)
		err(EXIT_NO, "out of memory");
	hw->irq = more;
	hw->irq[hw->n_irqs++] = irq;
	return true;
}

static struct hw_irq *find(const struct hw *hw, uint32_t number)
{
	for (size_t i = 0; i < hw->n_irqs; i++)
		if (hw->irq[i].number == number)
			return &hw->irq[i];
	return NULL;
}

const struct hw_irq *hw_irq(const struct hw *hw, uint32_t number)
{
	return find(hw, number);
}

struct vectors {
	struct hw *hw;
	const struct hw_device *device;
};

static bool add_vector(const char *name, void *userdata)
{
	const struct vectors *vectors = userdata;
	struct hw_irq *irq = find(vectors->hw, (uint32_t)strtoul(name, NULL, 10));

	if (irq)
		append(irq->devices, sizeof(irq->devices), " ", vectors->device->name);
	return true;
}

/* sysfs tells a platform device's interrupt by its handler's name only. */
static void find_platform_irq(struct hw *hw, struct hw_device *device)
{
	char wanted[80];

	if (device->line[0])
		snprintf(wanted, sizeof(wanted), "ptirq-%s", device->line);
	else
		snprintf(wanted, sizeof(wanted), "%s", device->name);
	for (size_t i = 0; i < hw->n_irqs; i++) {
		char actions[sizeof(hw->irq[i].actions)], *save = NULL, *action;

		strcpy(actions, hw->irq[i].actions);
		for (action = strtok_r(actions, ",", &save); action;
		     action = strtok_r(NULL, ",", &save))
			if (strcmp(action, wanted) == 0) {
				device->irq = hw->irq[i].number;
				device->settled = true;
			}
	}
}

void hw_load_irqs(struct hw *hw)
{
	sys_each(add_irq, hw, "/sys/kernel/irq");
	for (size_t i = 0; i < hw->n_devices; i++) {
		struct hw_device *device = &hw->device[i];
		struct vectors vectors = {.hw = hw, .device = device};
		struct hw_irq *irq;

		if (device->bus == HW_PLATFORM)
			find_platform_irq(hw, device);
		sys_each(add_vector, &vectors, "%s/msi_irqs", device->dir);
		irq = device->settled && device->driver[0] ? find(hw, device->irq) : NULL;
		/* Whoever has MSI-X on does not use its pin. */
		if (irq && !device->config.msix_on &&
		    (device->bus == HW_PLATFORM || device->config.pin))
			append(irq->devices, sizeof(irq->devices), " ", device->name);
	}
}

enum hw_owner hw_action_owner(const struct hw *hw, const struct hw_irq *irq, const char *action)
{
	if (strncmp(action, "ptirq-line", strlen("ptirq-line")) == 0)
		return HW_HELPER;
	if (strncmp(action, "vfio-", strlen("vfio-")) == 0)
		return HW_VFIO;
	for (size_t i = 0; i < hw->n_devices; i++) {
		const struct hw_device *device = &hw->device[i];

		if (device->irq == irq->number && device->owner == HW_UIO &&
		    strcmp(device->uio_name, action) == 0)
			return HW_UIO;
	}
	return HW_KERNEL;
}

void hw_neighbours(const struct hw *hw, const struct hw_irq *irq, char *ret, size_t size)
{
	char actions[sizeof(irq->actions)], *save = NULL, *action;

	*ret = 0;
	strcpy(actions, irq->actions);
	for (action = strtok_r(actions, ",", &save); action; action = strtok_r(NULL, ",", &save))
		if (hw_action_owner(hw, irq, action) == HW_KERNEL)
			append(ret, size, ",", action);
}
