/* SPDX-License-Identifier: MIT */
/* What the files of the helper source share. Nobody else includes this. */
#ifndef PTIRQ_HELPER_DEVICE_H
#define PTIRQ_HELPER_DEVICE_H

#include "broker/edge_poll.h"
#include "broker/source/helper_line.h"
#include "broker/source/plug.h"

struct helper;
struct helper_watch;

/* The line's node, for as long as one of our devices is on it. */
struct helper_file {
	int fd; /* -1: not open */
	const struct ptirq_uio_page *page;
	int trigger; /* the line's, told of every device that has none of its own */
	struct edge_poll trigger_poll;
	struct helper_watch *watch; /* of who comes and goes */
	char name[16];              /* "line0" */
	bool cpa; /* the kernel masks nothing, and tells both edges: what is held is held here */
};

/* A unit's mask: a device's own, or the line's if it is one unit. */
struct helper_unit {
	bool masked;         /* as the executor wants it */
	bool held;           /* as the kernel has it: it masks what fires */
	bool due;            /* held since it fired, and not acknowledged yet */
	bool direct;         /* its trigger and its acknowledgments are a client's (A11) */
	bool takers;         /* there is a list of who is told besides us */
	uint64_t generation; /* that it fired under */
	uint64_t again;      /* as the page had it then */
	uint64_t unmasked_at;
};

struct helper_device {
	struct plug_device plug;
	uint32_t nr;   /* on the line */
	uint32_t caps; /* enum ptirq_uio_caps */
	uint64_t life; /* another number for each bind */
	bool quiet;
	bool waiting; /* for the line to be opened */
};

struct helper {
	struct source source;
	struct plug plug;
	struct helper_file file;
	bool opening;
	struct helper_unit unit[LIMIT_UNITS_PER_LINE];
	struct helper_device device[];
};

static inline struct helper *helper_of(const struct plug *plug)
{
	return (struct helper *)plug->source;
}

/* ---- helper.c */

/* Is there anything to mask? */
bool helper_unit_there(const struct helper *helper, uint8_t unit);
/* What the kernel calls it. */
uint32_t helper_unit_number(const struct helper *helper, uint8_t unit);
/* Something has fired: look at all units. */
void helper_look(struct helper *helper);

/* ---- helper_path.c */

/* Nobody is direct or a taker any more, and it is masked: a new life. 0 or -errno. */
int helper_unit_reset(struct helper *helper, uint8_t unit);
int helper_notify(struct source *source, uint8_t unit, const int *fds, size_t n);
int helper_promote(struct source *source, uint8_t unit, int wake, int resample);
int helper_demote(struct source *source, uint8_t unit);

/* ---- helper_arm.c */

extern const struct plug_ops helper_plug_ops;

#endif
