/* SPDX-License-Identifier: MIT */
/*
 * Files of /sys, /proc and /dev. Paths are given as printf() does, absolute, and meant below the
 * root of --root. What cannot be read is as if it were not there.
 */
#ifndef PTIRQ_CTL_SYSFS_H
#define PTIRQ_CTL_SYSFS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SYS_FORMAT(n) __attribute__((format(printf, n, (n) + 1)))

/* Once, before anything else; borrowed. "": the machine's own. */
void sys_root(const char *root);
/* The whole path of a file. */
void sys_path(char ret[PATH_MAX], const char *format, ...) SYS_FORMAT(2);

bool sys_exists(const char *format, ...) SYS_FORMAT(1);
/* The first line, without its newline; "" and false if there is none. */
bool sys_read(char *ret, size_t size, const char *format, ...) SYS_FORMAT(3);
/* As sys_read(), a number in C's notation. @ret is left alone if there is none. */
bool sys_number(uint64_t *ret, const char *format, ...) SYS_FORMAT(2);
/* All of it, as far as it fits and with a 0 after it: how many bytes, or -errno. */
ssize_t sys_bytes(void *ret, size_t size, const char *format, ...) SYS_FORMAT(3);
/* The last component of what a link points to; "" and false if it is none. */
bool sys_link(char *ret, size_t size, const char *format, ...) SYS_FORMAT(3);
/* realpath(), below the root. */
bool sys_real(char ret[PATH_MAX], const char *format, ...) SYS_FORMAT(2);
/* @text in one write(): 0, or -errno. */
int sys_write(const char *text, const char *format, ...) SYS_FORMAT(2);

/* Calls @entry for what is in the directory, numbers in their order, until it returns false. */
void sys_each(bool (*entry)(const char *name, void *userdata), void *userdata, const char *format,
	      ...) SYS_FORMAT(3);

/* What follows @needle in the last message after number @since of the kernel's log that has it;
 * false: none has, or the log may not be read. */
bool sys_kernel_said(const char *needle, uint64_t since, char *ret, size_t size);
/* The number of the log's newest message; 0: none, or it may not be read. */
uint64_t sys_kernel_log(void);

#endif
