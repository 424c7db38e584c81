// SPDX-License-Identifier: MIT
/*
 * Finds what hangs on a device: the nodes that its driver made, the block devices that are built on
 * those, network interfaces; and which of it somebody uses. Must not change anything.
 */
#include "ctl/uses.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/sysfs.h"

#define NODES_MAX 256

struct search {
	const struct hw_device *device;
	const char *class;          /* of /sys/dev */
	char node[NODES_MAX][64];   /* below /dev */
	char number[NODES_MAX][16]; /* "8:1", of block devices; else "" */
	size_t n_nodes;
	bool seen; /* a network interface */
	struct uses *uses;
};

__attribute__((format(printf, 2, 3))) static void used(struct uses *uses, const char *format, ...)
{
	va_list args;

	if (uses->n == USES_MAX)
		return;
	va_start(args, format);
	vsnprintf(uses->text[uses->n++], sizeof(uses->text[0]), format, args);
	va_end(args);
}

/* ---- nodes ---- */

static bool below(const char *real, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(real, dir, n) == 0 && real[n] == '/';
}

static void add_node(struct search *search, const char *name, const char *number)
{
	for (size_t i = 0; i < search->n_nodes; i++)
		if (strcmp(search->node[i], name) == 0)
			return;
	if (search->n_nodes == NODES_MAX)
		return;
	snprintf(search->node[search->n_nodes], sizeof(search->node[0]), "%.63s", name);
	snprintf(search->number[search->n_nodes], sizeof(search->number[0]), "%.15s", number);
	search->n_nodes++;
}

static bool node(const char *number, void *userdata)
{
	struct search *search = userdata;
	char real[PATH_MAX], text[1024], *name;
	bool block = strcmp(search->class, "block") == 0;

	if (!sys_real(real, "/sys/dev/%s/%s", search->class, number) ||
	    !below(real, search->device->real) ||
	    sys_bytes(text, sizeof(text), "%s/uevent", real) <= 0)
		return true;
	name = strstr(text, "DEVNAME=");
	if (!name)
		return true;
	name += strlen("DEVNAME=");
	name[strcspn(name, "\n")] = 0;
	add_node(search, name, block ? number : "");
	return true;
}

/* dm-0 on sda3, md0 on sdb: as good as in use, and perhaps mounted itself. */
static bool built_on(const char *name, void *userdata)
{
	struct search *search = userdata;
	char number[16];

	if (sys_read(number, sizeof(number), "/sys/class/block/%s/dev", name))
		add_node(search, name, number);
	return true;
}

/* The parts of a multipath NVMe disk, nvme0c1n2 for one, have no nodes; nvme0n2 is what is used. */
static bool nvme_path(const char *name, void *userdata)
{
	struct search *search = userdata;
	unsigned int subsystem, controller, disk;
	char real[PATH_MAX], head[32];
	int end = 0;

	if (sscanf(name, "nvme%uc%un%u%n", &subsystem, &controller, &disk, &end) != 3 ||
	    name[end] || !sys_real(real, "/sys/block/%s", name) ||
	    !below(real, search->device->real))
		return true;
	snprintf(head, sizeof(head), "nvme%un%u", subsystem, disk);
	built_on(head, search);
	return true;
}

static bool partition(const char *name, void *userdata)
{
	struct search *search = userdata;

	if (sys_exists("/sys/class/block/%s/partition", name))
		built_on(name, search);
	return true;
}

static void find_nodes(struct search *search)
{
	search->class = "block";
	sys_each(node, search, "/sys/dev/block");
	sys_each(nvme_path, search, "/sys/block");
	/* The list grows as it is gone through. */
	for (size_t i = 0; i < search->n_nodes; i++) {
		size_t before;

		sys_each(partition, search, "/sys/class/block/%s", search->node[i]);
		before = search->n_nodes;
		sys_each(built_on, search, "/sys/class/block/%s/holders", search->node[i]);
		for (; before < search->n_nodes; before++)
			used(search->uses, "/dev/%s is built on /dev/%s", search->node[before],
			     search->node[i]);
	}
	search->class = "char";
	sys_each(node, search, "/sys/dev/char");
	/* The group of VFIO is nobody's child. */
	if (search->device->owner == HW_VFIO && search->device->group[0]) {
		char vfio[32];

		snprintf(vfio, sizeof(vfio), "vfio/%s", search->device->group);
		add_node(search, vfio, "");
	}
}

/* ---- mounted, swap ---- */

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Calls @line for each line of a file that may be large. */
static void each_line(const char *path, void (*line)(struct search *search, const char *text),
		      struct search *search)
{
	char whole[PATH_MAX], *text = NULL;
	size_t size = 0;
	FILE *stream;

	sys_path(whole, "%s", path);
	stream = fopen(whole, "re");
	while (stream && getline(&text, &size, stream) >= 0)
		line(search, text);
	free(text);
	if (stream)
		fclose(stream);
}

