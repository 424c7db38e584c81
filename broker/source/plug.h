/* SPDX-License-Identifier: MIT */
/*
 * What sources of real devices have in common: how the devices of a line come and go. Each is locked
 * through the opener, armed by its source, told to the executor, lost when it is unplugged, and tried
 * again when something is plugged in. Its registers are granted from sysfs.
 *
 * Of the source it knows struct plug_ops. The units it tells of are the devices, or if @one_unit
 * unit 0, which is up while one of its devices is.
 */
#ifndef PTIRQ_PLUG_H
#define PTIRQ_PLUG_H

#include <uv.h>

#include "broker/config.h"
#include "broker/opener.h"
#include "broker/source/source.h"

enum plug_state {
	PLUG_ABSENT, /* nothing there, or nothing that works: @problem */
	PLUG_ARMING, /* the opener has been asked */
	PLUG_ARMED,
};

struct plug;
struct plug_grant;

/* The source's own of each begins with this. */
struct plug_device {
	struct plug *plug;
	const struct device_config *config;
	struct opener_device info; /* of the last time it was there */
	enum plug_state state;
	uint8_t index;
	bool taken; /* by another program: nothing tells when it lets go, so it is tried again and again */
	bool lost; /* to be told from idle */
	bool news; /* state or problem have changed and nobody has been told */
	int lock;  /* held from the first start on; -1 */
	char problem[LIMIT_TEXT];
};

struct plug_ops {
	/* It is there, and ours: @info. Arm it, masked; ends in plug_armed() or plug_failed(). */
	void (*arm)(struct plug_device *device);
	/* Let go of everything of it, whatever there is. */
	void (*close)(struct plug_device *device);
	/* libuv has let go of the plug. */
	void (*freed)(struct plug *plug);
};

struct plug {
	struct source *source;
	const struct plug_ops *ops;
	const struct line_config *config;
	struct opener *opener;
	struct plug_grant *grants;
	uv_idle_t idle;    /* what an operation has found out */
	uv_timer_t retry;  /* a device is there before its driver, its node and its mode are */
	uint64_t retry_ms; /* 0: not before something is plugged in */
	uv_poll_t uevents;
	int uevents_fd;
	bool one_unit;
	uint16_t up;     /* the devices that the executor was told of last */
	bool started;    /* every device's first attempt has ended */
	uint8_t busy;    /* attempts under way */
	uint8_t handles; /* not closed yet */
	struct plug_device *device[LIMIT_DEVICES_PER_LINE];
};

/* ---- plug.c */

void plug_init(struct plug *plug, struct source *source, const struct plug_ops *ops,
	       const struct line_config *config, uv_loop_t *loop, struct opener *opener);
void plug_device_init(struct plug *plug, struct plug_device *device, uint8_t index);

/* What source_ops' start(), rescan() and problem() do. */
void plug_start(struct plug *plug);
void plug_rescan(struct plug *plug);
void plug_problem(const struct plug *plug, char ret[LIMIT_TEXT]);

/* How an attempt to arm a device ends; after a failure it is closed. */
void plug_armed(struct plug_device *device);
void plug_failed(struct plug_device *device, const char *problem);

/* Something of the opener's, for the device. plug_free() cancels it. */
void plug_ask(struct plug_device *device, enum opener_verb verb,
	      void (*done)(void *user, const struct opener_reply *reply, int fd));

/* An armed device has gone: it is closed, and @problem is why. To be told by plug_tell(). */
void plug_lose(struct plug_device *device, const char *problem);
void plug_unplugged(struct plug_device *device);
/* From within an operation: it does not answer. Everything else happens from idle. */
void plug_lost_later(struct plug_device *device);
/* What has changed since the last time, to the executor. From the loop only. */
void plug_tell(struct plug *plug);
/* Something has come: look for what is absent, now and for a while. */
void plug_arrival(struct plug *plug);

/* Closes every device and everything of its own; then freed(), when libuv has let go. */
void plug_free(struct plug *plug);

/* ---- plug_grant.c */

/* What source_ops' grant() does, with the device's sysfs resources. */
void plug_grant(struct plug_device *device, enum source_grant_kind kind,
		void (*done)(void *user, int error, const char *problem,
			     const struct source_grant *grant),
		void *user);
/* Nobody waits any more. */
void plug_grants_free(struct plug *plug);

#endif
