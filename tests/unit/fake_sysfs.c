/* SPDX-License-Identifier: MIT */
/* Owns a fake /sys, /dev and /run in a temporary directory. */
#include "tests/unit/fake_sysfs.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/ptirq-sysfs.XXXXXX";

/* No shell: under valgrind each command of it would be one more program to start. */
__attribute__((format(printf, 2, 3))) static const char *under(char path[PATH_MAX],
							       const char *format, ...)
{
	int length = snprintf(path, PATH_MAX, "%s/", root);
	va_list args;

	va_start(args, format);
	vsnprintf(path + length, PATH_MAX - (size_t)length, format, args);
	va_end(args);
	return path;
}

/* With the directories above it. */
static void make_dir(char *path)
{
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
	mkdir(path, 0755);
}

static void write_file(const char *path, const char *text, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(write(fd, text, length), (ssize_t)length);
	close(fd);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status;
	(void)kind;
	(void)at;
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fake_root(void)
{
	static const char *const dirs[] = {"sys/bus/pci/devices", "sys/bus/pci/drivers",
					   "sys/class/uio", "dev", "run/ptirq"};
	char path[PATH_MAX];

	cr_assert_not_null(mkdtemp(root));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		under(path, "%s", dirs[i]);
		make_dir(path);
	}
	return root;
}

void fake_remove(void)
{
	remove_tree(root);
}

void fake_write(const char *path, const char *text)
{
	char full[PATH_MAX];

	write_file(under(full, "%s", path), text, strlen(text));
}

static void link_to(const char *target, const char *path)
{
	cr_assert_eq(symlink(target, path), 0, "%s", path);
}

static void plug_node(const char *address, const char *driver, const char *uio)
{
	char path[PATH_MAX], target[PATH_MAX];

	under(path, "sys/bus/pci/devices/%s/uio/%s", address, uio);
	make_dir(path);
	snprintf(target, sizeof(target), "%s\n", driver);
	write_file(under(path, "sys/bus/pci/devices/%s/uio/%s/name", address, uio), target,
		   strlen(target));
	link_to("../..", under(path, "sys/bus/pci/devices/%s/uio/%s/device", address, uio));
	snprintf(target, sizeof(target), "../../bus/pci/devices/%s/uio/%s", address, uio);
	link_to(target, under(path, "sys/class/uio/%s", uio));
	cr_assert_eq(mkfifo(under(path, "dev/%s", uio), 0600), 0);
}

void fake_plug_pci(const char *address, const char *driver, const char *uio)
{
	static const struct {
		const char *name, *text;
	} files[] = {{"irq", "11\n"},
		     {"resource", "0xf000 0xffff 0x40200\n0 0 0\n0x100 0x1ff 0x40200\n"},
		     {"resource0", "bar0\n"},
		     {"resource2", "bar2\n"}};
	static const char config[64] = {0x34};
	char path[PATH_MAX], target[PATH_MAX];

	under(path, "sys/bus/pci/devices/%s", address);
	make_dir(path);
	write_file(under(path, "sys/bus/pci/devices/%s/config", address), config, sizeof(config));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		write_file(under(path, "sys/bus/pci/devices/%s/%s", address, files[i].name),
			   files[i].text, strlen(files[i].text));
	link_to("../../../pci", under(path, "sys/bus/pci/devices/%s/subsystem", address));
	if (driver) {
		under(path, "sys/bus/pci/drivers/%s", driver);
		make_dir(path);
		snprintf(target, sizeof(target), "../../drivers/%s", driver);
		link_to(target, under(path, "sys/bus/pci/devices/%s/driver", address));
	}
	if (uio)
		plug_node(address, driver, uio);
}

void fake_plug_helper(const char *address, const char *line, const char *node)
{
	char path[PATH_MAX], target[PATH_MAX];

	fake_plug_pci(address, "ptirq_uio", NULL);
	snprintf(target, sizeof(target), "../../../ptirq!%s", line);
	link_to(target, under(path, "sys/bus/pci/devices/%s/ptirq_line", address));
	make_dir((char *)under(path, "dev/ptirq"));
	under(path, "dev/ptirq/%s", line);
	unlink(path);
	link_to(node, path);
}

void fake_unplug(const char *address, const char *uio)
{
	char path[PATH_MAX];

	remove_tree(under(path, "sys/bus/pci/devices/%s", address));
	if (uio) {
		unlink(under(path, "sys/class/uio/%s", uio));
		unlink(under(path, "dev/%s", uio));
	}
}

void fake_plug_uio(const char *uio, const char *name, const char *node)
{
	char path[PATH_MAX], text[128];

	under(path, "sys/class/uio/%s", uio);
	make_dir(path);
	snprintf(text, sizeof(text), "%s\n", name);
	write_file(under(path, "sys/class/uio/%s/name", uio), text, strlen(text));
	link_to(node, under(path, "dev/%s", uio));
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
