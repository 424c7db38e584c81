/* SPDX-License-Identifier: MIT */
/*
 * Reads of sysfs that every kind of device needs, and the words for a file that cannot be opened. Must not
 * know what a line is. Runs in the opener process.
 */
#include "broker/opener_sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IORESOURCE_MEM 0x200 /* in sysfs resource */

void sysfs_say(char text[LIMIT_TEXT], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, LIMIT_TEXT, format, args);
	va_end(args);
}

void sysfs_path(char path[PATH_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(path, PATH_MAX, format, args);
	va_end(args);
}

bool sysfs_link(const char *dir, const char *name, char ret[LIMIT_NAME])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t length;

	sysfs_path(path, "%s/%s", dir, name);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = 0;
	slash = strrchr(target, '/');
	snprintf(ret, LIMIT_NAME, "%.*s", LIMIT_NAME - 1, slash ? slash + 1 : target);
	return true;
}

void sysfs_line(const char *dir, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX];
	ssize_t length = -1;
	int fd;

	sysfs_path(path, "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, ret, size - 1);
		close(fd);
	}
	ret[length > 0 ? length : 0] = 0;
	ret[strcspn(ret, "\n")] = 0;
}

bool sysfs_exists(const char *dir, const char *name)
{
	char path[PATH_MAX];

	sysfs_path(path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Register regions in memory; one of I/O ports cannot be mapped. */
static void add_resources(const char *pci, struct opener_device *device)
{
	char path[PATH_MAX];
	FILE *stream;

	sysfs_path(path, "%s/resource", pci);
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

	sysfs_line(pci, "iommu_group/name", name, sizeof(name));
	return sysfs_exists(pci, "iommu_group") && strcmp(name, "vfio-noiommu") != 0;
}

void sysfs_pci_registers(const char *pci, struct opener_device *device)
{
	device->iommu = has_iommu(pci);
	add_resources(pci, device);
}

int sysfs_refuse(char text[LIMIT_TEXT], const char *path, int error)
{
	if (error == EACCES || error == EPERM)
		sysfs_say(
			text,
			"%s: %s; the udev rules that come with ptirq give it to the broker's user "
			"(`udevadm trigger` applies them to what is plugged in)",
			path, strerror(error));
	else
		sysfs_say(text, "%s: %s", path, strerror(error));
	return -error;
}
