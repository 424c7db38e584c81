/* SPDX-License-Identifier: MIT */
/* Each invariant can fail: one way or more to break each, by hand, in an otherwise sound state. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/lib/fd_check.h"
#include "tests/unit/arb_script.h"

TestSuite(invariants, .init = fd_check_begin, .fini = fd_check_end);

static struct script script;
static struct arb *const arb = &script.arb;

/* Device 0 has a mask, device 1 has none; subscribers 0 and 1 are bound to them, and both are asked. */
static void asked(void)
{
	script_init(&script);
	script_configure(&script, "config policy=broadcast n_devices=2");
	script_configure(&script, "device 0 unit=0 mask status");
	script_configure(&script, "device 1 unit=0");
	cr_assert_eq(script_event(&script, "LINE_UP"), 0);
	cr_assert_eq(script_event(&script, "JOIN sub=0 device=0"), 0);
	cr_assert_eq(script_event(&script, "JOIN sub=1 device=1"), 0);
	cr_assert_eq(script_event(&script, "FIRED unit=0"), 0);
}

static void idle(void)
{
	asked();
	cr_assert_eq(script_event(&script, "VERDICT unit=0 sub=0 round=1 verdict=HANDLED"), 0);
	cr_assert_eq(script_event(&script, "LEVEL unit=0 token=@ level=deasserted"), 0);
}

static void expect(enum arb_invariant invariant)
{
	enum arb_invariant broken = ARB_INV_NONE;

	cr_assert_not(arb_check(arb, &broken));
	cr_assert_not(arb_check(arb, NULL));
	cr_assert_eq(broken, invariant, "%d, not %d", (int)broken, (int)invariant);
}

Test(invariants, none)
{
	enum arb_invariant broken = ARB_N_INVARIANTS;

	asked();
	cr_assert(arb_check(arb, &broken));
	cr_assert_eq(broken, ARB_N_INVARIANTS, "untouched if nothing is broken");
}

Test(invariants, owes_outside_round)
{
	idle();
	arb->units[0].owes = 1;
	expect(ARB_INV_OWES_OUTSIDE_ROUND);
}

Test(invariants, owes_unasked)
{
	asked();
	arb->units[0].asked = 1;
	expect(ARB_INV_OWES_UNASKED);
	asked();
	arb->units[0].asked_round[1] = 7;
	expect(ARB_INV_OWES_UNASKED);
}

Test(invariants, owes_and_debt)
{
	asked();
	arb->units[0].debt = 1;
	expect(ARB_INV_OWES_AND_DEBT);
}

Test(invariants, round_without_cause)
{
	asked();
	arb->units[0].owes = 0;
	expect(ARB_INV_ROUND_WITHOUT_CAUSE);
	arb->units[0].sampling = ARB_SAMPLING_ANSWERED;
	expect(ARB_INV_ROUND_WITHOUT_CAUSE);
}

Test(invariants, no_timer)
{
	idle();
	arb->units[0].state = ARB_THROTTLED;
	expect(ARB_INV_NO_TIMER);
	arb->units[0].state = ARB_POLLED;
	expect(ARB_INV_NO_TIMER);
	arb->units[0].state = ARB_FAULT;
	expect(ARB_INV_NO_TIMER);
	idle();
	cr_assert_eq(script_event(&script, "LEAVE sub=0"), 0);
	cr_assert_eq(script_event(&script, "LEAVE sub=1"), 0);
	arb->quiet = 0;
	arb->unquietable = 1;
	arb->units[0].masked = true;
	expect(ARB_INV_NO_TIMER);
	idle();
	arb->units[0].unhandled = 1;
	expect(ARB_INV_NO_TIMER);
	idle();
	arb->subs[0].probe_token = 1;
	expect(ARB_INV_NO_TIMER);
	arb->probing = 1;
	expect(ARB_INV_NO_TIMER);
}

Test(invariants, ghost)
{
	idle();
	arb->units[0].debt = 1 << 2;
	expect(ARB_INV_GHOST);
	idle();
	arb->quarantined = 1 << 2;
	expect(ARB_INV_GHOST);
	idle();
	arb->parked = 1 << 2;
	expect(ARB_INV_GHOST);
	idle();
	arb->subs[2].strikes = 1;
	expect(ARB_INV_GHOST);
	idle();
	arb->subs[2].probe_token = 1;
	expect(ARB_INV_GHOST);
	idle();
	arb->subs[2].strike_token = 1;
	expect(ARB_INV_GHOST);
}

Test(invariants, unwanted)
{
	idle();
	arb->quiet = 1;
	expect(ARB_INV_UNWANTED); /* wanted and quiet */
	idle();
	arb->quiet = 2;
	expect(ARB_INV_UNWANTED); /* quiet without a mask */
	idle();
	cr_assert_eq(script_event(&script, "PARK sub=0"), 0);
	arb->quiet = 0;
	expect(ARB_INV_UNWANTED); /* not wanted and not quiet */
	arb->unquietable = 1;
	cr_assert(arb_check(arb, NULL), "its mask failed");
	idle();
	cr_assert_eq(script_event(&script, "PARK sub=0"), 0);
	cr_assert_eq(script_event(&script, "PARK sub=1"), 0);
	arb->units[0].masked = false;
	expect(ARB_INV_UNWANTED); /* unmasked for nobody, and device 1 can fire */
}

Test(invariants, quarantine)
{
	idle();
	arb->quarantined = 1;
	arb->quiet = 1;
	arb->subs[0].probe_token = 1;
	expect(ARB_INV_QUARANTINE);
}

Test(invariants, range)
{
	idle();
	arb->n_subs = 200;
	expect(ARB_INV_RANGE);
	idle();
	arb->n_subs = 1;
	expect(ARB_INV_RANGE);
	idle();
	arb->order[1] = 9;
	expect(ARB_INV_RANGE);
	idle();
	arb->bound[1] |= 1;
	expect(ARB_INV_RANGE);
	idle();
	arb->unbound = 1;
	expect(ARB_INV_RANGE);
	idle();
	arb->bound[0] = 0;
	expect(ARB_INV_RANGE);
	idle();
	arb->units[0].state = ARB_N_STATES;
	expect(ARB_INV_RANGE);
	idle();
	arb->units[0].policy = ARB_N_POLICIES;
	expect(ARB_INV_RANGE);
	idle();
	arb->units[0].open = true;
	expect(ARB_INV_RANGE);
	asked();
	arb->units[0].open = false;
	expect(ARB_INV_RANGE);
}
