/* SPDX-License-Identifier: MIT */
/* What model.c knows of the line, for checker.c to decide on. */
#ifndef PTIRQ_SIM_MODEL_H
#define PTIRQ_SIM_MODEL_H

#include "tests/sim/checker.h"

#define NEVER  UINT64_MAX
#define BIT(n) (UINT64_C(1) << (n))

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline bool is_edge(const struct checker *checker, unsigned int unit)
{
	return checker->line.config.unit_flags[unit] & ARB_UNIT_EDGE;
}

static inline bool has_mask(const struct checker *checker, unsigned int device)
{
	return (checker->line.config.device_flags[device] & ARB_DEV_MASK) &&
	       !checker->device[device].unquietable;
}

/* Those who may be asked for @unit without it being a probe (A2). */
uint64_t model_eligible(const struct checker *checker, unsigned int unit);
/* Somebody may need the device's signal: an eligible taker, or one that is being probed (A6). */
bool model_wanted(const struct checker *checker, unsigned int device);
/* @sub was asked for what asserts in @unit. */
void model_deliver(struct checker *checker, unsigned int unit, unsigned int sub);
/* What @subs were asked for does not count as delivered any more: they may have dropped it. */
void model_undeliver(struct checker *checker, unsigned int unit, uint64_t subs);
/* The core took @event. */
void model_accepted(struct checker *checker, const struct arb_event *event);
/* The wire changed. */
void model_wire(struct checker *checker, const struct record *record);
/* A6: a probe is over when nothing is held against the subscriber any more. */
void model_end_probes(struct checker *checker);

#endif
