/* SPDX-License-Identifier: MIT */
/*
 * What feeds a line: one vtable, the same for every kind of source.
 *
 * A source knows devices, masks and levels; it does not know subscribers, rounds or policy. It calls
 * back into the executor through struct source_events, from the loop, never from within one of the
 * vtable's functions (house rule: no nested steps) except where a function says so.
 *
 * Nothing here opens anything: fds come from the opener (opener.h).
 */
#ifndef PTIRQ_SOURCE_H
#define PTIRQ_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"

struct source;
struct line_config; /* config.h */
struct opener;      /* opener.h */
struct uv_loop_s;

/* What the devices and units of a line are, once the source knows them. Indices are the line's. */
struct source_topology {
	uint8_t n_units;
	uint8_t n_devices;
	bool edge;
	bool can_sample[LIMIT_UNITS_PER_LINE];
	bool can_notify[LIMIT_UNITS_PER_LINE]; /* ops->notify works */
	bool can_direct[LIMIT_UNITS_PER_LINE]; /* ops->promote and demote work */
	struct {
		char name[LIMIT_NAME];     /* as the configuration calls it, or the location */
		char location[LIMIT_NAME]; /* "0000:00:05.0", "uio0", "soft" */
		uint8_t unit;
		bool has_mask;
		bool has_status;
		bool unsafe_dma; /* no IOMMU in front of it */
	} device[LIMIT_DEVICES_PER_LINE];
};

/* The source's news for the executor. @user is what was given to source_new(). */
struct source_events {
	/*
	 * The unit asserts and has been masked. @attribution: devices known to assert (0: cannot
	 * tell). @back_to_back: within a re-fire window of the last unmask.
	 */
	void (*fired)(void *user, uint8_t unit, uint16_t attribution, bool back_to_back);
	/* The source is armed (first, or again after gone): every unit is masked. */
	void (*up)(void *user);
	/* @problem: cause and fix, in a sentence; "" when everything is well. */
	void (*gone)(void *user, const char *problem);
	void (*unit_up)(void *user, uint8_t unit);
	void (*unit_gone)(void *user, uint8_t unit, const char *problem);
	/*
	 * A11: this eventfd, given to notify() or promote(), held up the write to it (T1): whoever holds
	 * it means harm. The source has let it go. Only of sources that write in this process.
	 */
	void (*held_up)(void *user, int fd);
};

struct source_level {
	int8_t asserted; /* 1, 0, -1: unknown */
	uint16_t status; /* devices that assert ... */
	uint16_t known;  /* ... of those that could be read */
	/* Of a unit that is direct (A11), else not looked at: */
	int8_t masked;       /* 1: it fired, and its holder has not unmasked it; 0, -1: unknown */
	uint64_t generation; /* another number after each interrupt */
};

struct source_grant {
	uint32_t n;
	struct {
		char name[LIMIT_NAME];
		uint64_t size;
		uint64_t offset;
		bool read_only;
		int fd; /* borrowed from the source, or opened for this grant and the caller's: @owned */
		bool owned;
	} region[LIMIT_MESSAGE_FDS];
};

enum source_grant_kind { SOURCE_GRANT_REGISTERS, SOURCE_GRANT_SIM_PIN };

struct source_ops {
	const char *name; /* "sim", "uio", "helper" */

	/*
	 * Fill in the topology; it does not change afterwards (a device that is missing now still has
	 * its place, and its unit is ABSENT). 0 or -errno, and @problem says cause and fix.
	 */
	int (*describe)(struct source *source, struct source_topology *ret,
			char problem[LIMIT_TEXT]);

	/* Begin to arm; ends in up() or gone(), now or from the loop. */
	void (*start)(struct source *source);

	/*
	 * What keeps devices away, of each that is absent; "" if all are there. Asked after each piece
	 * of news. NULL: what gone() and unit_gone() say is all.
	 */
	void (*problem)(const struct source *source, char ret[LIMIT_TEXT]);

