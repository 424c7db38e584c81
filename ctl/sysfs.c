// SPDX-License-Identifier: MIT
/* Reading and writing small files below a root. Must not know what any of them means. */
#include "ctl/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *below = "";

void sys_root(const char *root)
{
	below = root;
}

/* One that does not fit is cut off, and then names nothing. */
__attribute__((format(printf, 2, 0))) static void join(char ret[PATH_MAX], const char *format,
						       va_list args)
{
	int n = snprintf(ret, PATH_MAX, "%s", below);

	if (n >= 0 && n < PATH_MAX)
		vsnprintf(ret + n, PATH_MAX - (size_t)n, format, args);
}

#define JOIN(path, format)                \
	do {                              \
		va_list args;             \
                                          \
		va_start(args, format);   \
		join(path, format, args); \
		va_end(args);             \
	} while (0)

void sys_path(char ret[PATH_MAX], const char *format, ...)
{
	JOIN(ret, format);
}

bool sys_exists(const char *format, ...)
{
	char path[PATH_MAX];

	JOIN(path, format);
	return access(path, F_OK) == 0;
}

static ssize_t read_file(void *ret, size_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (used < size - 1 && (n = read(fd, (char *)ret + used, size - 1 - used)) > 0)
		used += (size_t)n;
	if (n < 0)
		n = -errno;
	close(fd);
	((char *)ret)[used] = 0;
	return n < 0 && used == 0 ? n : (ssize_t)used;
}

ssize_t sys_bytes(void *ret, size_t size, const char *format, ...)
{
	char path[PATH_MAX];

	JOIN(path, format);
	return read_file(ret, size, path);
}

bool sys_read(char *ret, size_t size, const char *format, ...)
{
	char path[PATH_MAX];

	JOIN(path, format);
	if (read_file(ret, size, path) < 0)
		*ret = 0;
	ret[strcspn(ret, "\n")] = 0;
	return *ret != 0;
}

bool sys_number(uint64_t *ret, const char *format, ...)
{
	char path[PATH_MAX], text[32], *end;
	unsigned long long value;

	JOIN(path, format);
	if (read_file(text, sizeof(text), path) <= 0)
		return false;
	value = strtoull(text, &end, 0);
	if (end == text)
		return false;
	*ret = value;
	return true;
}

bool sys_link(char *ret, size_t size, const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n;

	JOIN(path, format);
	n = readlink(path, target, sizeof(target) - 1);
	*ret = 0;
	if (n < 0)
		return false;
	target[n] = 0;
	slash = strrchr(target, '/');
	snprintf(ret, size, "%s", slash ? slash + 1 : target);
	return true;
}

bool sys_real(char ret[PATH_MAX], const char *format, ...)
{
	char path[PATH_MAX], real[PATH_MAX], root[PATH_MAX];

	JOIN(path, format);
	if (!realpath(path, real) || !realpath(*below ? below : "/", root))
		return false;
	strcpy(ret, real + (root[1] ? strlen(root) : 0));
	return true;
}

int sys_write(const char *text, const char *format, ...)
{
	char path[PATH_MAX];
	int fd, error = 0;

	JOIN(path, format);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_APPEND);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

void sys_each(bool (*entry)(const char *name, void *userdata), void *userdata, const char *format,
	      ...)
{
	struct dirent **list;
	char path[PATH_MAX];
	bool more = true;
	int n;

	JOIN(path, format);
	n = scandir(path, &list, NULL, versionsort);
	if (n < 0)
		return;
	for (int i = 0; i < n; i++) {
		if (more && list[i]->d_name[0] != '.')
			more = entry(list[i]->d_name, userdata);
		free(list[i]);
	}
	free(list);
}

/* ---- the kernel's log ---- */

#define RECORD_MAX 8192 /* of one read() of /dev/kmsg */

struct search {
	const char *needle;
	uint64_t since;
	char *ret;
	size_t size;
	bool found;
};

static void match(struct search *search, uint64_t number, const char *text)
{
	const char *at = strstr(text, search->needle);

	if (!at || number <= search->since)
		return;
	snprintf(search->ret, search->size, "%s", at + strlen(search->needle));
	search->found = true;
}

/*
 * "priority,number,time,flags;text\n", and perhaps lines that begin with a blank. One read() gives
 * one record, of a regular file some. Returns the number of the last record there is.
 */
static uint64_t read_log(struct search *search)
{
	char path[PATH_MAX], buf[RECORD_MAX + 1];
	uint64_t number = 0;
	ssize_t n;
	int fd;

	sys_path(path, "/dev/kmsg");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	/* EPIPE: overwritten meanwhile; the next read goes on with the oldest there is. */
	while ((n = read(fd, buf, RECORD_MAX)) > 0 || (n < 0 && errno == EPIPE)) {
		char *save = NULL, *line;

		buf[n > 0 ? n : 0] = 0;
		for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			const char *text = strchr(line, ';');

			if (!text || sscanf(line, "%*u,%" SCNu64 ",", &number) != 1)
				continue;
			if (search)
				match(search, number, text + 1);
		}
	}
	close(fd);
	return number;
}

bool sys_kernel_said(const char *needle, uint64_t since, char *ret, size_t size)
{
	struct search search = {.needle = needle, .since = since, .ret = ret, .size = size};

	read_log(&search);
	return search.found;
}

uint64_t sys_kernel_log(void)
{
	return read_log(NULL);
}
