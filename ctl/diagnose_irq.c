// SPDX-License-Identifier: MIT
/* What is wrong with a wire, and with the kernel as a whole. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/diagnose.h"
#include "ctl/sysfs.h"

/* kernel/irq/spurious.c: 99,900 of 100,000 that nobody handled, and the line is turned off. */
#define SPURIOUS_WINDOW 100000
/* From here on it is said: a tenth of at least this many. */
#define UNHANDLED_LEAST 1000
#define UNHANDLED_PART  10
/* What is longer ago is over. */
#define UNHANDLED_AGO_MS 60000

bool locked_down(void)
{
	char text[64];

	return sys_read(text, sizeof(text), "/sys/kernel/security/lockdown") &&
	       !strstr(text, "[none]");
}

bool helper_loaded(void)
{
	return sys_exists("/sys/bus/pci/drivers/" HELPER);
}

/*
 * Turned off, its counters are 0 and stay so, though some of its interrupts were nobody's. They are
 * 0 also when the interrupt has been requested anew, which turns it on, and all have been handled
 * since. So the kernel's log has to have it, where it may be read.
 */
static bool turned_off(const struct hw_irq *irq, bool *ret_sure)
{
	char needle[48], rest[64];

	if (!irq->counted || irq->recent || irq->unhandled ||
	    irq->last_unhandled_ms == UINT64_MAX || irq->count < SPURIOUS_WINDOW)
		return false;
	snprintf(needle, sizeof(needle), "irq %u: nobody cared", irq->number);
	*ret_sure = sys_kernel_said(needle, 0, rest, sizeof(rest));
	return *ret_sure || sys_kernel_log() == 0;
}

/* "0000:00:05.0 asserts, and has no driver": whom it is about; "": nobody is seen. */
static void suspect(const struct hw *hw, const struct hw_irq *irq, char *ret, size_t size)
{
	*ret = 0;
	for (size_t i = 0; i < hw->n_devices; i++) {
		const struct hw_device *device = &hw->device[i];

		if (device->irq != irq->number || !device->config.asserts || device->config.masked)
			continue;
		snprintf(ret, size, "%s asserts, and %s%s", device->name,
			 device->driver[0] ? "its driver is " : "has no driver", device->driver);
		/* One that nobody serves before one that is not heard. */
		if (!device->driver[0])
			return;
	}
}

void diagnose_irq(const struct hw *hw, const struct hw_irq *irq, struct findings *ret)
{
	const char *handlers = irq->actions[0] ? irq->actions : "none";
	char subject[32], who[160];
	bool sure;

	snprintf(subject, sizeof(subject), "interrupt %u", irq->number);
	suspect(hw, irq, who, sizeof(who));
	if (turned_off(irq, &sure) && *who)
		found_problem(
			ret, "turned-off", subject,
			"the kernel has %sturned it off, since nobody cared for its interrupts "
			"(handlers: %s); %s: quiet or bind the device that interrupts without a "
			"driver, then bind any device of this interrupt anew, which turns it on "
			"again%s",
			sure ? "" : "perhaps ", handlers, who,
			sure ? "" : "; as root, doctor looks into the kernel's log");
	else if (turned_off(irq, &sure))
		found_note(
			ret, "turned-off", subject,
			"the kernel has %sturned it off some time ago, since nobody cared for its "
			"interrupts (handlers: %s), and it is off unless a device of it was bound "
			"since; now nothing asserts",
			sure ? "" : "perhaps ", handlers);
	else if (irq->counted && irq->recent >= UNHANDLED_LEAST &&
		 irq->unhandled >= irq->recent / UNHANDLED_PART &&
		 irq->last_unhandled_ms < UNHANDLED_AGO_MS)
		found_problem(ret, "unhandled", subject,
			      "of the latest %" PRIu64 " interrupts %" PRIu64
			      " were nobody's (handlers: %s)%s%s: a device on this line interrupts "
			      "without a driver, or its driver is broken; at 99,900 of 100,000 the "
			      "kernel turns the line off",
			      irq->recent, irq->unhandled, handlers, *who ? "; " : "", who);
}
