/* SPDX-License-Identifier: MIT */
/*
 * The arbitration of one interrupt line: events in, actions out.
 *
 * The rules are docs/arbitration.md; "A4" in a comment is its clause 4. This header is the contract
 * between the rules and the one executor that carries them out (broker/exec.c).
 *
 * The core does no I/O, reads no clock, allocates nothing and keeps nothing outside struct arb, which
 * holds no pointers: it can be copied, hashed and compared byte by byte (padding is always zero).
 * Time enters as TIMER events only. Counters for people live in the executor (broker/metrics.h),
 * which derives them from events, return values and actions; nothing here exists to be shown.
 *
 * Call order: arb_init(), then LINE_UP, then any events. One thread.
 */
#ifndef PTIRQ_ARB_H
#define PTIRQ_ARB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

/*
 * Capacities and widths are compile-time, so that the same source builds small (2 subscribers, 4-bit
 * rounds) for exhaustive checking. Rounds and tokens count modulo 2^bits; 0 is never a valid token.
 */
#ifndef ARB_MAX_SUBS
#define ARB_MAX_SUBS LIMIT_SUBS_PER_LINE
#endif
#ifndef ARB_MAX_UNITS
#define ARB_MAX_UNITS LIMIT_UNITS_PER_LINE
#endif
#ifndef ARB_MAX_DEVICES
#define ARB_MAX_DEVICES LIMIT_DEVICES_PER_LINE
#endif
#ifndef ARB_ROUND_BITS
#define ARB_ROUND_BITS 32
#endif
#ifndef ARB_TOKEN_BITS
#define ARB_TOKEN_BITS 32
#endif

#define ARB_NO_DEVICE 0xff
#define ARB_NO_SUB    0xff

/* A1. What a unit is doing. arb.c has the table of allowed transitions. */
enum arb_state {
	ARB_ABSENT, /* the source is gone; nothing can fire */
	ARB_UNCLAIMED, /* nobody eligible: every device that can be is quiet; masked if one cannot be */
	ARB_IDLE,      /* unmasked, waiting */
	ARB_ROUND,     /* masked; somebody owes a verdict, or a level sample is awaited */
	ARB_THROTTLED, /* masked; a timer will unmask (A8, A9) */
	ARB_POLLED,    /* masked; the healthy are asked at every timer (A8) */
	ARB_DIRECT,    /* the source signals one subscriber by itself (A11) */
	ARB_FAULT,     /* an operation failed; a timer retries, a bounded number of times */
	ARB_N_STATES,
};

/* A3. */
enum arb_policy { ARB_CHAIN, ARB_BROADCAST, ARB_LEARNED, ARB_N_POLICIES };

enum arb_verdict { ARB_HANDLED = 1, ARB_NOT_MINE = 2, ARB_EOI = 3 };

enum arb_level { ARB_LEVEL_UNKNOWN, ARB_LEVEL_DEASSERTED, ARB_LEVEL_ASSERTED };

/* ---- configuration, copied into struct arb ---------------------------------------------------- */

enum arb_device_flags {
	ARB_DEV_MASK = 1 << 0,   /* has a mask of its own: QUIET_DEVICE works */
	ARB_DEV_STATUS = 1 << 1, /* has a status bit: LEVEL and FIRED say whether it asserts */
};

enum arb_unit_flags {
	ARB_UNIT_EDGE = 1 << 0, /* A12: edge-triggered: nothing is masked, nobody owes */
	ARB_UNIT_SAMPLE =
		1 << 1, /* SAMPLE_LEVEL can be answered by something better than unknown */
	ARB_UNIT_DIRECT = 1 << 2, /* PROMOTE and DEMOTE work */
	ARB_UNIT_NOTIFY =
		1 << 3, /* the source wakes takers by itself: A11, verdict for round last+1 */
};

enum arb_sub_flags {
	ARB_SUB_RESAMPLE =
		1 << 0, /* a guest: asked only when its device's status is set or unknown */
	ARB_SUB_DIRECT = 1 << 1, /* wants the direct path */
	ARB_SUB_NOTIFY = 1 << 2, /* takes the notify path */
};

