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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/opener_child.h"

/* A sentence for people; what does not fit is cut off. */
__attribute__((format(printf, 2, 3))) static void say(char text[LIMIT_TEXT], const char *format,
						      ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, LIMIT_TEXT, format, args);
	va_end(args);
}

/* A path; one that does not fit is cut off, and then names nothing. */
__attribute__((format(printf, 2, 3))) static void join(char path[PATH_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(path, PATH_MAX, format, args);
	va_end(args);
}

#define IORESOURCE_MEM   0x200 /* in sysfs resource */
#define PCI_COMMAND_HIGH 5     /* the byte of the command register that has DisINTx */

/* The last component of the link @dir/@name; false: there is none. */
static bool link_name(const char *dir, const char *name, char ret[LIMIT_NAME])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t length;

	join(path, "%s/%s", dir, name);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = 0;
	slash = strrchr(target, '/');
	snprintf(ret, LIMIT_NAME, "%.*s", LIMIT_NAME - 1, slash ? slash + 1 : target);
	return true;
}

/* The first line of the file @dir/@name, without its newline; "" if it cannot be read. */
static void read_line(const char *dir, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX];
	ssize_t length = -1;
	int fd;

	join(path, "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, ret, size - 1);
		close(fd);
	}
	ret[length > 0 ? length : 0] = 0;
	ret[strcspn(ret, "\n")] = 0;
}

