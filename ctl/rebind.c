// SPDX-License-Identifier: MIT
/*
 * Owns the order of the writes that move a device, and the way back. Must not decide whether it may
 * be moved.
 */
#include "ctl/rebind.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/sysfs.h"

#define PATIENCE    10 /* times */
#define PATIENCE_NS 100000000

static const char *const buses[] = {[HW_PCI] = "pci", [HW_PLATFORM] = "platform"};

bool rebind_has_driver(enum hw_bus bus, const char *driver)
{
	return sys_exists("/sys/bus/%s/drivers/%s", buses[bus], driver);
}

/* Its exit status, or -errno; what it says on standard error in @said. */
static int run_modprobe(const char *module, char *said, size_t size)
{
	char program[] = "modprobe", name[64], *argv[] = {program, name, NULL};
	const char *path = getenv("PATH");
	posix_spawn_file_actions_t actions;
	char longer[4096];
	int out[2], status = 0, error;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	snprintf(name, sizeof(name), "%s", module);
	/* Users, and udev's programs, do not look where it is. */
	snprintf(longer, sizeof(longer), "%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	setenv("PATH", longer, 1);
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
	error = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	while (!error && used < size - 1 && (n = read(out[0], said + used, size - 1 - used)) > 0)
		used += (size_t)n;
	close(out[0]);
	said[used] = 0;
	said[strcspn(said, "\n")] = 0;
	if (error)
		return -error;
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

bool rebind_load(enum hw_bus bus, const char *driver, char why[REBIND_WHY])
{
	char said[256] = "";
	int r = run_modprobe(driver, said, sizeof(said));

	if (r == 0 && rebind_has_driver(bus, driver))
		return true;
	if (r < 0)
		snprintf(why, REBIND_WHY,
			 "the module %s is not loaded, and modprobe cannot be run: %s", driver,
			 strerror(-r));
	else if (r == 0)
		snprintf(why, REBIND_WHY,
			 "the module %s is loaded, but has no driver for this kind of device",
			 driver);
	else
		snprintf(
			why, REBIND_WHY,
			"the module %s cannot be loaded: %s; `dkms status` shows whether it was built "
			"for this kernel",
			driver, said);
	return false;
}

static bool taken(struct hw_device *device, const char *driver)
{
	enum hw_bus bus = device->bus;
	char name[64];

	strcpy(name, device->name);
	return hw_device_load(bus, name, device) && strcmp(device->driver, driver) == 0;
}

/* The newline is how driver_override is cleared. */
static int set_override(const struct hw_device *device, const char *driver)
{
	return sys_write(*driver ? driver : "\n", "%s/driver_override", device->dir);
}

/* Whether that took it is seen by its driver, and not told here. */
static void probe(const struct hw_device *device)
{
	sys_write(device->name, "/sys/bus/%s/drivers_probe", buses[device->bus]);
}

/*
 * A device that has just been plugged in is announced before the bus lets any driver have it, and
 * udev may be quick. What the driver says in the kernel's log after @log ends the patience.
 */
static bool probe_patiently(struct hw_device *device, const char *driver, uint64_t log,
			    char *ret_said, size_t size)
{
	const struct timespec pause = {.tv_nsec = PATIENCE_NS};
	char prefix[160];

	*ret_said = 0;
	snprintf(prefix, sizeof(prefix), "%s %s: ", driver, device->name);
	for (int i = 0; i < PATIENCE; i++) {
		probe(device);
		if (taken(device, driver))
			return true;
		if (sys_kernel_said(prefix, log, ret_said, size))
			return false;
		nanosleep(&pause, NULL);
	}
	return false;
}

bool rebind(struct hw_device *device, const char *driver, char why[REBIND_WHY])
{
	const struct hw_device before = *device;
	uint64_t log = sys_kernel_log();
	char said[256];
	int error = set_override(device, driver ? driver : "");

	if (error) {
		snprintf(why, REBIND_WHY, "%s/driver_override: %s%s", device->dir, strerror(-error),
			 error == -EACCES ? "; that takes root" : "");
		return false;
	}
	if (before.driver[0])
		error = sys_write(device->name, "/sys/bus/%s/drivers/%s/unbind", buses[device->bus],
				  before.driver);
	if (error) {
		snprintf(why, REBIND_WHY, "%s does not let go of it: %s", before.driver,
			 strerror(-error));
		set_override(device, before.override);
		return false;
	}
	if (!driver) {
		probe(device);
		hw_device_load(before.bus, before.name, device);
		return true;
	}
	if (probe_patiently(device, driver, log, said, sizeof(said)))
		return true;
	if (*said)
		snprintf(why, REBIND_WHY, "%s refuses it: it %s", driver, said);
	else
		snprintf(why, REBIND_WHY, "%s has not taken it; `dmesg` may say why", driver);
	/* Back to where it was. */
	set_override(&before, before.override);
	if (before.driver[0])
		probe(&before);
	hw_device_load(before.bus, before.name, device);
	return false;
}