/* All durations are nanoseconds. arb_config_default() gives the numbers of docs/arbitration.md. */
struct arb_config {
	uint8_t policy; /* enum arb_policy */
	uint8_t n_units;
	uint8_t n_devices;
	uint8_t pad;
	uint8_t unit_flags[ARB_MAX_UNITS];
	uint8_t device_flags[ARB_MAX_DEVICES];
	uint8_t device_unit[ARB_MAX_DEVICES]; /* the unit each device belongs to */
	uint32_t unhandled_max;  /* A8: consecutive unhandled rounds before THROTTLED (8) */
	uint32_t strikes_max;    /* A6: strikes in a row before quarantine (3) */
	uint32_t lies_max;       /* A7: consecutive rounds of the same evidence (16) */
	uint32_t fair_rounds;    /* A3: N back-to-back rounds within which everyone is asked (8) */
	uint32_t storm_burst;    /* A9: rounds the bucket holds (50,000) */
	uint32_t guest_budget;   /* A3: unhandled asks to guests in a storm_window (50: 500/s) */
	uint32_t fault_tries;    /* A1: retries of a failed operation (8) */
	uint64_t round_deadline; /* A5: the budget of a round (100 ms) */
	uint64_t ask_deadline;   /* A5: of an ask whose subscriber has none; 0: half the budget */
	uint64_t hedge;          /* A3: before the others are asked too (200 us) */
	uint64_t unhandled_window; /* A8 (100 ms) */
	uint64_t throttle_min;     /* A8 (1 ms), doubled up to ... */
	uint64_t throttle_max;     /* ... (1 s) */
	uint64_t poll;             /* A8: period of POLLED (1 ms) */
	uint64_t strike_gap;       /* A6: two strikes are at least this far apart (100 ms) */
	uint64_t probe_min;        /* A6: before the first probe (100 ms), doubled up to ... */
	uint64_t probe_max;        /* ... (10 s) */
	uint64_t storm_window;     /* A9: the bucket is refilled this often while in use (100 ms) */
	uint64_t storm_pause;      /* A9: THROTTLED for this long when it is empty (10 ms) */
	uint64_t fault_min;        /* A1: before the first retry (10 ms), doubled each time */
};

/* ---- events ----------------------------------------------------------------------------------- */

enum arb_event_kind {
	ARB_EV_LINE_UP,   /* the source is armed; every unit is taken as masked (A14) */
	ARB_EV_LINE_GONE, /* A13 */
	ARB_EV_UNIT_UP,   /* unit */
	ARB_EV_UNIT_GONE, /* unit */
	ARB_EV_JOIN,      /* sub, device, priority, flags, deadline */
	ARB_EV_LEAVE,     /* sub: A10; took its leave properly */
	ARB_EV_DIED,      /* sub: A10; its connection ended */
	ARB_EV_PARK,      /* sub */
	ARB_EV_UNPARK,    /* sub */
	ARB_EV_FIRED,     /* unit, attribution, back_to_back; the source has masked the unit */
	ARB_EV_VERDICT,   /* sub, unit, round, verdict */
	ARB_EV_TIMER,     /* token, timer, unit, sub: as given by ARM_TIMER */
	ARB_EV_LEVEL,     /* unit, round, token, level, status, status_known */
	ARB_EV_OP_FAILED, /* op, unit, device, token: an action of this kind failed; success is silent */
	ARB_EV_OP_DONE,    /* op = PROMOTE or DEMOTE, unit, token: these two always answer */
	ARB_EV_POLICY,     /* policy, deadline (0: leave ask_deadline) for the whole line */
	ARB_EV_SUB_POLICY, /* sub, deadline, priority */
	ARB_EV_TAP,        /* unit, tapped: somebody watches; no direct path while so */
	ARB_EV_RESUMED, /* unit: A14; the device was reset or the system slept: taken as masked */
	ARB_N_EVENTS,
};

enum arb_timer {
	ARB_TIMER_ASK,    /* unit, sub: the deadline of an ask; its token is the round */
	ARB_TIMER_HEDGE,  /* unit: sub-millisecond, the only one that needs precision */
	ARB_TIMER_STATE,  /* unit: what THROTTLED, POLLED and FAULT wait for */
	ARB_TIMER_WINDOW, /* unit: A8's window over unhandled rounds */
	ARB_TIMER_STORM,  /* unit: refill of A9's bucket and of the guests' budget */
	ARB_TIMER_STRIKE, /* sub: no second strike before */
	ARB_TIMER_PROBE,  /* sub: the debtor gets another chance */
	ARB_N_TIMERS,
};

/* One flat struct; the comment at each kind says which members count. The others must be 0. */
struct arb_event {
	uint8_t kind; /* enum arb_event_kind */
	uint8_t unit;
	uint8_t sub;
	uint8_t device;    /* JOIN: the device it is bound to, or ARB_NO_DEVICE */
	uint8_t verdict;   /* enum arb_verdict */
	uint8_t level;     /* enum arb_level */
	uint8_t timer;     /* enum arb_timer */
	uint8_t op;        /* enum arb_action_kind */
	uint8_t policy;    /* enum arb_policy */
	uint8_t flags;     /* enum arb_sub_flags */
	uint8_t priority;  /* JOIN: lower is asked earlier by chain; ties go by age */
	bool back_to_back; /* FIRED: within the source's re-fire window after the last unmask (A3) */
	bool tapped;
	uint16_t attribution;  /* FIRED: devices known to assert, one bit each; 0: cannot tell */
	uint16_t status;       /* LEVEL: devices that assert, one bit each ... */
	uint16_t status_known; /* ... of those that could be read */
	uint32_t round;
	uint32_t token;
	uint64_t deadline; /* ns; 0: the line's */
};

