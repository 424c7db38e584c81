// SPDX-License-Identifier: MIT
/*
 * ptirqctl bind ADDRESS, ptirqctl unbind ADDRESS: decides whether a device may be moved, says what
 * will change before it does, and what became of it.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ctl/diagnose.h"
#include "ctl/output.h"
#include "ctl/rebind.h"
#include "ctl/sysfs.h"
#include "ctl/uses.h"

struct order {
	struct ctl *ctl;
	struct hw_device device;
	const char *driver; /* bind: the new one */
	bool force, dry_run, persistent;
	char changes[1024]; /* between commas */
};

static int refuse(const struct order *order, const char *text)
{
	fprintf(stderr, "ptirqctl: %s: %s\n", order->device.name, text);
	return EXIT_NO;
}

/* ---- the command line ---- */

static int parse(struct ctl *ctl, int argc, char **argv, bool binds, struct order *order)
{
	static const struct option options[] = {
		{"dry-run", no_argument, NULL, 'n'},
		{"force", no_argument, NULL, 'f'},
		{"persistent", no_argument, NULL, 'p'},
		{"driver", required_argument, NULL, 'd'},
		{0},
	};
	enum hw_bus bus;
	char name[64];
	int c;

	*order = (struct order){.ctl = ctl, .driver = HELPER};
	optind = 0;
	while ((c = getopt_long(argc, argv, binds ? "nfp" : "n", options, NULL)) != -1)
		switch (c) {
		case 'n': order->dry_run = true; break;
		case 'f': order->force = true; break;
		case 'p': order->persistent = true; break;
		case 'd': order->driver = optarg; break;
		default: return bad_option(ctl, ctl->verb, argv);
		}
	if (!binds && (order->force || order->persistent || strcmp(order->driver, HELPER) != 0))
		return usage(ctl, "unbind: no such option");
	if (strcmp(order->driver, HELPER) != 0 && strcmp(order->driver, "uio_pci_generic") != 0)
		return usage(ctl, "bind: --driver is " HELPER " or uio_pci_generic");
	if (argc - optind != 1)
		return usage(ctl, "%s: one ADDRESS", ctl->verb);
	if (!hw_address(argv[optind], &bus, name))
		return usage(ctl,
			     "%s: '%s' is neither a PCI address as in 0000:00:05.0 nor a platform "
			     "device as in platform:NAME",
			     ctl->verb, argv[optind]);
	if (!hw_device_load(bus, name, &order->device)) {
		fprintf(stderr, "ptirqctl: %s is not there: is it plugged in? %s shows what is\n",
			name, bus == HW_PCI ? "`lspci -D`" : "`ls /sys/bus/platform/devices`");
		return EXIT_NO;
	}
	return EXIT_FINE;
}

/* ---- saying it ---- */

__attribute__((format(printf, 2, 3))) static void change(struct order *order, const char *format,
							 ...)
{
	size_t used = strlen(order->changes);
	va_list args;

	if (used)
		used += (size_t)snprintf(order->changes + used, sizeof(order->changes) - used, ",");
	va_start(args, format);
	vsnprintf(order->changes + used, sizeof(order->changes) - used, format, args);
	va_end(args);
}

/* People are told before it is done. */
static void announce(const struct order *order)
{
	char changes[sizeof(order->changes)], *save = NULL, *one;

	if (order->ctl->json)
		return;
	strcpy(changes, order->changes);
	for (one = strtok_r(changes, ",", &save); one; one = strtok_r(NULL, ",", &save))
		printf("%s: %s\n", order->device.name, one);
	fflush(stdout);
}

static int report(const struct order *order)
{
	const struct hw_device *device = &order->device;
	struct output *output;
	char node[32] = "";

	if (device->line[0])
		snprintf(node, sizeof(node), "/dev/ptirq/%s", device->line);
	else if (device->uio[0] && device->owner == HW_UIO)
		snprintf(node, sizeof(node), "/dev/%s", device->uio);
	output = output_open(order->ctl);
	if (order->ctl->json) {
		output_field(output, &(struct column){"name", NULL, CELL_TEXT}, device->name);
		output_field(output, &(struct column){"changes", NULL, CELL_LIST}, order->changes);
		output_field(output, &(struct column){"done", NULL, CELL_BOOL},
			     (int)!order->dry_run);
		output_field(output, &(struct column){"driver", NULL, CELL_TEXT}, device->driver);
		output_field(output, &(struct column){"node", NULL, CELL_TEXT}, node);
	} else if (order->dry_run) {
		printf("%s: nothing was changed\n", device->name);
	} else {
		printf("%s: its driver is %s%s%s\n", device->name,
		       device->driver[0] ? device->driver : "none", *node ? ", its node " : "",
		       node);
	}
	output_close(output);
	return EXIT_FINE;
}

