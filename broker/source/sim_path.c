// SPDX-License-Identifier: MIT
/*
 * A11 on the software line. Owns whom a unit wakes past the executor: its takers, or the one client that
 * it is direct with, whose resample eventfd is watched here. There is no kernel below a software line, so
 * the broker's process is what relays: the rules are the ones of a real source, the speed is not.
 *
 * Must not decide who is on which path, and must not wait for a client (T1).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/source/sim_line.h"
#include "broker/watchdog.h"

struct sim_direct {
	struct edge_poll poll;
	struct sim *sim;
	uint8_t unit;
	int wake;     /* borrowed; -1: its holder means harm */
	int resample; /* a copy: libuv knows one watch of a number, and the executor has it */
};

static void wake(struct sim *sim, int *fd)
{
	int held = *fd;

	if (held < 0 || watchdog_signal(held) == 0)
		return;
	*fd = -1; /* T1: not waited for a second time */
	sim->source.events->held_up(sim->source.user, held);
}

/* ---- notify -------------------------------------------------------------------------------------- */

int sim_notify(struct source *source, uint8_t unit, const int *fds, size_t n)
{
	struct soft_unit *u = &sim_of(source)->unit[unit];
	int *taker = NULL;

	if (n) {
		taker = malloc(n * sizeof(*taker));
		if (!taker)
			return -ENOMEM;
		memcpy(taker, fds, n * sizeof(*taker));
	}
	free(u->taker);
	u->taker = taker;
	u->n_takers = (uint32_t)n;
	return 0;
}

/* ---- direct -------------------------------------------------------------------------------------- */

static void on_resample(void *user, bool abused)
{
	struct sim_direct *direct = user;
	struct sim *sim = direct->sim;

	/* One that overflows its own counter has an unmask too many, and that is all. */
	(void)abused;
	if (sim->masked & BIT(direct->unit))
		sim->source.ops->unmask(&sim->source, direct->unit);
}

static void drop(struct sim_direct *direct)
{
	edge_poll_stop(&direct->poll, NULL);
	close(direct->resample);
	free(direct);
}

int sim_promote(struct source *source, uint8_t unit, int wake_fd, int resample)
{
	struct sim *sim = sim_of(source);
	struct sim_direct *direct = calloc(1, sizeof(*direct));
	int error;

	if (!direct)
		return -ENOMEM;
	*direct = (struct sim_direct){.sim = sim, .unit = unit, .wake = wake_fd};
	direct->resample = fcntl(resample, F_DUPFD_CLOEXEC, 0);
	error = direct->resample < 0 ? -errno : 0;
	if (!error)
		error = edge_poll_start(&direct->poll, sim->loop, direct->resample, on_resample,
					direct);
	if (error) {
		if (direct->resample >= 0)
			close(direct->resample);
		free(direct);
		return error;
	}
	/* What has fired since the unmask is looked at from idle, and goes there already. */
	sim->unit[unit].direct = direct;
	return 0;
}

int sim_demote(struct source *source, uint8_t unit)
{
	struct soft_unit *u = &sim_of(source)->unit[unit];

	if (u->direct)
		drop(u->direct);
	u->direct = NULL;
	return source->ops->mask(source, unit);
}

/* ---- both ---------------------------------------------------------------------------------------- */

bool sim_path_fire(struct sim *sim, uint8_t unit)
{
	struct soft_unit *u = &sim->unit[unit];

	u->fires++;
	if (u->direct) {
		wake(sim, &u->direct->wake);
		return true;
	}
	for (uint32_t i = 0; i < u->n_takers; i++)
		wake(sim, &u->taker[i]);
	return false;
}

void sim_path_free(struct sim *sim)
{
	for (uint8_t u = 0; u < sim->n_units; u++) {
		if (sim->unit[u].direct)
			drop(sim->unit[u].direct);
		sim->unit[u].direct = NULL;
		sim_notify(&sim->source, u, NULL, 0);
	}
}
