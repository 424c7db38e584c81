/* SPDX-License-Identifier: MIT */
/* The numbers of docs/arbitration.md, and what a configuration must fulfil before arb_init(). */
#include <string.h>

#include "broker/arb/internal.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define S  (1000 * MS)

/* No duration is longer: sums and doublings stay far from 2^64. */
#define DURATION_MAX (3600 * S)

void arb_config_default(struct arb_config *config)
{
	memset(config, 0, sizeof(*config));
	config->policy = ARB_LEARNED;
	config->n_units = 1;
	config->n_devices = 1;
	config->unit_flags[0] = ARB_UNIT_SAMPLE;
	config->device_flags[0] = ARB_DEV_MASK | ARB_DEV_STATUS;

	config->unhandled_max = 8;
	config->strikes_max = 3;
	config->lies_max = 16;
	config->fair_rounds = 8;
	config->storm_burst = 50000;
	config->guest_budget = 50;
	config->fault_tries = 8;

	config->round_deadline = 100 * MS;
	config->hedge = 200 * US;
	config->unhandled_window = 100 * MS;
	config->throttle_min = 1 * MS;
	config->throttle_max = 1 * S;
	config->poll = 1 * MS;
	config->strike_gap = 100 * MS;
	config->probe_min = 100 * MS;
	config->probe_max = 10 * S;
	config->storm_window = 100 * MS;
	config->storm_pause = 10 * MS;
	config->fault_min = 10 * MS;
}

static bool in_range(uint64_t value, uint64_t least, uint64_t most)
{
	return value >= least && value <= most;
}

static bool numbers_fit(const struct arb_config *c)
{
	return in_range(c->unhandled_max, 1, 1 << 16) && in_range(c->strikes_max, 1, 1 << 15) &&
	       in_range(c->lies_max, 1, 1 << 15) && in_range(c->fair_rounds, 1, UINT8_MAX) &&
	       in_range(c->storm_burst, 1, 1 << 20) && in_range(c->guest_budget, 1, 1 << 20) &&
	       in_range(c->fault_tries, 1, 16);
}

static bool durations_fit(const struct arb_config *c)
{
	/* Each wave of a round needs a share of its budget that is not 0. */
	return in_range(c->round_deadline, 4 * ARB_MAX_SUBS, DURATION_MAX) &&
	       in_range(c->ask_deadline, 0, DURATION_MAX) && in_range(c->hedge, 1, DURATION_MAX) &&
	       in_range(c->unhandled_window, 1, DURATION_MAX) &&
	       in_range(c->throttle_min, 1, c->throttle_max) &&
	       in_range(c->throttle_max, 1, DURATION_MAX) && in_range(c->poll, 1, DURATION_MAX) &&
	       in_range(c->strike_gap, 1, DURATION_MAX) &&
	       in_range(c->probe_min, 1, c->probe_max) && in_range(c->probe_max, 1, DURATION_MAX) &&
	       in_range(c->storm_window, 1, DURATION_MAX) &&
	       in_range(c->storm_pause, 1, c->storm_window) &&
	       in_range(c->fault_min, 1, DURATION_MAX);
}

int arb_config_check(const struct arb_config *c)
{
	uint32_t used = 0;

	if (c->policy >= ARB_N_POLICIES || c->pad || !in_range(c->n_units, 1, ARB_MAX_UNITS) ||
	    !in_range(c->n_devices, 1, ARB_MAX_DEVICES))
		return ARB_E_INVALID;
	for (unsigned int d = 0; d < c->n_devices; d++) {
		if (c->device_unit[d] >= c->n_units ||
		    c->device_flags[d] & ~(ARB_DEV_MASK | ARB_DEV_STATUS))
			return ARB_E_INVALID;
		used |= 1u << c->device_unit[d];
	}
	for (unsigned int i = 0; i < c->n_units; i++) {
		if (!(used & 1u << i) || c->unit_flags[i] & ~(ARB_UNIT_EDGE | ARB_UNIT_SAMPLE |
							      ARB_UNIT_DIRECT | ARB_UNIT_NOTIFY))
			return ARB_E_INVALID;
	}
	return numbers_fit(c) && durations_fit(c) ? 0 : ARB_E_INVALID;
}