	/* Look anew for devices that are absent, at a reload. Told as after start(). NULL: none ever is. */
	void (*rescan)(struct source *source);

	/* Mask and unmask a unit. Idempotent. Unmask re-checks the level: if it is up the source calls
	 * fired() again, from the loop. 0 or -errno. Each is one system call or none. */
	int (*mask)(struct source *source, uint8_t unit);
	int (*unmask)(struct source *source, uint8_t unit);

	/* Hold or free a device's own mask, whatever its unit's does. -EOPNOTSUPP without one. */
	int (*quiet)(struct source *source, uint8_t device);
	int (*unquiet)(struct source *source, uint8_t device);

	/* Never fails: what cannot be read is unknown. */
	struct source_level (*sample)(struct source *source, uint8_t unit);

	/*
	 * Register fds for a client. @done is called once, now or later from the loop: 0, or -errno
	 * with @problem. Whether policy allows it has been decided before.
	 */
	void (*grant)(struct source *source, uint8_t device, enum source_grant_kind kind,
		      void (*done)(void *user, int error, const char *problem,
				   const struct source_grant *grant),
		      void *user);

	/*
	 * A11, notify: wake these eventfds (the takers' own) at each interrupt of the unit, besides
	 * fired(). Replaces the set; n 0: nobody. They are borrowed: each stays open until it is in the
	 * set no more. Whatever wakes the broker is signalled before the takers are, so that a turn of the
	 * loop which is woken by a taker's answer has the interrupt too, or look() finds it. 0, or -errno:
	 * nothing has changed.
	 */
	int (*notify)(struct source *source, uint8_t unit, const int *fds, size_t n);

	/*
	 * A11, notify: say fired(), from within, of all that has fired by now. A taker that is woken past
	 * this process may put its answer in its page between the reading of the sources and that of the
	 * page. Asked for each answer to a unit that is idle here: no system call unless something has
	 * fired. NULL: takers are woken by this process, together with fired().
	 */
	void (*look)(struct source *source);

	/*
	 * A11, direct: from now on the unit's interrupts signal @wake instead of fired(), and a signal
	 * on @resample (which the source then reads) unmasks it as unmask() does. The unit is idle. If it
	 * fired while the trigger was being swapped, @wake has been signalled. Both are borrowed, like
	 * notify()'s; nobody else reads @resample meanwhile. Only for a unit that sample() can tell of,
	 * masked and generation included. 0 or -errno (nothing has changed).
	 */
	int (*promote)(struct source *source, uint8_t unit, int wake, int resample);

	/*
	 * Back: on return neither eventfd has to do with the unit, it is masked, and it says fired()
	 * again from the next unmask on. 0 or -errno: still direct, but no number of an eventfd is used any
	 * more, only what the source has of its own (a copy, the kernel's reference): a holder that leaves
	 * is closed whatever the answer.
	 *
	 * A unit that is gone (gone(), unit_gone()) is neither on the direct path nor has it takers when
	 * it is back.
	 */
	int (*demote)(struct source *source, uint8_t unit);

	/* Sim only, else NULL: set or clear status bits by hand. */
	int (*assert_bits)(struct source *source, uint8_t device, uint32_t bits, bool deassert);

	/* Leaves every device masked. No call back after this. Frees it. NULL is fine. */
	void (*free)(struct source *source);
};

/* Every source begins with this. */
struct source {
	const struct source_ops *ops;
	const struct source_events *events;
	void *user;
};

/* Lines with source=sim, source=uio and source=helper. The config outlives the source. */
int source_sim_new(const struct line_config *config, struct uv_loop_s *loop,
		   const struct source_events *events, void *user, struct source **ret);
int source_uio_new(const struct line_config *config, struct uv_loop_s *loop, struct opener *opener,
		   const struct source_events *events, void *user, struct source **ret);
int source_helper_new(const struct line_config *config, struct uv_loop_s *loop,
		      struct opener *opener, const struct source_events *events, void *user,
		      struct source **ret);

#endif