/* ---- bind ---- */

/* In the way whatever is done, and what only --force overcomes. */
static int may_bind(const struct order *order)
{
	struct findings findings = {0};
	struct uses uses;
	char text[1024];
	size_t used = 0;

	if (order->device.bus == HW_PCI && !diagnose_pci(&order->device, &findings)) {
		refuse(order, findings.list[0].text);
		findings_free(&findings);
		return EXIT_NO;
	}
	uses_of(&order->device, &uses);
	if (!uses.n || order->force)
		return EXIT_FINE;
	*text = 0;
	for (size_t i = 0; i < uses.n && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "; " : "",
					 uses.text[i]);
	fprintf(stderr, "ptirqctl: %s is in use: %s. --force takes it from %s nevertheless\n",
		order->device.name, text, order->device.driver);
	return EXIT_NO;
}

static void plan_bind(struct order *order)
{
	const struct hw_device *device = &order->device;

	if (!rebind_has_driver(device->bus, order->driver))
		change(order, "load the module %s", order->driver);
	if (strcmp(device->override, order->driver) != 0)
		change(order, "set driver_override to %s%s%s", order->driver,
		       device->override[0] ? " instead of " : "", device->override);
	if (device->driver[0])
		change(order, "take it from its driver %s", device->driver);
	change(order, "give it to %s", order->driver);
}

static int bind_it(struct order *order)
{
	char why[REBIND_WHY];

	if (!rebind_has_driver(order->device.bus, order->driver) &&
	    !rebind_load(order->device.bus, order->driver, why))
		return refuse(order, why);
	return rebind(&order->device, order->driver, why) ? EXIT_FINE : refuse(order, why);
}

int verb_bind(struct ctl *ctl, int argc, char **argv)
{
	struct order order;
	int r = parse(ctl, argc, argv, true, &order), error;
	bool bound;

	if (r != EXIT_FINE)
		return r;
	bound = strcmp(order.device.driver, order.driver) == 0;
	if (!bound) {
		r = may_bind(&order);
		if (r != EXIT_FINE)
			return r;
		plan_bind(&order);
	}
	if (order.persistent && !persist_has(&order.device))
		change(&order, "have it bound at every boot (" PERSIST_FILE ")");
	announce(&order);
	if (order.dry_run)
		return report(&order);
	if (!bound)
		r = bind_it(&order);
	if (r == EXIT_FINE && order.persistent) {
		error = persist_add(&order.device, order.driver);
		if (error) {
			fprintf(stderr, "ptirqctl: " PERSIST_FILE ": %s\n", strerror(-error));
			return EXIT_NO;
		}
	}
	return r == EXIT_FINE ? report(&order) : r;
}

/* ---- unbind ---- */

int verb_unbind(struct ctl *ctl, int argc, char **argv)
{
	struct order order;
	int r = parse(ctl, argc, argv, false, &order), error;
	const struct hw_device *device = &order.device;
	char why[REBIND_WHY];
	bool ours, persistent;

	if (r != EXIT_FINE)
		return r;
	ours = strcmp(device->driver, HELPER) == 0 || strcmp(device->override, HELPER) == 0 ||
	       strcmp(device->driver, "uio_pci_generic") == 0;
	persistent = persist_has(device);
	if (!ours && !persistent) {
		snprintf(why, sizeof(why), "it is not ptirq's: its driver is %s",
			 device->driver[0] ? device->driver : "none");
		return refuse(&order, why);
	}
	if (persistent)
		change(&order, "do not have it bound at boot any more (" PERSIST_FILE ")");
	if (ours && device->driver[0])
		change(&order, "take it from %s", device->driver);
	if (ours && device->override[0])
		change(&order, "clear driver_override (%s)", device->override);
	if (ours)
		change(&order, "let the kernel choose a driver");
	announce(&order);
	if (order.dry_run)
		return report(&order);
	error = persist_remove(device);
	if (error) {
		fprintf(stderr, "ptirqctl: " PERSIST_FILE ": %s\n", strerror(-error));
		return EXIT_NO;
	}
	if (ours && !rebind(&order.device, NULL, why))
		return refuse(&order, why);
	return report(&order);
}