/* ---- actions ---------------------------------------------------------------------------------- */

enum arb_action_kind {
	ARB_ACT_ASK,     /* sub, unit, round, flags: deliver; the sub now owes a verdict */
	ARB_ACT_RETRACT, /* sub, unit, round: it owes no more; touch nothing else of the client's */
	ARB_ACT_UNMASK,  /* unit: re-checks the level: if up, the source fires again */
	ARB_ACT_MASK,    /* unit */
	ARB_ACT_SAMPLE_LEVEL,   /* unit, round, token: answered by LEVEL */
	ARB_ACT_QUIET_DEVICE,   /* device: hold its own mask, whatever the unit's mask does */
	ARB_ACT_UNQUIET_DEVICE, /* device */
	ARB_ACT_ARM_TIMER,      /* timer, unit, sub, token, delay; re-arms if armed */
	ARB_ACT_CANCEL_TIMER,   /* timer, unit, sub */
	ARB_ACT_PROMOTE,        /* unit, sub, token: A11 */
	ARB_ACT_DEMOTE,         /* unit, sub, token: A11 */
	ARB_ACT_QUARANTINE,     /* sub: A6; for people */
	ARB_ACT_RELEASE,        /* sub: A6; for people */
	ARB_ACT_REPORT, /* report, unit, sub, round: something a person should be able to see */
	ARB_N_ACTIONS,
};

enum arb_report {
	ARB_REP_RESOLVED,  /* round ended; flags: enum arb_resolution */
	ARB_REP_TIMEOUT,   /* sub did not answer in time (A5) */
	ARB_REP_STRIKE,    /* sub (A6) */
	ARB_REP_LIE,       /* sub (A7) */
	ARB_REP_LATE,      /* sub answered a round that had gone on without it; its debt is paid */
	ARB_REP_GLITCH,    /* A8: nobody handled and the level is down */
	ARB_REP_THROTTLED, /* A8 or A9 */
	ARB_REP_STORM,     /* A9: the bucket is empty */
	ARB_REP_POLLED,    /* A8 */
	ARB_REP_FAULT,     /* A1; op */
	ARB_REP_GAVE_UP, /* A1: the last retry failed; the unit stays masked until RESUMED or UNIT_UP */
	ARB_REP_ABSENT, /* A13 */
	ARB_REP_BACK,   /* A13, A14 */
	ARB_REP_PROBE,  /* sub is given another chance (A6) */
	ARB_REP_HELD,   /* device is quiet for want of an eligible subscriber */
	ARB_REP_FREED,  /* device is no longer held */
	ARB_N_REPORTS,
};

/* How a round ended: for statistics. */
enum arb_resolution {
	ARB_RES_HANDLED,   /* HANDLED or EOI, level down or not sampled */
	ARB_RES_UNHANDLED, /* everybody said NOT_MINE, timed out or left */
	ARB_RES_VOID,      /* the unit went away, a new epoch, or nobody had to be asked (A11) */
};

enum arb_ask_flags {
	ARB_ASK_PROBE = 1 << 0,    /* A6: a debtor's or quarantined subscriber's chance */
	ARB_ASK_MAYBE = 1 << 1,    /* at least once: perhaps nothing is there (A11, A12) */
	ARB_ASK_NOTIFIED = 1 << 2, /* A11: the source has woken it already */
	ARB_ASK_HEDGE = 1 << 3,    /* A3: asked because the first was slow or wrong */
	ARB_ASK_EDGE = 1 << 4,     /* A12: no verdict is owed */
};

struct arb_action {
	uint8_t kind; /* enum arb_action_kind */
	uint8_t unit;
	uint8_t sub;
	uint8_t device;
	uint8_t timer;
	uint8_t flags;  /* enum arb_ask_flags; REPORT: enum arb_resolution */
	uint8_t report; /* enum arb_report */
	uint8_t op;     /* REPORT FAULT */
	uint32_t round;
	uint32_t token;
	uint64_t delay; /* ns */
};

/*
 * LINE_GONE retracts from everybody in every unit; nothing needs more. arb.c static_asserts the
 * same bound where it is reasoned out.
 */
