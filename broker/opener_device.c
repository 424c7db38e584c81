/* SPDX-License-Identifier: MIT */
/*
 * Owns the way from an address in the configuration to what is behind it in sysfs, and every open()
 * of a device's file. Must not know lines, clients or the socket. Runs in the opener process.
 *
 * Every refusal is a sentence: what is wrong, and what would put it right.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/opener_child.h"
#include "broker/opener_sysfs.h"

#define PCI_COMMAND_HIGH 5 /* the byte of the command register that has DisINTx */

/* The directory's entry that is called uioN, if there is one. */
static bool uio_in(const char *dir, char ret[16])
{
	DIR *stream = opendir(dir);
	bool found = false;

	for (struct dirent *entry; stream && !found && (entry = readdir(stream));)
		if (!strncmp(entry->d_name, "uio", 3) && isdigit((unsigned char)entry->d_name[3]) &&
		    strlen(entry->d_name) < 16) {
			strcpy(ret, entry->d_name);
			found = true;
		}
	if (stream)
		closedir(stream);
	return found;
}

/* How many UIO devices have a name file that says @name, and the first of them. */
static int uio_called(const char *root, const char *name, char ret[16])
{
	char dir[PATH_MAX], path[PATH_MAX], found[LIMIT_NAME];
	struct dirent *entry;
	int n = 0;
	DIR *stream;

	sysfs_path(dir, "%s/sys/class/uio", root);
	stream = opendir(dir);
	while (stream && (entry = readdir(stream))) {
		if (strncmp(entry->d_name, "uio", 3) || strlen(entry->d_name) >= 16)
			continue;
		sysfs_path(path, "%s/%s", dir, entry->d_name);
		sysfs_line(path, "name", found, sizeof(found));
		if (!strcmp(found, name) && n++ == 0)
			strcpy(ret, entry->d_name);
	}
	if (stream)
		closedir(stream);
	return n;
}

/* @pci is the sysfs directory of the PCI device whose address is in device->location. */
static int identify_pci(const char *pci, struct opener_device *device, char text[LIMIT_TEXT])
{
	const char *at = device->location;
	char path[PATH_MAX], irq[16];

	sysfs_pci_registers(pci, device);
	if (!sysfs_link(pci, "driver", device->driver)) {
		sysfs_say(
			text,
			"%s has no driver: `echo uio_pci_generic >/sys/bus/pci/devices/%s/driver_override`, "
			"then `echo %s >/sys/bus/pci/drivers_probe`; if that fails, dmesg says why (a device "
			"that cannot mask its own INTx is refused)",
			at, at, at);
		return -ENXIO;
	}
	sysfs_path(path, "%s/uio", pci);
	device->pci = !strcmp(device->driver, "uio_pci_generic");
	device->irqcontrol = !device->pci;
	if (!uio_in(path, device->uio) && device->pci) {
		sysfs_say(text, "%s has its driver and no UIO node yet", at);
		return -ENXIO;
	}
	if (!device->uio[0]) {
		sysfs_say(text,
			  "%s belongs to the driver %s, not to a UIO driver: unbind it (`echo %s "
			  ">/sys/bus/pci/drivers/%s/unbind`) and bind uio_pci_generic",
			  at, device->driver, at, device->driver);
		return -ENXIO;
	}
	sysfs_line(pci, "irq", irq, sizeof(irq));
	if (!strcmp(irq, "0")) {
		sysfs_say(
			text,
			"%s has no interrupt (its sysfs irq is 0): it has no INTx pin, or the firmware "
			"routed none; use a source that takes its MSI",
			at);
		return -ENXIO;
	}
	return 0;
}

/* @uio: "uioN". Of a device on the PCI bus what counts is the device. */
static int identify_uio(const char *root, const char *uio, struct opener_device *device,
			char text[LIMIT_TEXT])
{
	char dir[PATH_MAX], parent[PATH_MAX], real[PATH_MAX], bus[LIMIT_NAME];

	sysfs_path(dir, "%s/sys/class/uio/%s", root, uio);
	if (!sysfs_exists(dir, "name")) {
		sysfs_say(text, "%s is not there: `ls /sys/class/uio` shows what is", uio);
		return -ENODEV;
	}
	sysfs_path(parent, "%s/device", dir);
	if (sysfs_link(parent, "subsystem", bus) && !strcmp(bus, "pci") && realpath(parent, real)) {
		snprintf(device->location, sizeof(device->location), "%.63s",
			 strrchr(real, '/') + 1);
		return identify_pci(real, device, text);
	}
	snprintf(device->location, sizeof(device->location), "%s", uio);
	snprintf(device->uio, sizeof(device->uio), "%.15s", uio);
	if (!sysfs_link(parent, "driver", device->driver))
		sysfs_line(dir, "name", device->driver, sizeof(device->driver));
	device->irqcontrol = 1;
	return 0;
}

