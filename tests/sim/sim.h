/* SPDX-License-Identifier: MIT */
/*
 * One history: the real core, an executor that carries out its actions by the rules of
 * broker/arb/arb.h, simulated devices on a wire, clients good and bad, and virtual time.
 */
#ifndef PTIRQ_SIM_H
#define PTIRQ_SIM_H

#include <stdio.h>

#include "broker/arb/arb_state.h"
#include "tests/sim/checker.h"
#include "tests/sim/log.h"
#include "tests/sim/mutant.h"
#include "tests/sim/queue.h"
#include "tests/sim/rng.h"
#include "tests/sim/tally.h"

#define SIM_US 1000u
#define SIM_MS 1000000u
/* Events that go to the core before the faults end and everything must come to rest. */
#define SIM_EVENTS 1000
/* ... and at most so many afterwards. */
#define SIM_DRAIN_EVENTS 4000
/* Log records kept for a failure's report. */
#define SIM_TAIL 40

/* Probabilities are per mille. */
struct client {
	uint8_t device; /* bound to it, or ARB_NO_DEVICE */
	uint8_t flags;
	uint8_t priority;
	bool exists;
	bool joined;
	bool parked;
	uint32_t life; /* what was begun in an earlier one is void */
	uint64_t deadline;
	uint64_t latency_min, latency_max;
	uint16_t mute;                 /* does not answer an ask ... */
	uint16_t late;                 /* ... but does so long after */
	uint16_t lie_handled;          /* says so, and has not served */
	uint16_t lie_not_mine;         /* says so, and has served */
	uint16_t again;                /* says it a second time */
	uint16_t forge;                /* says something it was not asked */
	uint16_t die, leave, park;     /* upon an ask */
	bool idle;                     /* and serves nothing when it says NOT_MINE */
	bool guest;                    /* says EOI, and nothing else */
	uint64_t retracted;            /* units whose ask was taken back */
	uint32_t asked[ARB_MAX_UNITS]; /* the round of the latest ask; 0: none open */
	uint16_t woken;                /* units by which the source itself woke it (A11) */
};

struct device {
	uint8_t n_functions;
	uint8_t asserts; /* one bit each function */
	bool quiet;
	bool latched; /* edge: it came while it could not be told */
	bool lies;    /* its status bit says the opposite at times */
	uint64_t gap_min[SIM_FUNCTIONS], gap_max[SIM_FUNCTIONS]; /* from served to the next */
};

struct unit {
	bool up;
	bool masked;
	bool attributes; /* the source can tell which device fired */
	uint8_t direct;  /* sub, or ARB_NO_SUB */
	bool gave_up;
	bool tapped;
	bool told;       /* FIRED is on its way */
	uint32_t life;   /* of the source: answers to an earlier one are void */
	uint32_t notice; /* of the FIRED on its way */
	uint64_t unmasked_at;
};

struct slot {
	bool armed;
	uint32_t gen;
};

struct sim {
	uint64_t seed;
	struct rng rng;
	uint64_t now;
	uint32_t events;
	uint32_t accepted;
	bool calm;       /* no more faults */
	bool ended;      /* broken: nothing more is fed */
	uint32_t faults; /* one bit each enum fault that happened */

	/* What the seed chose. */
	struct arb_config config;
	struct checker_line line;
	bool direct; /* a line whose source and clients like the direct path */
	uint64_t source_delay, sample_delay, late_timer, refire_window;
	uint64_t chaos_gap; /* ns */
	uint16_t chaos;     /* after an event */
	uint32_t wanted;    /* one bit each enum fault that may happen */
	uint16_t fail[ARB_N_ACTIONS];
	uint16_t unknown_level;
	uint8_t fail_burst;
	uint8_t failing[ARB_N_ACTIONS];

	struct client client[ARB_MAX_SUBS];
	struct device device[ARB_MAX_DEVICES];
	struct unit unit[ARB_MAX_UNITS];
	struct slot slot[ARB_N_TIMERS][ARB_MAX_UNITS + 1][ARB_MAX_SUBS + 1];
	struct arb_event stale_timer, stale_level; /* tokens that were good once */

	struct queue queue;
	struct checker checker;
	struct mutant mutant;
	struct tally *tally;
	FILE *trace;
	struct record tail[SIM_TAIL];
	uint64_t n_records;

	struct arb arb;
	struct arb before;
	struct arb_actions actions;
};

/* run.c: true if every promise was kept. The rest of @sim says what happened. */
bool sim_run(struct sim *sim, uint64_t seed);

/* plan.c: topology, policy, durations, population and faults, from the seed. */
void sim_plan(struct sim *sim);
/* Everybody and everything behaves from now on. */
void sim_plan_calm(struct sim *sim);

/* exec.c */
int sim_feed(struct sim *sim, const struct arb_event *event);
void sim_record(struct sim *sim, struct record *record);
void sim_push(struct sim *sim, uint64_t delay, struct item *item);
void sim_fault(struct sim *sim, enum fault fault);
bool sim_may(struct sim *sim, enum fault fault, unsigned int per_mille);
void sim_timer(struct sim *sim, const struct item *item);

/* wire.c */
void wire_assert(struct sim *sim, unsigned int device, unsigned int fn);
void wire_serve(struct sim *sim, unsigned int device, unsigned int fn);
void wire_mask(struct sim *sim, unsigned int unit, bool masked);
void wire_quiet(struct sim *sim, unsigned int device, bool quiet);
void wire_reset(struct sim *sim, unsigned int unit, bool up);
void wire_direct(struct sim *sim, unsigned int unit, uint8_t sub);
void wire_released(struct sim *sim, unsigned int unit);
void wire_spurious(struct sim *sim, unsigned int unit);
void wire_fired(struct sim *sim, const struct item *item);
void wire_sample(struct sim *sim, const struct arb_action *action);
void wire_level(struct sim *sim, const struct item *item);

/* client.c */
bool client_takes(const struct sim *sim, unsigned int sub, unsigned int unit);
void client_join(struct sim *sim, unsigned int sub);
void client_end(struct sim *sim, unsigned int sub, enum arb_event_kind how);
void client_park(struct sim *sim, unsigned int sub, bool park);
void client_asked(struct sim *sim, const struct arb_action *action);
void client_retracted(struct sim *sim, const struct arb_action *action);
void client_notified(struct sim *sim, unsigned int unit);
void client_serves(struct sim *sim, const struct item *item);
void client_woken(struct sim *sim, const struct item *item);
void client_holds(struct sim *sim, const struct item *item);
void client_says(struct sim *sim, const struct item *item);

/* chaos.c */
void chaos_happens(struct sim *sim);
/* A source that was lost is back: a unit's, or with ARB_MAX_UNITS the line's. */
void chaos_return(struct sim *sim, unsigned int unit);

#endif
