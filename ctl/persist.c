// SPDX-License-Identifier: MIT
/*
 * A rule for each device that is bound at every boot: udev runs this program when the device comes,
 * which then does what it does by hand. Before the rule that loads a device's own driver, which is
 * 80-drivers.rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/rebind.h"
#include "ctl/sysfs.h"

static const char *const buses[] = {[HW_PCI] = "pci", [HW_PLATFORM] = "platform"};

static const char header[] =
	"# `ptirqctl bind --persistent` adds lines here, `ptirqctl unbind` takes "
	"them out.\n";

/* What a rule of the device's begins with. */
static void key_of(const struct hw_device *device, char *ret, size_t size)
{
	snprintf(ret, size, "ACTION==\"add\", SUBSYSTEM==\"%s\", KERNEL==\"%s\", ",
		 buses[device->bus], device->name);
}

/* Copies to @out, unless it is NULL, all lines but those of @key; true if there were such. */
static bool without(const char *key, FILE *out, bool *ret_others)
{
	char path[PATH_MAX], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *in;

	*ret_others = false;
	sys_path(path, "%s", PERSIST_FILE);
	in = fopen(path, "re");
	while (in && getline(&line, &size, in) >= 0) {
		if (strncmp(line, key, strlen(key)) == 0) {
			found = true;
			continue;
		}
		if (strcmp(line, header) == 0)
			continue;
		*ret_others = true;
		if (out)
			fputs(line, out);
	}
	free(line);
	if (in)
		fclose(in);
	return found;
}

bool persist_has(const struct hw_device *device)
{
	char key[160];
	bool others;

	key_of(device, key, sizeof(key));
	return without(key, NULL, &others);
}

/* The file anew, with @rule instead of what there is of @device; NULL: with nothing. */
static int rewrite(const struct hw_device *device, const char *rule)
{
	char path[PATH_MAX], temporary[PATH_MAX + 8], key[160];
	bool others;
	FILE *out;

	key_of(device, key, sizeof(key));
	/* A machine need not have any of its own yet. */
	sys_path(path, "/etc/udev");
	mkdir(path, 0755);
	sys_path(path, "/etc/udev/rules.d");
	mkdir(path, 0755);
	sys_path(path, "%s", PERSIST_FILE);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	out = fopen(temporary, "we");
	if (!out)
		return -errno;
	fputs(header, out);
	without(key, out, &others);
	if (rule)
		fprintf(out, "%s%s\n", key, rule);
	if (fclose(out) != 0 || chmod(temporary, 0644) < 0 || rename(temporary, path) < 0) {
		int error = -errno;

		unlink(temporary);
		return error;
	}
	if (!rule && !others)
		unlink(path);
	return 0;
}

int persist_add(const struct hw_device *device, const char *driver)
{
	char self[PATH_MAX], rule[PATH_MAX + 256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = 0;
	snprintf(rule, sizeof(rule), "RUN+=\"%s bind --driver %s %s%s\"", self, driver,
		 device->bus == HW_PLATFORM ? "platform:" : "", device->name);
	return rewrite(device, rule);
}

int persist_remove(const struct hw_device *device)
{
	return persist_has(device) ? rewrite(device, NULL) : 0;
}
