/* SPDX-License-Identifier: MIT */
/*
 * What the files of the sim source share: the line, its soft devices, and whom it wakes by itself.
 *
 *	sim.c       the wire, the masks, the registers and pins
 *	sim_path.c  A11: the takers of a unit, and the one who is direct
 */
#ifndef PTIRQ_SIM_LINE_H
#define PTIRQ_SIM_LINE_H

#include <uv.h>

#include "broker/config.h"
#include "broker/edge_poll.h"
#include "broker/source/source.h"
#include "proto/softdev.h"

#define BIT(n) ((uint16_t)(1u << (n)))

struct sim;

struct pin {
	struct edge_poll poll;
	struct sim *sim;
	int fd;       /* written by who plays the device */
	int unmasked; /* written here at each unmask */
	uint8_t device;
};

struct soft_device {
	struct softdev_regs *regs; /* NULL: nobody has been granted them, status is below */
	struct pin *pin;           /* NULL: nobody plays it */
	int memfd;
	uint32_t status;
};

/* A11. The eventfds are borrowed. */
struct soft_unit {
	struct sim_direct *direct; /* NULL: nobody is */
	int *taker;
	uint32_t n_takers;
	uint64_t fires;
};

struct sim {
	struct source source;
	const struct line_config *config;
	uv_loop_t *loop;
	uv_idle_t idle;
	uint16_t masked;       /* units */
	uint16_t quiet;        /* devices */
	uint16_t latched;      /* devices of an edge line that fired and have not been told */
	uint16_t attributable; /* devices whose status tells who asserts */
	uint16_t look;         /* units to look at from idle ... */
	uint16_t refired;      /* ... of these, those whose wire was up at the unmask */
	uint8_t n_units;
	uint8_t handles; /* not closed yet */
	bool closing;
	struct soft_unit unit[LIMIT_UNITS_PER_LINE];
	struct soft_device device[];
};

static inline struct sim *sim_of(struct source *source)
{
	return (struct sim *)source;
}

/* ---- sim_path.c ---------------------------------------------------------------------------------- */

/* @unit has fired and is masked: wakes whoever the source wakes. True: the executor need not hear of it. */
bool sim_path_fire(struct sim *sim, uint8_t unit);
void sim_path_free(struct sim *sim);

int sim_notify(struct source *source, uint8_t unit, const int *fds, size_t n);
int sim_promote(struct source *source, uint8_t unit, int wake, int resample);
int sim_demote(struct source *source, uint8_t unit);

#endif
