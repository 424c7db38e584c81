/* SPDX-License-Identifier: MIT */
/* What would be lost if a device were taken from its driver now. */
#ifndef PTIRQ_CTL_USES_H
#define PTIRQ_CTL_USES_H

#include "ctl/hw.h"

#define USES_MAX 32

struct uses {
	char text[USES_MAX][192]; /* "/dev/sda1 is mounted on /", "eth0 is up" */
	size_t n;
};

/* Whatever is in use of what its driver makes of @device. Who is not root does not see which nodes
 * others have open. */
void uses_of(const struct hw_device *device, struct uses *ret);

/* Who has @node (as in /dev/NODE) open: "ptirq-broker (process 812)", the first of them; "": nobody
 * that may be seen. @writing: for writing. */
void uses_holder(const char *node, bool writing, char *ret, size_t size);

#endif
