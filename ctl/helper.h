/* SPDX-License-Identifier: MIT */
/* What the kernel helper tells of one of its devices, to a file that only looks. */
#ifndef PTIRQ_CTL_HELPER_H
#define PTIRQ_CTL_HELPER_H

#include "ctl/hw.h"

struct helper_view {
	uint32_t irq;
	uint32_t line_caps;   /* enum ptirq_uio_caps */
	uint32_t device_caps; /* the same */
	uint32_t state; /* enum ptirq_uio_state: of the device, or of the line that is one unit */
	uint64_t deferred_ns; /* for how long, while it is DEFERRED */
	uint64_t repaired;    /* masks that somebody else had taken away */
};

/* Of a device that is bound to the helper: 0, or -errno (-EPROTO: another version of it). */
int helper_view(const struct hw_device *device, struct helper_view *ret);
/* It says that it cannot mask @device alone: its line is masked as a whole. */
bool helper_cannot_mask(const struct hw_device *device);

#endif
