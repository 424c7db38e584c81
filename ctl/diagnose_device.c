// SPDX-License-Identifier: MIT
/*
 * Why a device cannot be brokered, or does not work though it is bound. Goes from the wire's end
 * inwards, and stops at the first obstacle: what is behind it cannot be judged. Only looks.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ctl/diagnose.h"
#include "ctl/helper.h"
#include "ctl/sysfs.h"
#include "ctl/uses.h"
#include "kmod-uio-ext/ptirq_uio_abi.h"

/* A deferral that lasts longer is nobody's deadline any more. */
#define DEFERRED_LONG_NS 1000000000
/* How long an interrupt may take that is on its way. */
#define ON_ITS_WAY_NS 50000000

/* ---- not bound ---- */

/* The helper was to have it and has not taken it. */
static void diagnose_refused(const struct hw_device *device, struct findings *ret)
{
	char prefix[80], said[256];

	if (!helper_loaded()) {
		found_problem(
			ret, "not-loaded", device->name,
			"is to be bound to " HELPER ", which is not loaded: `modprobe " HELPER
			"`, then `ptirqctl bind %s`; if there is no such module, `dkms status` "
			"shows whether it was built for this kernel%s",
			device->name,
			locked_down() ? "; this kernel is locked down and loads signed modules "
					"only"
				      : "");
		return;
	}
	snprintf(prefix, sizeof(prefix), HELPER " %s: ", device->name);
	if (sys_kernel_said(prefix, 0, said, sizeof(said)))
		found_problem(ret, "refused", device->name, HELPER " has not taken it: it %s",
			      said);
	else
		found_problem(ret, "refused", device->name,
			      HELPER " has not taken it: `ptirqctl bind %s` tries again, and "
				     "`dmesg` says why it fails",
			      device->name);
}

static void diagnose_kernel(const struct hw_device *device, struct findings *ret)
{
	struct uses uses;

	uses_of(device, &uses);
	if (uses.n)
		found_problem(
			ret, "in-use", device->name,
			"belongs to the kernel driver %s and is in use: %s%s; when that has ended, "
			"`ptirqctl bind %s` takes it",
			device->driver, uses.text[0], uses.n > 1 ? ", and more" : "", device->name);
	else
		found_problem(
			ret, "kernel-driver", device->name,
			"belongs to the kernel driver %s: `ptirqctl bind %s` takes it away from "
			"it",
			device->driver, device->name);
	if (!device->config.msi_on && !device->config.msix_on && device->config.masked &&
	    device->irq)
		found_note(
			ret, "masked", device->name,
			"its interrupt is masked (DisINTx is set), and by its driver or by somebody "
			"behind its back");
}

static void diagnose_vfio(const struct hw_device *device, struct findings *ret)
{
	char node[32], holder[128];

	snprintf(node, sizeof(node), "vfio/%s", device->group);
	uses_holder(node, false, holder, sizeof(holder));
	found_problem(ret, "vfio", device->name,
		      "belongs to VFIO (%s, group %s)%s%s: %s`ptirqctl bind %s` takes it",
		      device->driver, device->group[0] ? device->group : "?",
		      *holder ? ", held by " : "", holder, *holder ? "when that has ended, " : "",
		      device->name);
}

/* ---- bound ---- */

/* The broker's group, which sysusers makes; false: there is none here. */
static bool broker_group(gid_t *ret)
{
	const struct group *group;
	char path[PATH_MAX];
	bool found = false;
	FILE *in;

	sys_path(path, "/etc/group");
	in = fopen(path, "re");
	while (in && !found && (group = fgetgrent(in)) != NULL) {
		found = strcmp(group->gr_name, "ptirq") == 0;
		if (found)
			*ret = group->gr_gid;
	}
	if (in)
		fclose(in);
	return found;
}

