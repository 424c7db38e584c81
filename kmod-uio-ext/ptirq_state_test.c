// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of ptirq_state.c, as ptirq_state.h describes it. They include it, so that what it
 * warns of is counted instead.
 */
#include <kunit/test.h>
#include <linux/bug.h>
#include <linux/module.h>
#include <linux/prandom.h>

static unsigned int warnings;

static bool warned(bool condition)
{
	warnings += condition;
	return condition;
}

#undef WARN_ON_ONCE
#define WARN_ON_ONCE(condition) warned(condition)
#include "ptirq_state.c"

enum event {
	JOIN,
	LEAVE,
	FIRED,
	MASKED,
	MOVED,
	TRIED_CLEAR,
	TRIED_ASSERTED,
	FREED,
	ACK,
	STALE,
	EVENTS,
};

/* What a state becomes by an event; what the caller must not do is warned of. */
enum outcome {
	ABSENT = PTIRQ_UIO_ABSENT,
	IDLE = PTIRQ_UIO_IDLE,
	DEFER = PTIRQ_UIO_DEFERRED,
	MASK = PTIRQ_UIO_MASKED,
	WARNS,
	NEVER, /* callers look first (ptirq_state_can_fire()), nothing is said of it */
};

/* clang-format off */
static const enum outcome outcomes[EVENTS][4] = {
	/*                    ABSENT  IDLE    DEFERRED MASKED */
	[JOIN]            = { MASK,   WARNS,  WARNS,   WARNS },
	[LEAVE]           = { WARNS,  ABSENT, ABSENT,  ABSENT },
	[FIRED]           = { WARNS,  DEFER,  NEVER,   NEVER },
	[MASKED]          = { NEVER,  MASK,   MASK,    MASK },
	[MOVED]           = { WARNS,  WARNS,  DEFER,   MASK },
	[TRIED_CLEAR]     = { WARNS,  WARNS,  IDLE,    IDLE },
	[TRIED_ASSERTED]  = { WARNS,  WARNS,  DEFER,   DEFER },
	[FREED]           = { WARNS,  WARNS,  IDLE,    IDLE },
	[ACK]             = { ABSENT, IDLE,   DEFER,   MASK },
	[STALE]           = { ABSENT, IDLE,   DEFER,   MASK },
};

/* clang-format on */

static const enum ptirq_uio_mask_level levels[] = { PTIRQ_UIO_MASK_DEVICE, PTIRQ_UIO_MASK_LINE };

/* A unit in that state, brought there by what happens to units. */
static struct ptirq_state unit(enum ptirq_uio_state state)
{
	struct ptirq_state s = {};

	if (state == PTIRQ_UIO_ABSENT)
		return s;
	ptirq_state_join(&s, PTIRQ_UIO_MASK_DEVICE);
	if (state == PTIRQ_UIO_MASKED)
		return s;
	ptirq_state_unmask_tried(&s, true, 1);
	if (state == PTIRQ_UIO_DEFERRED)
		ptirq_state_fired(&s, PTIRQ_UIO_MASK_DEVICE, 2);
	return s;
}

static void happens(struct ptirq_state *s, enum event event, enum ptirq_uio_mask_level level)
{
	switch (event) {
	case JOIN:
		ptirq_state_join(s, level);
		break;
	case LEAVE:
		ptirq_state_leave(s);
		break;
	case FIRED:
		ptirq_state_fired(s, level, 3);
		break;
	case MASKED:
		ptirq_state_masked(s, level);
		break;
	case MOVED:
		ptirq_state_moved(s, level);
		break;
	case TRIED_CLEAR:
		ptirq_state_unmask_tried(s, true, 4);
		break;
	case TRIED_ASSERTED:
		ptirq_state_unmask_tried(s, false, 4);
		break;
	case FREED:
		ptirq_state_freed(s);
		break;
	case ACK:
		ptirq_state_ack(s, s->generation);
		break;
	case STALE:
		ptirq_state_ack(s, s->generation - 1);
		break;
	case EVENTS:
		break;
	}
}

