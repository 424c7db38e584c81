// SPDX-License-Identifier: MIT
/* Devices as sysfs shows them. Must not judge what it finds; diagnosis and verbs do. */
#include "ctl/hw.h"

#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/hw_irq.h"
#include "ctl/sysfs.h"

static const char *const buses[] = {[HW_PCI] = "pci", [HW_PLATFORM] = "platform"};

const char *hw_tri(enum hw_tri tri)
{
	static const char *const words[] = {
		[HW_NO] = "no", [HW_YES] = "yes", [HW_UNKNOWN] = "unknown"};

	return words[tri];
}

const char *hw_owner(enum hw_owner owner)
{
	static const char *const words[] = {
		[HW_NOBODY] = "nobody", [HW_KERNEL] = "kernel", [HW_HELPER] = "helper",
		[HW_UIO] = "uio",       [HW_VFIO] = "vfio",
	};

	return words[owner];
}

/* ---- one device ---- */

/* The base class: PCI Code and ID Assignment, chapter 1. */
static const char *kind_of(uint64_t class)
{
	static const char *const kinds[] = {
		[0x01] = "storage",     [0x02] = "network",   [0x03] = "display",
		[0x04] = "multimedia",  [0x05] = "memory",    [0x06] = "bridge",
		[0x07] = "serial",      [0x08] = "system",    [0x09] = "input",
		[0x0a] = "docking",     [0x0b] = "processor", [0x0c] = "bus",
		[0x0d] = "wireless",    [0x10] = "crypto",    [0x11] = "signal",
		[0x12] = "accelerator",
	};
	uint64_t base = class >> 16;

	return base < sizeof(kinds) / sizeof(kinds[0]) && kinds[base] ? kinds[base] : "other";
}

static bool first_uio(const char *name, void *userdata)
{
	struct hw_device *device = userdata;

	if (strncmp(name, "uio", 3) != 0 || !isdigit((unsigned char)name[3]))
		return true;
	snprintf(device->uio, sizeof(device->uio), "%s", name);
	return false;
}

/* The kernel's own account of which is in use, also for who may not read the capabilities. */
static bool first_msi(const char *name, void *userdata)
{
	struct hw_device *device = userdata;
	struct hw_config *config = &device->config;
	char word[8];

	sys_read(word, sizeof(word), "%s/msi_irqs/%s", device->dir, name);
	if (strcmp(word, "msix") == 0) {
		config->msix = HW_YES;
		config->msix_on = true;
	} else {
		config->msi = HW_YES;
		config->msi_on = true;
		/* The sysfs irq is the vector's then, and what INTx would be is not told. */
		device->irq = 0;
		device->settled = false;
	}
	return false;
}

static void load_owner(struct hw_device *device)
{
	char link[64];

	/* The line is called "ptirq!lineN", its node ptirq/lineN. */
	if (sys_link(link, sizeof(link), "%s/" HELPER_LINK, device->dir) && strchr(link, '!'))
		snprintf(device->line, sizeof(device->line), "%s", strchr(link, '!') + 1);
	sys_each(first_uio, device, "%s/uio", device->dir);
	if (device->uio[0])
		sys_read(device->uio_name, sizeof(device->uio_name), "/sys/class/uio/%s/name",
			 device->uio);
	if (!device->driver[0])
		device->owner = HW_NOBODY;
	else if (strcmp(device->driver, HELPER) == 0)
		device->owner = HW_HELPER;
	else if (device->uio[0])
		device->owner = HW_UIO;
	else if (strstr(device->driver, "vfio"))
		device->owner = HW_VFIO;
	else
		device->owner = HW_KERNEL;
}

