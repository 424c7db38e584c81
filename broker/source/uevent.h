/* SPDX-License-Identifier: MIT */
/* The kernel's hot-plug events, as far as sources want them. */
#ifndef PTIRQ_UEVENT_H
#define PTIRQ_UEVENT_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/limits.h"

struct uevent {
	bool leaving;          /* removed, or its driver unbound; else added, bound or changed */
	char name[LIMIT_NAME]; /* last component of its path: "0000:00:05.0", "uio0" */
};

/* Is @message (of @length bytes, any bytes) about a PCI, UIO or platform device? */
bool uevent_parse(const char *message, size_t length, struct uevent *ret);

/* The next such event of the socket; false: there is none now. */
bool uevent_next(int fd, struct uevent *ret);

#endif