static bool is_masked(enum ptirq_uio_state state)
{
	return state == PTIRQ_UIO_DEFERRED || state == PTIRQ_UIO_MASKED;
}

static void coherent(struct kunit *test, const struct ptirq_state *s)
{
	KUNIT_EXPECT_EQ(test, ptirq_state_is_masked(s), is_masked(s->state));
	KUNIT_EXPECT_EQ(test, s->level != PTIRQ_UIO_UNMASKED, is_masked(s->state));
	KUNIT_EXPECT_EQ(test, ptirq_state_can_fire(s), s->state == PTIRQ_UIO_IDLE);
}

static void each_event_in_each_state(struct kunit *test)
{
	unsigned int event, state, level;

	for (event = 0; event < EVENTS; event++) {
		for (state = 0; state < 4; state++) {
			enum outcome outcome = outcomes[event][state];

			for (level = 0; level < ARRAY_SIZE(levels); level++) {
				struct ptirq_state s = unit(state);

				if (outcome == NEVER)
					continue;
				warnings = 0;
				happens(&s, event, levels[level]);
				KUNIT_EXPECT_EQ_MSG(test, warnings > 0, outcome == WARNS,
						    "event %u in state %u", event, state);
				if (outcome == WARNS)
					continue;
				KUNIT_EXPECT_EQ_MSG(test, (unsigned int)s.state, outcome,
						    "event %u in state %u", event, state);
				coherent(test, &s);
			}
		}
	}
	warnings = 0;
}

static void a_unit_is_masked_where_it_was_said(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(levels); i++) {
		struct ptirq_state s = {};

		ptirq_state_join(&s, levels[i]);
		KUNIT_EXPECT_EQ(test, s.level, levels[i]);
		ptirq_state_unmask_tried(&s, true, 1);
		ptirq_state_fired(&s, levels[i], 2);
		KUNIT_EXPECT_EQ(test, s.level, levels[i]);
		ptirq_state_unmask_tried(&s, false, 3);
		KUNIT_EXPECT_EQ(test, s.level, levels[i]);
		ptirq_state_moved(&s, levels[!i]);
		KUNIT_EXPECT_EQ(test, s.level, levels[!i]);
		ptirq_state_masked(&s, levels[i]);
		KUNIT_EXPECT_EQ(test, s.level, levels[i]);
		ptirq_state_moved(&s, levels[!i]);
		KUNIT_EXPECT_EQ(test, s.level, levels[!i]);
	}
}

static void a_move_changes_the_level_alone(struct kunit *test)
{
	struct ptirq_state s = unit(PTIRQ_UIO_DEFERRED);
	struct ptirq_state before = s;

	ptirq_state_moved(&s, PTIRQ_UIO_MASK_LINE);
	before.level = PTIRQ_UIO_MASK_LINE;
	KUNIT_EXPECT_EQ(test, memcmp(&s, &before, sizeof(s)), 0);
}

static void each_deferral_has_a_generation(struct kunit *test)
{
	struct ptirq_state s = unit(PTIRQ_UIO_IDLE);
	u64 generation = s.generation;

	ptirq_state_fired(&s, PTIRQ_UIO_MASK_DEVICE, 10);
	KUNIT_EXPECT_EQ(test, s.generation, generation + 1);
	KUNIT_EXPECT_EQ(test, s.fired_at, 10);
	KUNIT_EXPECT_EQ(test, s.status, PTIRQ_UIO_STATUS_ASSERTED);
	KUNIT_EXPECT_TRUE(test, ptirq_state_unmask_tried(&s, false, 20));
	KUNIT_EXPECT_EQ(test, s.generation, generation + 2);
	KUNIT_EXPECT_EQ(test, s.fired_at, 20);
	KUNIT_EXPECT_FALSE(test, ptirq_state_unmask_tried(&s, true, 30));
	KUNIT_EXPECT_EQ(test, s.generation, generation + 2);
	KUNIT_EXPECT_EQ(test, s.status, PTIRQ_UIO_STATUS_CLEAR);
	KUNIT_EXPECT_EQ(test, s.interrupts, 1);
	KUNIT_EXPECT_EQ(test, s.again, 1);
}