static void diagnose_node(const struct hw_device *device, const char *node, struct findings *ret)
{
	char path[PATH_MAX];
	struct stat st;
	gid_t gid;

	sys_path(path, "/dev/%s", node);
	if (stat(path, &st) < 0)
		found_problem(
			ret, "no-node", device->name,
			"/dev/%s is not there: udev or devtmpfs has not made it; in a container it "
			"must be passed in",
			node);
	else if (broker_group(&gid) && (st.st_gid != gid || (st.st_mode & 0060) != 0060))
		found_problem(
			ret, "permission", device->name,
			"/dev/%s is not the group ptirq's: the udev rules of ptirq were not there "
			"when it was bound; `udevadm trigger --action=add`",
			node);
}

static void diagnose_helper(const struct hw_device *device, struct findings *ret)
{
	char node[32], holder[128], uio_holder[128];
	struct helper_view view;
	int error;

	snprintf(node, sizeof(node), "ptirq/%s", device->line);
	diagnose_node(device, node, ret);
	error = helper_view(device, &view);
	if (error == -EPROTO)
		found_problem(ret, "version", device->name,
			      HELPER
			      " is another version than this program: install both from one, and "
			      "load the module anew");
	if (error)
		return;
	uses_holder(node, true, holder, sizeof(holder));
	if (view.device_caps & PTIRQ_UIO_UIO_OPEN) {
		uses_holder(device->uio, false, uio_holder, sizeof(uio_holder));
		found_problem(
			ret, "uio-open", device->name,
			"a UIO program has it open%s%s, which keeps it from who holds the line",
			*uio_holder ? ": " : "", uio_holder);
	} else if (view.state == PTIRQ_UIO_DEFERRED && view.deferred_ns > DEFERRED_LONG_NS) {
		found_problem(ret, "deferred", device->name,
			      "it is masked since it interrupted %.1f s ago, and %s%s does not "
			      "acknowledge it",
			      (double)view.deferred_ns / 1e9,
			      *holder ? "" : "whoever holds its line", holder);
	} else if (view.state == PTIRQ_UIO_MASKED && !*holder) {
		if (device->config.asserts)
			found_problem(
				ret, "unserved", device->name,
				"it asserts and is masked, since nobody holds /dev/%s: is the "
				"broker running, and is the device on one of its lines? "
				"`ptirqctl scan` prints a configuration",
				node);
		else
			found_note(ret, "unheld", device->name,
				   "nobody holds /dev/%s: it is masked until then", node);
	}
	if (view.line_caps & PTIRQ_UIO_ONE_UNIT)
		found_note(
			ret, "one-unit", device->name,
			"its interrupt cannot be told from its neighbours', so all of /dev/%s is "
			"masked together",
			node);
	if (view.repaired)
		found_note(
			ret, "repaired", device->name,
			"somebody else has unmasked a device of /dev/%s behind the helper's back, "
			"%" PRIu64 " times: a program that writes to config space, or a reset",
			node, view.repaired);
}

/* Some releases of QEMU overlook what is written to the upper half of the command register. */
static bool in_qemu(void)
{
	char vendor[64];

	return sys_read(vendor, sizeof(vendor), "/sys/class/dmi/id/sys_vendor") &&
	       strcmp(vendor, "QEMU") == 0;
}

static void diagnose_uio(const struct hw_device *device, struct findings *ret)
{
	bool generic = strcmp(device->driver, "uio_pci_generic") == 0;

	diagnose_node(device, device->uio, ret);
	if (generic && locked_down())
		found_problem(
			ret, "locked-down", device->name,
			"the kernel is locked down (/sys/kernel/security/lockdown; Secure Boot "
			"does that), so nobody may unmask it in its config space: `ptirqctl bind "
			"%s` gives it to " HELPER ", which does so in the kernel",
			device->name);
	if (generic && in_qemu())
		found_note(ret, "qemu", device->name,
			   "this machine is QEMU's, and some of its releases, 7.2 for one, do not "
			   "interrupt at once when a device that asserts is unmasked by a byte: if "
			   "interrupts stop, take a newer one, or " HELPER);
}

