/* SPDX-License-Identifier: MIT */
/* Owns a fake /sys, /dev and /run in a temporary directory. */
#include "tests/unit/fake_sysfs.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/ptirq-sysfs.XXXXXX";

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
	char command[2048];
	va_list args;
	int length = snprintf(command, sizeof(command), "set -e; cd %s; ", root);

	va_start(args, format);
	vsnprintf(command + length, sizeof(command) - (size_t)length, format, args);
	va_end(args);
	cr_assert_eq(system(command), 0, "%s", command);
}

const char *fake_root(void)
{
	cr_assert_not_null(mkdtemp(root));
	shell("mkdir -p sys/bus/pci/devices sys/bus/pci/drivers sys/class/uio dev run/ptirq");
	return root;
}

void fake_remove(void)
{
	shell("rm -r %s", root);
}

void fake_plug_pci(const char *address, const char *driver, const char *uio)
{
	shell("d=sys/bus/pci/devices/%s; mkdir -p $d; cd $d; head -c 64 /dev/zero >config; "
	      "echo 11 >irq; ln -s ../../../pci subsystem; "
	      "printf '0xf000 0xffff 0x40200\\n0 0 0\\n0x100 0x1ff 0x40200\\n' >resource; "
	      "echo bar0 >resource0; echo bar2 >resource2",
	      address);
	fake_set(address, 0, 0x34);
	if (driver)
		shell("mkdir -p sys/bus/pci/drivers/%s; ln -s ../../drivers/%s "
		      "sys/bus/pci/devices/%s/driver",
		      driver, driver, address);
	if (uio)
		shell("u=sys/bus/pci/devices/%s/uio/%s; mkdir -p $u; echo %s >$u/name; "
		      "ln -s ../.. $u/device; ln -s ../../bus/pci/devices/%s/uio/%s sys/class/uio/%s; "
		      "mkfifo dev/%s",
		      address, uio, driver, address, uio, uio, uio);
}

void fake_unplug(const char *address, const char *uio)
{
	shell("rm -r sys/bus/pci/devices/%s; rm sys/class/uio/%s dev/%s", address, uio, uio);
}

void fake_plug_uio(const char *uio, const char *name, const char *node)
{
	shell("mkdir sys/class/uio/%s; echo %s >sys/class/uio/%s/name; ln -s %s dev/%s", uio, name,
	      uio, node, uio);
}

void fake_write(const char *path, const char *text)
{
	char name[PATH_MAX];
	FILE *stream;

	snprintf(name, sizeof(name), "%s/%s", root, path);
	stream = fopen(name, "we");
	cr_assert_not_null(stream, "%s", name);
	fputs(text, stream);
	fclose(stream);
}

static int open_under(const char *path, int flags)
{
	char name[PATH_MAX];
	int fd;

	snprintf(name, sizeof(name), "%s/%s", root, path);
	fd = open(name, flags | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s", name);
	return fd;
}

static int config_of(const char *address)
{
	char path[128];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/config", address);
	return open_under(path, O_RDWR);
}

uint8_t fake_get(const char *address, unsigned int at)
{
	int fd = config_of(address);
	uint8_t byte;

	cr_assert_eq(pread(fd, &byte, 1, at), 1);
	close(fd);
	return byte;
}

void fake_set(const char *address, unsigned int at, uint8_t byte)
{
	int fd = config_of(address);

	cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* The FIFO keeps what is written only while somebody has it open: the source does. */
void fake_interrupt(const char *uio, uint32_t count)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "dev/%s", uio);
	fd = open_under(path, O_RDWR | O_NONBLOCK);
	cr_assert_eq(write(fd, &count, sizeof(count)), sizeof(count));
	close(fd);
}