static void mount_line(struct search *search, const char *text)
{
	char number[16], where[128], source[128] = "";
	const char *dash = strstr(text, " - ");

	if (sscanf(text, "%*s %*s %15s %*s %127s", number, where) != 2)
		return;
	/* btrfs has numbers of its own, and names its device. */
	if (dash)
		sscanf(dash, " - %*s %127s", source);
	for (size_t i = 0; i < search->n_nodes; i++)
		if (search->number[i][0] && (strcmp(search->number[i], number) == 0 ||
					     (strncmp(source, "/dev/", 5) == 0 &&
					      strcmp(base(source), search->node[i]) == 0)))
			used(search->uses, "/dev/%s is mounted on %s", search->node[i], where);
}

static void swap_line(struct search *search, const char *text)
{
	char path[128];

	if (sscanf(text, "%127s", path) != 1)
		return;
	for (size_t i = 0; i < search->n_nodes; i++)
		if (search->number[i][0] && strcmp(base(path), search->node[i]) == 0)
			used(search->uses, "/dev/%s is swap space", search->node[i]);
}

/*
 * Not all is told: not what is mounted in another mount namespace, nor the second disk of a file system
 * of several, its journal, what is exported. But who has taken a block device for himself keeps others
 * from doing so.
 */
static void find_taken(struct search *search)
{
	char path[PATH_MAX];
	int fd;

	for (size_t i = 0; i < search->n_nodes && !search->uses->n; i++) {
		if (!search->number[i][0])
			continue;
		sys_path(path, "/dev/%s", search->node[i]);
		fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		else if (errno == EBUSY)
			used(search->uses,
			     "/dev/%s is in use by the kernel: mounted in another namespace, or "
			     "part of something",
			     search->node[i]);
	}
}

/* ---- open ---- */

struct process {
	struct search *search;
	const char *pid;
	bool writing;
};

static bool is_number(const char *text)
{
	return isdigit((unsigned char)*text) && strspn(text, "0123456789") == strlen(text);
}

static bool descriptor(const char *fd, void *userdata)
{
	const struct process *process = userdata;
	struct search *search = process->search;
	char path[PATH_MAX], target[PATH_MAX], comm[64];
	struct stat st;
	ssize_t n;

	sys_path(path, "/proc/%s/fd/%s", process->pid, fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return true;
	target[n] = 0;
	/* The link's mode says how it is open. */
	if (process->writing && lstat(path, &st) == 0 && !(st.st_mode & S_IWUSR))
		return true;
	for (size_t i = 0; i < search->n_nodes; i++)
		if (strncmp(target, "/dev/", 5) == 0 && strcmp(target + 5, search->node[i]) == 0) {
			sys_read(comm, sizeof(comm), "/proc/%s/comm", process->pid);
			used(search->uses, "/dev/%s is open: %s (process %s)", search->node[i],
			     comm, process->pid);
			return false;
		}
	return true;
}

static bool process_of(const char *pid, void *userdata)
{
	struct process process = *(struct process *)userdata;

	process.pid = pid;
	if (is_number(pid))
		sys_each(descriptor, &process, "/proc/%s/fd", pid);
	return true;
}

/* ---- network ---- */

#define IFF_UP 1

static bool interface(const char *name, void *userdata)
{
	struct search *search = userdata;
	char real[PATH_MAX];
	uint64_t flags = 0;

	if (!sys_real(real, "/sys/class/net/%s", name) || !below(real, search->device->real))
		return true;
	search->seen = true;
	if (sys_number(&flags, "/sys/class/net/%s/flags", name) && flags & IFF_UP)
		used(search->uses, "network interface %s is up", name);
	return true;
}

/* sysfs shows those of our own namespace. */
static void find_interfaces(struct search *search)
{
	const struct hw_device *device = search->device;

	sys_each(interface, search, "/sys/class/net");
	if (!search->seen && device->owner == HW_KERNEL && strcmp(device->kind, "network") == 0)
		used(search->uses, "it is a network card without an interface here, which may be "
				   "up in another network namespace");
}

void uses_of(const struct hw_device *device, struct uses *ret)
{
	struct search search = {.device = device, .uses = ret};
	struct process process = {.search = &search};

	ret->n = 0;
	if (!device->driver[0])
		return;
	find_nodes(&search);
	each_line("/proc/self/mountinfo", mount_line, &search);
	each_line("/proc/swaps", swap_line, &search);
	find_interfaces(&search);
	if (device->vga && device->owner == HW_KERNEL)
		used(ret, "it is the display that the machine booted with");
	if (search.n_nodes)
		sys_each(process_of, &process, "/proc");
	find_taken(&search);
}

void uses_holder(const char *name, bool writing, char *ret, size_t size)
{
	struct uses uses = {0};
	struct search search = {.uses = &uses};
	struct process process = {.search = &search, .writing = writing};
	const char *who;

	*ret = 0;
	add_node(&search, name, "");
	sys_each(process_of, &process, "/proc");
	who = uses.n ? strstr(uses.text[0], " is open: ") : NULL;
	if (who)
		snprintf(ret, size, "%s", who + strlen(" is open: "));
}
