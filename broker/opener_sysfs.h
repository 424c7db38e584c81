/* SPDX-License-Identifier: MIT */
/* Small things that the opener's files do in sysfs. Nobody else includes this. */
#ifndef PTIRQ_OPENER_SYSFS_H
#define PTIRQ_OPENER_SYSFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "broker/opener.h"

/* A sentence for people; what does not fit is cut off. */
__attribute__((format(printf, 2, 3))) void sysfs_say(char text[LIMIT_TEXT], const char *format,
						     ...);

/* A path; one that does not fit is cut off, and then names nothing. */
__attribute__((format(printf, 2, 3))) void sysfs_path(char path[PATH_MAX], const char *format, ...);

/* The last component of the link @dir/@name; false: there is none. */
bool sysfs_link(const char *dir, const char *name, char ret[LIMIT_NAME]);

/* The first line of the file @dir/@name, without its newline; "" if it cannot be read. */
void sysfs_line(const char *dir, const char *name, char *ret, size_t size);

bool sysfs_exists(const char *dir, const char *name);

/* Of the PCI device whose directory is @pci: its register regions in memory, and its IOMMU. */
void sysfs_pci_registers(const char *pci, struct opener_device *device);

/* @path could not be opened: says @error (a positive errno) and what helps. -@error. */
int sysfs_refuse(char text[LIMIT_TEXT], const char *path, int error);

#endif
