/* SPDX-License-Identifier: MIT */
/*
 * The opener: the only process that opens anything after the start.
 *
 * Forked before the loop process gives its rights away. It knows the configuration and opens only
 * what that names. A fixed list of verbs over a SOCK_SEQPACKET socketpair, one request, one reply,
 * strictly in order, no policy in it: who may have a grant is decided before it is asked.
 *
 * The loop never waits for it: replies come through a callback from the loop. At the start, before
 * the loop runs, opener_call() may be used instead and blocks.
 */
#ifndef PTIRQ_OPENER_H
#define PTIRQ_OPENER_H

#include <stdint.h>

#include "proto/limits.h"

struct opener;
struct uv_loop_s;

enum opener_verb {
	OPENER_CONFIG, /* read the configuration (again; then [broker] must not differ); fd: a sealed memfd with struct config */
	OPENER_LOCK, /* line, device: take the lock of a device that is there; fd: hold it open to keep it (sim: none). -EBUSY: text names the holder */
	OPENER_IDENTIFY, /* line, device: is it there, what is it: fills reply.device */
	OPENER_UIO, /* line, device: /dev/uioN, non-blocking; needs IDENTIFY's result to be present */
	OPENER_PCI_CONFIG, /* line, device: sysfs config, read-write. -EPERM: lockdown, text says so */
	OPENER_RESOURCE, /* line, device, index: sysfs resourceN or the UIO map's device; fd, size, offset */
	OPENER_HELPER, /* line, device: the kernel helper's line that it is on, for writing: holds it. -EBUSY: text names the holder */
	OPENER_UEVENTS, /* a netlink uevent socket, bound (hot-plug) */
	OPENER_N_VERBS,
};

/* A line and its device go by name: an index would mean another one after a reload. */
struct opener_request {
	uint8_t verb; /* enum opener_verb */
	uint8_t index;
	char line[LIMIT_NAME];
	char device[LIMIT_NAME];
};

struct opener_device {
	char location[LIMIT_NAME]; /* "0000:00:05.0", "uio0", or of a platform device its name */
	char driver[LIMIT_NAME];
	char uio[16];       /* "uio0"; "" if it has no UIO node */
	char line[16];      /* source=helper: "line0" */
	uint8_t pci;        /* 1: a PCI device bound to uio_pci_generic: mask by config space */
	uint8_t irqcontrol; /* 1: mask by write() to the UIO node */
	uint8_t iommu;      /* 1: an IOMMU group is in front of it */
	uint8_t n_resources;
	struct {
		uint64_t size;
		uint8_t index;
	} resource[6];
};

struct opener_reply {
	int32_t error; /* 0 or -errno; then text says cause and fix */
	uint64_t size;
	uint64_t offset;
	struct opener_device device;
	char text[LIMIT_TEXT];
};

/*
 * Fork it. @path: the configuration (NULL: --sim, it opens nothing). The child never returns; it ends
 * when the socketpair closes. Call before any thread exists.
 */
int opener_start(const char *path, struct opener **ret);

/* Blocking, at most 10 s (-ETIMEDOUT). *@ret_fd is the caller's; -1 if the verb gives none. 0, or the
 * reply's error. Not from the loop. */
int opener_call(struct opener *opener, const struct opener_request *request,
		struct opener_reply *ret_reply, int *ret_fd);

/* From now on replies come from @loop. */
int opener_attach(struct opener *opener, struct uv_loop_s *loop);

/*
 * Queue a request. @done is called once from the loop, in order, with the fd it then owns (-1: none).
 * If the opener has died it is called with -EPIPE. Only when memory is out it is called from within,
 * with -ENOMEM.
 */
void opener_ask(struct opener *opener, const struct opener_request *request,
		void (*done)(void *user, const struct opener_reply *reply, int fd), void *user);

/* Forget what @user has asked: its callbacks are not called, fds are closed. */
void opener_cancel(struct opener *opener, void *user);

/* For people: that it has ended, which is for good; "" if all is well, or if @opener is NULL. */
const char *opener_problem(const struct opener *opener);

/* Ends the child, by force after 1 s, and reaps it. NULL is fine. */
void opener_free(struct opener *opener);

#endif