/* It asserts, nobody masks it, and yet its interrupt does not arrive. */
static void diagnose_unheard(const struct hw_device *device, const struct hw_irq *irq,
			     struct findings *ret)
{
	struct hw_config config = device->config;
	struct hw_irq later = *irq;

	if (!config.asserts || config.masked)
		return;
	nanosleep(&(struct timespec){.tv_nsec = ON_ITS_WAY_NS}, NULL);
	hw_config_read(device->dir, &config);
	hw_irq_count(&later);
	if (config.asserts && !config.masked && later.count == irq->count)
		found_problem(
			ret, "unheard", device->name,
			"it asserts and is not masked, yet interrupt %u does not arrive: it is "
			"masked at the interrupt controller, or turned off, or routed elsewhere",
			irq->number);
}

static void diagnose_bound(const struct hw *hw, const struct hw_device *device,
			   struct findings *ret)
{
	const struct hw_irq *irq = hw_irq(hw, device->irq);
	char neighbours[256], power[16];

	if (device->config.msi_on || device->config.msix_on) {
		found_problem(
			ret, "msi-on", device->name,
			"its MSI is switched on, so it does not use its INTx: whoever did that "
			"has to switch it off, or unbind and bind it");
		return;
	}
	if (!irq) {
		found_problem(
			ret, "no-interrupt", device->name,
			device->bus == HW_PCI
				? "has no interrupt (its sysfs irq is %u): the firmware routed none "
				  "to its pin"
				: "has no interrupt that is known (%u)",
			device->irq);
		return;
	}
	if (sys_read(power, sizeof(power), "%s/power_state", device->dir) &&
	    strncmp(power, "D3", 2) == 0)
		found_problem(ret, "asleep", device->name,
			      "it is in power state %s and cannot interrupt: `echo on "
			      ">%s/power/control`",
			      power, device->dir);
	if (device->owner == HW_HELPER)
		diagnose_helper(device, ret);
	else
		diagnose_uio(device, ret);
	if (device->owner == HW_UIO)
		diagnose_unheard(device, irq, ret);
	diagnose_irq(hw, irq, ret);
	hw_neighbours(hw, irq, neighbours, sizeof(neighbours));
	if (*neighbours)
		found_note(ret, "shared", device->name, "shares interrupt %u with the kernel's %s",
			   irq->number, neighbours);
}

/* ---- one after the other ---- */

bool diagnose_pci(const struct hw_device *device, struct findings *ret)
{
	const struct hw_config *config = &device->config;

	if (!config->readable) {
		found_problem(ret, "unreadable", device->name, "its config space cannot be read");
	} else if (!config->answers) {
		found_problem(
			ret, "no-answer", device->name,
			"does not answer: all that its config space reads is ones; is it powered, "
			"and plugged in?");
	} else if (config->bridge || strcmp(device->kind, "bridge") == 0) {
		found_problem(ret, "bridge", device->name,
			      "is a bridge: everything behind it would be lost");
	} else if (!config->pin) {
		found_problem(ret, "no-pin", device->name,
			      "has no INTx pin%s: there is no source for that yet",
			      config->msi == HW_YES || config->msix == HW_YES
				      ? ", it interrupts by MSI only"
				      : "");
	} else {
		return true;
	}
	return false;
}

void diagnose_device(const struct hw *hw, const struct hw_device *device, struct findings *ret)
{
	if (device->bus == HW_PCI && !diagnose_pci(device, ret))
		return;
	switch (device->owner) {
	case HW_HELPER:
	case HW_UIO: diagnose_bound(hw, device, ret); return;
	case HW_KERNEL: diagnose_kernel(device, ret); return;
	case HW_VFIO: diagnose_vfio(device, ret); return;
	case HW_NOBODY: break;
	}
	if (strcmp(device->override, HELPER) == 0)
		diagnose_refused(device, ret);
	else
		found_problem(ret, "no-driver", device->name,
			      "has no driver: `ptirqctl bind %s` gives it to " HELPER,
			      device->name);
}