int opener_identify(const char *root, const struct device_config *config, struct opener_device *ret,
		    char text[LIMIT_TEXT])
{
	const char *address = config->address, *last;
	struct opener_device device = {0};
	char path[PATH_MAX], uio[16];
	int error, n;

	if (!strncmp(address, "/sys/", 5)) {
		last = strrchr(address, '/') + 1;
		sysfs_path(path, "%s%s", root, address);
		if (access(path, F_OK) < 0) {
			sysfs_say(text, "%s is not there: is it plugged in, and the path right?",
				  address);
			return -ENODEV;
		}
		if (!config_pci_address(last, device.location) && strncmp(last, "uio", 3) != 0) {
			sysfs_path(path, "%s%s/uio", root, address);
			if (!uio_in(path, uio)) {
				sysfs_say(text,
					  "%s has no UIO node: its driver is not a UIO driver",
					  address);
				return -ENXIO;
			}
			last = uio;
		}
		address = last;
	}
	if (config_pci_address(address, device.location)) {
		sysfs_path(path, "%s/sys/bus/pci/devices/%s", root, device.location);
		if (access(path, F_OK) < 0) {
			sysfs_say(text,
				  "%s is not there: is it plugged in? `lspci -D` shows what is",
				  device.location);
			return -ENODEV;
		}
		error = identify_pci(path, &device, text);
	} else if (!strncmp(address, "uio", 3) && isdigit((unsigned char)address[3])) {
		error = identify_uio(root, address, &device, text);
	} else {
		n = uio_called(root, address, uio);
		if (n == 0) {
			sysfs_say(
				text,
				"no UIO device is called %s: `grep . /sys/class/uio/*/name` shows the names",
				address);
			return -ENODEV;
		}
		if (n > 1) {
			sysfs_say(
				text,
				"%d UIO devices are called %s: give a PCI address or a sysfs path",
				n, address);
			return -EINVAL;
		}
		error = identify_uio(root, uio, &device, text);
	}
	if (!error || error == -ENXIO)
		*ret = device;
	return error;
}

/* ---- opening ----------------------------------------------------------------------------------- */

int opener_open_uio(const char *root, const struct opener_device *device, char text[LIMIT_TEXT])
{
	char path[PATH_MAX];
	int fd;

	sysfs_path(path, "%s/dev/%s", root, device->uio);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT) {
		sysfs_say(
			text,
			"%s is not there though /sys/class/uio/%s is: udev (or devtmpfs) has not made "
			"it; in a container it must be passed in",
			path, device->uio);
		return -ENOENT;
	}
	return sysfs_refuse(text, path, errno);
}

/*
 * A locked-down kernel lets config space be opened but not written: find out now, by writing back
 * what is there, instead of at the first interrupt (T31).
 */
int opener_open_pci_config(const char *root, const struct opener_device *device,
			   char text[LIMIT_TEXT])
{
	char path[PATH_MAX];
	uint8_t high;
	int fd, error = 0;

	sysfs_path(path, "%s/sys/bus/pci/devices/%s/config", root, device->location);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return sysfs_refuse(text, path, errno);
	if (pread(fd, &high, 1, PCI_COMMAND_HIGH) != 1)
		error = EIO;
	else if (high == 0xff)
		error = ENODEV;
	else if (pwrite(fd, &high, 1, PCI_COMMAND_HIGH) != 1)
		error = errno;
	if (!error)
		return fd;
	close(fd);
	if (error == EPERM)
		sysfs_say(
			text,
			"%s may not be written: the kernel is locked down (see /sys/kernel/security/"
			"lockdown; Secure Boot does that); boot without lockdown, or use "
			"a UIO driver with irqcontrol, or source=helper",
			path);
	else
		sysfs_say(text, "%s does not answer: all that it reads is ones; is it powered?",
			  path);
	return -error;
}

int opener_open_resource(const char *root, const struct device_config *config,
			 const struct opener_device *device, uint8_t index, char text[LIMIT_TEXT])
{
	char path[PATH_MAX];
	int fd;

	if (!config->grant) {
		sysfs_say(text, "device %s: grant=yes is not in the configuration", config->name);
		return -EACCES;
	}
	if (!device->iommu && !config->unsafe_dma) {
		sysfs_say(
			text,
			"device %s: no IOMMU is in front of it, so whoever has its registers can reach "
			"all memory by DMA; if that is meant, say unsafe-dma=yes",
			config->name);
		return -EACCES;
	}
	/* A UIO node would map others, but whoever has the node can unmask the device at will. */
	if (!device->n_resources) {
		sysfs_say(
			text,
			"device %s (%s) has no registers that can be handed out: it is no PCI device with "
			"memory",
			config->name, device->location);
		return -ENOENT;
	}
	if (index >= device->n_resources) {
		sysfs_say(text, "device %s has no register region %u: there are %u", config->name,
			  index, device->n_resources);
		return -ENOENT;
	}
	sysfs_path(path, "%s/sys/bus/pci/devices/%s/resource%u", root, device->location,
		   device->resource[index].index);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 ? fd : sysfs_refuse(text, path, errno);
}

/* ---- locks ------------------------------------------------------------------------------------- */

/*
 * One file for each device, the same for every broker of the machine, held by flock() for as long as
 * somebody has the fd. It says who that is. Never removed: a file that has gone locks nobody out. Nobody
 * else may open it: whoever can read it can lock it.
 */
int opener_lock(const char *root, const char *name, pid_t broker, char text[LIMIT_TEXT])
{
	const char *given = getenv("PTIRQ_LOCK_DIR");
	char dir[PATH_MAX], path[PATH_MAX], holder[LIMIT_NAME], comm[LIMIT_NAME];
	int fd;

	if (given) {
		sysfs_path(dir, "%s", given);
	} else {
		sysfs_path(dir, "%s/run/ptirq", root);
		mkdir(dir, 0755);
		sysfs_path(dir, "%s/run/ptirq/lock", root);
	}
	mkdir(dir, 0755);
	sysfs_path(path, "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, 0600) < 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		sysfs_say(text, "%s: %s; the broker's user must be able to write there", path,
			  strerror(error));
		return -error;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		sysfs_line(dir, name, holder, sizeof(holder));
		close(fd);
		sysfs_say(
			text,
			"%s is in use by %s: stop that broker, or take the device out of one of the two "
			"configurations",
			name, *holder ? holder : "another broker");
		return -EBUSY;
	}
	sysfs_path(dir, "/proc/%d", (int)broker);
	sysfs_line(dir, "comm", comm, sizeof(comm));
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%s (pid %d)\n", comm, (int)broker);
	return fd;
}
