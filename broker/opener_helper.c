/* SPDX-License-Identifier: MIT */
/*
 * Owns the way from an address in the configuration to the kernel helper's line that the device is on,
 * and the open() of that line. Must not know what is asked of it. Runs in the opener process.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/opener_child.h"
#include "broker/opener_sysfs.h"

#define MODULE "ptirq_uio"
#define LINK   "ptirq_line" /* in the directory of a device that is bound: "ptirq!line0" */

/* It is there, at @dir, but not on a line: why, and what helps. */
static int not_bound(const char *root, const char *dir, struct opener_device *device,
		     char text[LIMIT_TEXT])
{
	char modules[PATH_MAX], load[64] = "";

	sysfs_path(modules, "%s/sys/module", root);
	if (!sysfs_exists(modules, MODULE))
		snprintf(load, sizeof(load), "`modprobe " MODULE "`, then ");
	if (!sysfs_link(dir, "driver", device->driver))
		sysfs_say(text,
			  "%s has no driver: %s`ptirqctl bind %s`; if that fails, dmesg says why",
			  device->location, load, device->location);
	else if (!strcmp(device->driver, MODULE))
		sysfs_say(text, "%s is being bound to " MODULE, device->location);
	else
		sysfs_say(text,
			  "%s belongs to the driver %s, not to the kernel helper: %s`ptirqctl bind "
			  "%s` takes it from there",
			  device->location, device->driver, load, device->location);
	return -ENXIO;
}

int opener_identify_helper(const char *root, const struct device_config *config,
			   struct opener_device *ret, char text[LIMIT_TEXT])
{
	const char *slash = strrchr(config->address, '/'), *shown;
	const char *last = slash ? slash + 1 : config->address;
	struct opener_device device = {0};
	char dir[PATH_MAX], line[LIMIT_NAME];
	int error = 0;
	bool pci = config_pci_address(last, device.location);

	if (!pci)
		snprintf(device.location, sizeof(device.location), "%.63s", last);
	shown = pci ? "lspci -D" : "ls /sys/bus/platform/devices";
	if (slash)
		sysfs_path(dir, "%s%s", root, config->address);
	else
		sysfs_path(dir, "%s/sys/bus/%s/devices/%s", root, pci ? "pci" : "platform",
			   device.location);
	if (access(dir, F_OK) < 0) {
		sysfs_say(text, "%s is not there: is it plugged in? `%s` shows what is",
			  slash ? config->address : device.location, shown);
		return -ENODEV;
	}
	if (pci)
		sysfs_pci_registers(dir, &device);
	if (sysfs_link(dir, LINK, line)) {
		const char *bang = strrchr(line, '!');

		sysfs_link(dir, "driver", device.driver);
		snprintf(device.line, sizeof(device.line), "%.15s", bang ? bang + 1 : line);
	} else {
		error = not_bound(root, dir, &device, text);
	}
	*ret = device;
	return error;
}

/* Whether the process @pid has @path open. */
static bool has_open(const char *pid, const char *path)
{
	char dir[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *stream;

	sysfs_path(dir, "/proc/%s/fd", pid);
	stream = opendir(dir);
	while (stream && !found && (entry = readdir(stream))) {
		ssize_t length;

		sysfs_path(link, "%s/%s", dir, entry->d_name);
		length = readlink(link, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = 0;
		found = !strcmp(target, path);
	}
	if (stream)
		closedir(stream);
	return found;
}

/* Of those whose files we may see. */
static void say_holder(const char *path, char text[LIMIT_TEXT])
{
	char comm[LIMIT_NAME], dir[PATH_MAX];
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (proc && !found && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) && has_open(entry->d_name, path)) {
			sysfs_path(dir, "/proc/%s", entry->d_name);
			sysfs_line(dir, "comm", comm, sizeof(comm));
			sysfs_say(text,
				  "%s is held by %s (pid %s): a line has one holder, stop that one "
				  "first",
				  path, comm, entry->d_name);
			found = true;
		}
	if (!found)
		sysfs_say(text,
			  "%s is held by another program: a line has one holder; `fuser -v %s` "
			  "tells which",
			  path, path);
	if (proc)
		closedir(proc);
}

int opener_open_helper(const char *root, const struct opener_device *device, char text[LIMIT_TEXT])
{
	char path[PATH_MAX];
	int fd;

	sysfs_path(path, "%s/dev/ptirq/%s", root, device->line);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == EBUSY) {
		say_holder(path, text);
		return -EBUSY;
	}
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV) {
		sysfs_say(text,
			  "%s is not there though %s is bound: udev (or devtmpfs) has not made it; "
			  "in a container it must be passed in",
			  path, device->location);
		return -ENOENT;
	}
	return sysfs_refuse(text, path, errno);
}