static void only_the_current_generation_is_acknowledged(struct kunit *test)
{
	struct ptirq_state s = unit(PTIRQ_UIO_DEFERRED);
	struct ptirq_state before = s;
	u64 generation = s.generation;

	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, generation - 1), -ESTALE);
	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, generation + 1), -ESTALE);
	KUNIT_EXPECT_EQ(test, s.stale_acks, 2);
	s.stale_acks = 0;
	KUNIT_EXPECT_EQ(test, memcmp(&s, &before, sizeof(s)), 0);

	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, generation), 0);
	KUNIT_EXPECT_EQ(test, s.acks, 1);
	ptirq_state_unmask_tried(&s, true, 3);
	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, generation), -ESTALE);
	KUNIT_EXPECT_EQ(test, s.acks, 1);
}

static void what_masks_ends_a_deferral(struct kunit *test)
{
	struct ptirq_state s = unit(PTIRQ_UIO_DEFERRED);

	ptirq_state_masked(&s, PTIRQ_UIO_MASK_DEVICE);
	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, s.generation), -ESTALE);
	KUNIT_EXPECT_TRUE(test, ptirq_state_unmask_tried(&s, false, 5));
	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, s.generation), 0);
}

static void an_ack_for_who_was_here_before_is_stale(struct kunit *test)
{
	struct ptirq_state s = unit(PTIRQ_UIO_DEFERRED);
	u64 generation = s.generation;

	ptirq_state_leave(&s);
	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, generation), -ESTALE);
	ptirq_state_join(&s, PTIRQ_UIO_MASK_DEVICE);
	KUNIT_EXPECT_EQ(test, s.stale_acks, 0);
	KUNIT_EXPECT_EQ(test, s.interrupts, 0);
	ptirq_state_unmask_tried(&s, false, 6);
	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, generation), -ESTALE);
	KUNIT_EXPECT_EQ(test, ptirq_state_ack(&s, s.generation), 0);
}

/* A long life of what may happen: each generation is somebody's, and none comes twice. */
static void a_long_life(struct kunit *test)
{
	struct rnd_state random;
	struct ptirq_state s = {};
	u64 births = 0, before, joined = 0;
	unsigned int i;

	prandom_seed_state(&random, 1);
	warnings = 0;
	for (i = 0; i < 100000; i++) {
		enum event event = prandom_u32_state(&random) % EVENTS;

		if (outcomes[event][s.state] >= WARNS)
			continue;
		before = s.generation;
		happens(&s, event, levels[prandom_u32_state(&random) % ARRAY_SIZE(levels)]);
		if (event == JOIN) {
			births++;
			joined = s.generation;
		}
		KUNIT_ASSERT_GE(test, s.generation, before);
		if (s.state != PTIRQ_UIO_ABSENT)
			KUNIT_ASSERT_EQ(test, s.generation, joined + s.interrupts + s.again);
		coherent(test, &s);
	}
	KUNIT_EXPECT_EQ(test, warnings, 0);
	KUNIT_EXPECT_GT(test, births, 1000);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(each_event_in_each_state),
	KUNIT_CASE(a_unit_is_masked_where_it_was_said),
	KUNIT_CASE(a_move_changes_the_level_alone),
	KUNIT_CASE(each_deferral_has_a_generation),
	KUNIT_CASE(only_the_current_generation_is_acknowledged),
	KUNIT_CASE(what_masks_ends_a_deferral),
	KUNIT_CASE(an_ack_for_who_was_here_before_is_stale),
	KUNIT_CASE(a_long_life),
	{},
};

static struct kunit_suite suite = {
	.name = "ptirq_state",
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_DESCRIPTION("KUnit tests of ptirq_uio's masking state");
MODULE_LICENSE("GPL");