static void load_pci(struct hw_device *device)
{
	uint64_t class = 0, vendor = 0, id = 0, irq = 0, enabled = 0, vga = 0;

	sys_number(&class, "%s/class", device->dir);
	sys_number(&vendor, "%s/vendor", device->dir);
	sys_number(&id, "%s/device", device->dir);
	snprintf(device->id, sizeof(device->id), "%04x:%04x", (unsigned int)vendor,
		 (unsigned int)id);
	snprintf(device->kind, sizeof(device->kind), "%s", kind_of(class));
	sys_number(&vga, "%s/boot_vga", device->dir);
	device->vga = vga != 0;
	sys_link(device->group, sizeof(device->group), "%s/iommu_group", device->dir);
	sys_read(device->reset, sizeof(device->reset), "%s/reset_method", device->dir);
	hw_config_read(device->dir, &device->config);
	/* Before its first start it is what the firmware wrote there, for another controller. */
	sys_number(&enabled, "%s/enable", device->dir);
	sys_number(&irq, "%s/irq", device->dir);
	device->settled = enabled != 0;
	device->irq = (uint32_t)irq;
	sys_each(first_msi, device, "%s/msi_irqs", device->dir);
}

bool hw_device_load(enum hw_bus bus, const char *name, struct hw_device *ret)
{
	struct hw_device device = {.bus = bus};
	char real[PATH_MAX];

	snprintf(device.name, sizeof(device.name), "%s", name);
	snprintf(device.dir, sizeof(device.dir), "/sys/bus/%s/devices/%s", buses[bus], name);
	if (!sys_real(real, "%s", device.dir))
		return false;
	snprintf(device.real, sizeof(device.real), "%.*s", (int)sizeof(device.real) - 1, real);
	sys_link(device.driver, sizeof(device.driver), "%s/driver", device.dir);
	sys_read(device.override, sizeof(device.override), "%s/driver_override", device.dir);
	if (strcmp(device.override, "(null)") == 0)
		device.override[0] = 0;
	load_owner(&device);
	if (bus == HW_PCI)
		load_pci(&device);
	else
		strcpy(device.kind, "platform");
	*ret = device;
	return true;
}

/* ---- names ---- */

static bool pci_name(const char *text, char ret[64])
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    text[end]) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || text[end])
			return false;
	}
	if (slot > 0x1f || function > 7)
		return false;
	snprintf(ret, 64, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return true;
}

bool hw_address(const char *text, enum hw_bus *ret_bus, char ret_name[64])
{
	const char *prefix = "platform:";

	if (pci_name(text, ret_name)) {
		*ret_bus = HW_PCI;
		return true;
	}
	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	else if (!*text || strchr(text, '/') || !sys_exists("/sys/bus/platform/devices/%s", text))
		return false;
	if (!*text || strchr(text, '/') || strlen(text) >= 64)
		return false;
	strcpy(ret_name, text);
	*ret_bus = HW_PLATFORM;
	return true;
}

/* ---- all of them ---- */

struct loading {
	struct hw *hw;
	enum hw_bus bus;
};

/* How it is with the platform bus: most of it has no interrupt, and none says which. */
static bool of_interest(const struct hw_device *device)
{
	return device->bus == HW_PCI || device->owner == HW_HELPER || device->owner == HW_UIO ||
	       strcmp(device->override, HELPER) == 0;
}

static bool add_device(const char *name, void *userdata)
{
	struct loading *loading = userdata;
	struct hw *hw = loading->hw;
	struct hw_device device, *more;

	if (!hw_device_load(loading->bus, name, &device) || !of_interest(&device))
		return true;
	more = realloc(hw->device, (hw->n_devices + 1) * sizeof(*more));
	if (!more)
		err(EXIT_NO, "out of memory");
	hw->device = more;
	hw->device[hw->n_devices++] = device;
	return true;
}

void hw_load(struct hw *ret)
{
	struct loading loading = {.hw = ret};

	*ret = (struct hw){0};
	for (loading.bus = HW_PCI; loading.bus <= HW_PLATFORM; loading.bus++)
		sys_each(add_device, &loading, "/sys/bus/%s/devices", buses[loading.bus]);
	hw_load_irqs(ret);
}

void hw_free(struct hw *hw)
{
	free(hw->irq);
	free(hw->device);
	*hw = (struct hw){0};
}

const struct hw_device *hw_device(const struct hw *hw, const char *name)
{
	for (size_t i = 0; i < hw->n_devices; i++)
		if (strcmp(hw->device[i].name, name) == 0)
			return &hw->device[i];
	return NULL;
}