#define ARB_ACTIONS_MAX \
	(ARB_MAX_UNITS * (2 * ARB_MAX_SUBS + 8) + 4 * ARB_MAX_SUBS + 2 * ARB_MAX_DEVICES + 8)

struct arb_actions {
	uint32_t n;
	struct arb_action a[ARB_ACTIONS_MAX];
};

/* ---- state ------------------------------------------------------------------------------------ */

struct arb; /* arb_state.h: complete there, so that it can be embedded, copied and compared */

/* What a step refuses. The state is then bit-identical, and no action is given. */
enum arb_error {
	ARB_E_STALE = 1, /* right party, wrong round or token: late, after everything was settled */
	ARB_E_NOT_OWED,  /* a verdict nobody asked for: double or forged */
	ARB_E_STATE,   /* the event makes no sense in this state (FIRED while ABSENT, JOIN twice) */
	ARB_E_INVALID, /* out of range, or a member set that must be 0 */
};

/* Fills @config with one sampled unit of one device and the default durations. Cannot fail. */
void arb_config_default(struct arb_config *config);

/* 0, or ARB_E_INVALID (a device in no unit, a unit with no device, a zero duration). */
int arb_config_check(const struct arb_config *config);

/*
 * How much of struct arb a line of this configuration uses, in bytes: the units it hasn't got are at
 * the end, and may be left out of its memory. arb_init() clears this much.
 */
size_t arb_size(const struct arb_config *config);

/* @config must have passed arb_config_check(). Every unit starts ABSENT. */
void arb_init(struct arb *arb, const struct arb_config *config);

/*
 * One step. 0, or an enum arb_error and the state is untouched. @ret_actions is always set (n = 0 on
 * error); the order of the actions is contract, and they must all be carried out before the next
 * step. Bounded time: no loop runs longer than subs x units.
 */
int arb_step(struct arb *arb, const struct arb_event *event, struct arb_actions *ret_actions);

enum arb_invariant {
	ARB_INV_NONE,
	ARB_INV_OWES_OUTSIDE_ROUND, /* somebody owes, and the unit is neither in ROUND nor POLLED */
	ARB_INV_OWES_UNASKED,       /* somebody owes who was not asked in this round */
	ARB_INV_OWES_AND_DEBT,      /* in debt and owing at once */
	ARB_INV_ROUND_WITHOUT_CAUSE, /* ROUND, nobody owes and no sample is awaited: it would never end */
	ARB_INV_NO_TIMER,            /* masked and waiting for a timer that is not armed */
	ARB_INV_GHOST,               /* a subscriber that is not there owes, or is in debt */
	ARB_INV_UNWANTED, /* a device is quiet though an eligible subscriber wants it, or not quiet though nobody does */
	ARB_INV_QUARANTINE, /* quarantined without strikes_max strikes */
	ARB_INV_RANGE,      /* an index, a count or padding out of range */
	ARB_N_INVARIANTS,
};

/* True if every invariant holds; else @ret_broken is the first that does not. For tests and asserts. */
bool arb_check(const struct arb *arb, enum arb_invariant *ret_broken);

/* ---- what the executor may look at ------------------------------------------------------------- */

enum arb_state arb_unit_state(const struct arb *arb, uint8_t unit);
uint32_t arb_unit_round(const struct arb *arb, uint8_t unit);
/* A11: what a verdict is about that a taker gives before it knows the round: the open one, or the next. */
uint32_t arb_unit_due(const struct arb *arb, uint8_t unit);
/* Subscribers that owe a verdict to this unit, one bit each. */
uint64_t arb_unit_owing(const struct arb *arb, uint8_t unit);
/* Subscribers in debt to this unit, one bit each. */
uint64_t arb_unit_debtors(const struct arb *arb, uint8_t unit);
bool arb_device_quiet(const struct arb *arb, uint8_t device);
bool arb_sub_quarantined(const struct arb *arb, uint8_t sub);
bool arb_sub_parked(const struct arb *arb, uint8_t sub);
uint32_t arb_sub_strikes(const struct arb *arb, uint8_t sub);

/* ---- text forms: stable, one line each, for golden traces and for people ----------------------- */

/* Write at most @size bytes with the terminating 0 to @buf; return the length as snprintf does. */
int arb_event_format(const struct arb_event *event, char *buf, size_t size);
int arb_action_format(const struct arb_action *action, char *buf, size_t size);
/* 0, or -1: not the text of an event. Reads what arb_event_format() writes. */
int arb_event_parse(const char *text, struct arb_event *ret_event);
const char *arb_state_name(enum arb_state state);
const char *arb_report_name(enum arb_report report);
const char *arb_error_name(int error);

#endif