static bool exists(const char *dir, const char *name)
{
	char path[PATH_MAX];

	join(path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

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

	join(dir, "%s/sys/class/uio", root);
	stream = opendir(dir);
	while (stream && (entry = readdir(stream))) {
		if (strncmp(entry->d_name, "uio", 3) || strlen(entry->d_name) >= 16)
			continue;
		join(path, "%s/%s", dir, entry->d_name);
		read_line(path, "name", found, sizeof(found));
		if (!strcmp(found, name) && n++ == 0)
			strcpy(ret, entry->d_name);
	}
	if (stream)
		closedir(stream);
	return n;
}

/* Register regions in memory; one of I/O ports cannot be mapped. */
static void add_resources(const char *pci, struct opener_device *device)
{
	char path[PATH_MAX];
	FILE *stream;

	join(path, "%s/resource", pci);
	stream = fopen(path, "re");
	for (uint8_t i = 0; stream && i < 6; i++) {
		unsigned long long first, last, flags;

		if (fscanf(stream, "%llx %llx %llx", &first, &last, &flags) != 3)
			break;
		if (!(flags & IORESOURCE_MEM) || last <= first)
			continue;
		device->resource[device->n_resources].size = last - first + 1;
		device->resource[device->n_resources].index = i;
		device->n_resources++;
	}
	if (stream)
		fclose(stream);
}

/* An IOMMU group that VFIO made up for want of an IOMMU protects nothing. */
static bool has_iommu(const char *pci)
{
	char name[LIMIT_NAME];

	read_line(pci, "iommu_group/name", name, sizeof(name));
	return exists(pci, "iommu_group") && strcmp(name, "vfio-noiommu") != 0;
}

/* @pci is the sysfs directory of the PCI device whose address is in device->location. */
static int identify_pci(const char *pci, struct opener_device *device, char text[LIMIT_TEXT])
{
	const char *at = device->location;
	char path[PATH_MAX], irq[16];

	device->iommu = has_iommu(pci);
	add_resources(pci, device);
	if (!link_name(pci, "driver", device->driver)) {
		say(text,
		    "%s has no driver: `echo uio_pci_generic >/sys/bus/pci/devices/%s/driver_override`, "
		    "then `echo %s >/sys/bus/pci/drivers_probe`; if that fails, dmesg says why (a device "
		    "that cannot mask its own INTx is refused)",
		    at, at, at);
		return -ENXIO;
	}
	join(path, "%s/uio", pci);
	device->pci = !strcmp(device->driver, "uio_pci_generic");
	device->irqcontrol = !device->pci;
	if (!uio_in(path, device->uio) && device->pci) {
		say(text, "%s has its driver and no UIO node yet", at);
		return -ENXIO;
	}
	if (!device->uio[0]) {
		say(text,
		    "%s belongs to the driver %s, not to a UIO driver: unbind it (`echo %s "
		    ">/sys/bus/pci/drivers/%s/unbind`) and bind uio_pci_generic",
		    at, device->driver, at, device->driver);
		return -ENXIO;
	}
	read_line(pci, "irq", irq, sizeof(irq));
	if (!strcmp(irq, "0")) {
		say(text,
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

	join(dir, "%s/sys/class/uio/%s", root, uio);
	if (!exists(dir, "name")) {
		say(text, "%s is not there: `ls /sys/class/uio` shows what is", uio);
		return -ENODEV;
	}
	join(parent, "%s/device", dir);
	if (link_name(parent, "subsystem", bus) && !strcmp(bus, "pci") && realpath(parent, real)) {
		snprintf(device->location, sizeof(device->location), "%.63s",
			 strrchr(real, '/') + 1);
		return identify_pci(real, device, text);
	}
	snprintf(device->location, sizeof(device->location), "%s", uio);
	snprintf(device->uio, sizeof(device->uio), "%.15s", uio);
	if (!link_name(parent, "driver", device->driver))
		read_line(dir, "name", device->driver, sizeof(device->driver));
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
		join(path, "%s%s", root, address);
		if (access(path, F_OK) < 0) {
			say(text, "%s is not there: is it plugged in, and the path right?",
			    address);
			return -ENODEV;
		}
		if (!config_pci_address(last, device.location) && strncmp(last, "uio", 3) != 0) {
			join(path, "%s%s/uio", root, address);
			if (!uio_in(path, uio)) {
				say(text, "%s has no UIO node: its driver is not a UIO driver",
				    address);
				return -ENXIO;
			}
			last = uio;
		}
		address = last;
	}
	if (config_pci_address(address, device.location)) {
		join(path, "%s/sys/bus/pci/devices/%s", root, device.location);
		if (access(path, F_OK) < 0) {
			say(text, "%s is not there: is it plugged in? `lspci -D` shows what is",
			    device.location);
			return -ENODEV;
		}
		error = identify_pci(path, &device, text);
	} else if (!strncmp(address, "uio", 3) && isdigit((unsigned char)address[3])) {
		error = identify_uio(root, address, &device, text);
	} else {
		n = uio_called(root, address, uio);
		if (n == 0) {
			say(text,
			    "no UIO device is called %s: `grep . /sys/class/uio/*/name` shows the names",
			    address);
			return -ENODEV;
		}
		if (n > 1) {
			say(text,
			    "%d UIO devices are called %s: give a PCI address or a sysfs path", n,
			    address);
			return -EINVAL;
		}
		error = identify_uio(root, uio, &device, text);
	}
	if (!error || error == -ENXIO)
		*ret = device;
	return error;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int refuse(char text[LIMIT_TEXT], const char *path, int error)
{
	if (error == EACCES || error == EPERM)
		say(text,
		    "%s: %s; the udev rules that come with ptirq give it to the broker's user "
		    "(`udevadm trigger` applies them to what is plugged in)",
		    path, strerror(error));
	else
		say(text, "%s: %s", path, strerror(error));
	return -error;
}

int opener_open_uio(const char *root, const struct opener_device *device, char text[LIMIT_TEXT])
{
	char path[PATH_MAX];
	int fd;

	join(path, "%s/dev/%s", root, device->uio);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT) {
		say(text,
		    "%s is not there though /sys/class/uio/%s is: udev (or devtmpfs) has not made "
		    "it; in a container it must be passed in",
		    path, device->uio);
		return -ENOENT;
	}
	return refuse(text, path, errno);
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

	join(path, "%s/sys/bus/pci/devices/%s/config", root, device->location);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return refuse(text, path, errno);
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
		say(text,
		    "%s may not be written: the kernel is locked down (see /sys/kernel/security/"
		    "lockdown; Secure Boot does that); boot without lockdown, or use "
		    "a UIO driver with irqcontrol",
		    path);
	else
		say(text, "%s does not answer: all that it reads is ones; is it powered?", path);
	return -error;
}

int opener_open_resource(const char *root, const struct device_config *config,
			 const struct opener_device *device, uint8_t index, char text[LIMIT_TEXT])
{
	char path[PATH_MAX];
	int fd;

	if (!config->grant) {
		say(text, "device %s: grant=yes is not in the configuration", config->name);
		return -EACCES;
	}
	if (!device->iommu && !config->unsafe_dma) {
		say(text,
		    "device %s: no IOMMU is in front of it, so whoever has its registers can reach "
		    "all memory by DMA; if that is meant, say unsafe-dma=yes",
		    config->name);
		return -EACCES;
	}
	/* A UIO node would map others, but whoever has the node can unmask the device at will. */
	if (!device->n_resources) {
		say(text,
		    "device %s (%s) has no registers that can be handed out: it is no PCI device with "
		    "memory",
		    config->name, device->location);
		return -ENOENT;
	}
	if (index >= device->n_resources) {
		say(text, "device %s has no register region %u: there are %u", config->name, index,
		    device->n_resources);
		return -ENOENT;
	}
	join(path, "%s/sys/bus/pci/devices/%s/resource%u", root, device->location,
	     device->resource[index].index);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 ? fd : refuse(text, path, errno);
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
		join(dir, "%s", given);
	} else {
		join(dir, "%s/run/ptirq", root);
		mkdir(dir, 0755);
		join(dir, "%s/run/ptirq/lock", root);
	}
	mkdir(dir, 0755);
	join(path, "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, 0600) < 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		say(text, "%s: %s; the broker's user must be able to write there", path,
		    strerror(error));
		return -error;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		read_line(dir, name, holder, sizeof(holder));
		close(fd);
		say(text,
		    "%s is in use by %s: stop that broker, or take the device out of one of the two "
		    "configurations",
		    name, *holder ? holder : "another broker");
		return -EBUSY;
	}
	join(dir, "/proc/%d", (int)broker);
	read_line(dir, "comm", comm, sizeof(comm));
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%s (pid %d)\n", comm, (int)broker);
	return fd;
}
