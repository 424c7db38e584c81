/* SPDX-License-Identifier: MIT */
/* What the files of the uio source share. Nobody else includes this. */
#ifndef PTIRQ_UIO_DEVICE_H
#define PTIRQ_UIO_DEVICE_H

#include <uv.h>

#include "broker/config.h"
#include "broker/opener.h"
#include "broker/source/pci.h"
#include "broker/source/source.h"

enum uio_state {
	UIO_ABSENT, /* nothing there, or nothing that works: @problem */
	UIO_ARMING, /* the opener has been asked */
	UIO_ARMED,
};

struct uio;
struct uio_watch;

struct uio_device {
	struct uio *uio;
	const struct device_config *config;
	struct opener_device info; /* of the last time it was there */
	enum uio_state state;
	uint8_t index; /* of the device, and of its unit */
	bool masked;   /* as the unit */
	bool quiet;    /* as the device */
	bool held;     /* what the hardware was last told, or did by itself */
	bool lost;     /* to be told from idle */
	bool news;     /* state or problem have changed and nobody has been told */
	int8_t level;  /* last sample since it fired; -1: none */
	int fd;        /* the UIO node; -1 */
	int lock;      /* held from the first start on; -1 */
	struct pci_intx intx;
	struct uio_watch *watch;
	uint64_t unmasked_at;
	char problem[LIMIT_TEXT];
};

struct uio {
	struct source source;
	const struct line_config *config;
	struct opener *opener;
	struct uio_grant *grants;
	uv_idle_t idle;    /* what an operation has found out */
	uv_timer_t retry;  /* a device is there before its driver, its node and its mode are */
	uint64_t retry_ms; /* 0: not before something is plugged in */
	uv_poll_t uevents;
	int uevents_fd;
	bool up;         /* what the executor was told last */
	bool started;    /* every device's first attempt has ended */
	uint8_t busy;    /* attempts under way */
	uint8_t handles; /* not closed yet */
	struct uio_device device[];
};

/* ---- uio.c */

/* Bring the hardware to what @masked and @quiet say. */
int uio_apply_mask(struct uio_device *device);
/* Its counter has grown. */
void uio_fire(struct uio_device *device);
/* source_ops.problem() */
void uio_problem(const struct source *source, char ret[LIMIT_TEXT]);

/* ---- uio_arm.c */

void uio_arm_init(struct uio *uio, uv_loop_t *loop);
void uio_arm_start(struct source *source);
void uio_arm_rescan(struct source *source);
/* From within an operation: the device does not answer. */
void uio_lost_later(struct uio_device *device);
/* Closes everything; frees @uio when libuv has let go of it. */
void uio_arm_free(struct uio *uio);

#endif
