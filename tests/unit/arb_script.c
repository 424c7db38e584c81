/* SPDX-License-Identifier: MIT */
/* Owns a core, its configuration from text, and the tokens it gave. Judges nothing but what is always true. */
#include "tests/unit/arb_script.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

void script_init(struct script *s)
{
	memset(s, 0, sizeof(*s));
	arb_config_default(&s->config);
}

/* ---- configuration ---------------------------------------------------------------------------------- */

struct flag {
	const char *name;
	uint8_t bit;
};

static const struct flag unit_flags[] = {
	{"edge", ARB_UNIT_EDGE},
	{"sample", ARB_UNIT_SAMPLE},
	{"direct", ARB_UNIT_DIRECT},
	{"notify", ARB_UNIT_NOTIFY},
};

static const struct flag device_flags[] = {
	{"mask", ARB_DEV_MASK},
	{"status", ARB_DEV_STATUS},
};

static bool add_flag(uint8_t *flags, const struct flag *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0) {
			*flags |= table[i].bit;
			return true;
		}
	}
	return false;
}

static const struct number {
	const char *name;
	size_t offset, size;
} numbers[] = {
#define NUMBER(m)                                                                       \
	{                                                                               \
#m, offsetof(struct arb_config, m), sizeof(((struct arb_config *)0)->m) \
	}
	NUMBER(n_units),      NUMBER(n_devices),      NUMBER(unhandled_max), NUMBER(strikes_max),
	NUMBER(lies_max),     NUMBER(fair_rounds),    NUMBER(storm_burst),   NUMBER(guest_budget),
	NUMBER(fault_tries),  NUMBER(round_deadline), NUMBER(ask_deadline),  NUMBER(hedge),
	NUMBER(throttle_min), NUMBER(throttle_max),   NUMBER(storm_pause),
};

static bool set_config(struct arb_config *config, const char *key, const char *value)
{
	static const char *const policies[] = {"chain", "broadcast", "learned"};

	if (strcmp(key, "policy") == 0) {
		for (size_t i = 0; i < N(policies); i++) {
			if (strcmp(policies[i], value) == 0)
				config->policy = (uint8_t)i;
		}
		return true;
	}
	for (size_t i = 0; i < N(numbers); i++) {
		uint64_t number = strtoull(value, NULL, 10);

		if (strcmp(numbers[i].name, key) != 0)
			continue;
		/* Little-endian, as every machine that this test runs on. */
		memcpy((char *)config + numbers[i].offset, &number, numbers[i].size);
		return true;
	}
	return false;
}

bool script_configure(struct script *s, const char *line)
{
	char copy[256], *rest = copy, *word;
	unsigned long index;
	bool ok = true;

	snprintf(copy, sizeof(copy), "%s", line);
	word = strsep(&rest, " ");
	if (strcmp(word, "config") == 0) {
		while (ok && (word = strsep(&rest, " "))) {
			char *value = strchr(word, '=');

			if (!value)
				return false;
			*value++ = 0;
			ok = set_config(&s->config, word, value);
		}
		return ok;
	}
	bool is_unit = strcmp(word, "unit") == 0;
	if ((!is_unit && strcmp(word, "device") != 0) || !rest)
		return false;
	index = strtoul(strsep(&rest, " "), NULL, 10);
	if (is_unit)
		s->config.unit_flags[index] = 0;
	else
		s->config.device_flags[index] = 0;
	while (ok && (word = strsep(&rest, " "))) {
		if (is_unit)
			ok = add_flag(&s->config.unit_flags[index], unit_flags, N(unit_flags),
				      word);
		else if (strncmp(word, "unit=", 5) == 0)
			s->config.device_unit[index] = (uint8_t)strtoul(word + 5, NULL, 10);
		else
			ok = add_flag(&s->config.device_flags[index], device_flags, N(device_flags),
				      word);
	}
	return ok;
}

/* ---- events ------------------------------------------------------------------------------------------- */

static uint32_t latest_token(const struct script *s, const struct arb_event *ev)
{
	if (ev->kind == ARB_EV_LEVEL || ev->op == ARB_ACT_SAMPLE_LEVEL)
		return s->sample[ev->unit];
	if (ev->kind != ARB_EV_TIMER)
		return s->op[ev->unit];
	if (ev->timer == ARB_TIMER_STRIKE || ev->timer == ARB_TIMER_PROBE)
		return s->sub_timer[ev->timer][ev->sub];
	return s->unit_timer[ev->timer][ev->unit];
}

/* Cuts " KEY@" out of @text; true if it was there. */
static bool cut(char *text, const char *key)
{
	char *at = strstr(text, key);

	if (!at)
		return false;
	memmove(at, at + strlen(key), strlen(at + strlen(key)) + 1);
	return true;
}

static void note_tokens(struct script *s)
{
	for (unsigned int i = 0; i < s->actions.n; i++) {
		const struct arb_action *a = &s->actions.a[i];

		if (a->kind == ARB_ACT_ARM_TIMER) {
			s->unit_timer[a->timer][a->unit] = a->token;
			s->sub_timer[a->timer][a->sub] = a->token;
		} else if (a->kind == ARB_ACT_SAMPLE_LEVEL) {
			s->sample[a->unit] = a->token;
		} else if (a->kind == ARB_ACT_PROMOTE || a->kind == ARB_ACT_DEMOTE) {
			s->op[a->unit] = a->token;
		}
	}
}

int script_event(struct script *s, const char *text)
{
	struct arb before;
	struct arb_event ev;
	enum arb_invariant broken = ARB_INV_NONE;
	char copy[256];
	bool token, next, round;
	int error;

	snprintf(copy, sizeof(copy), "%s", text);
	token = cut(copy, " token=@");
	next = cut(copy, " round=@+1");
	round = cut(copy, " round=@");
	cr_assert_eq(arb_event_parse(copy, &ev), 0, "not an event: %s", text);
	if (!s->started) {
		cr_assert_eq(arb_config_check(&s->config), 0, "the configuration does not pass");
		arb_init(&s->arb, &s->config);
		s->started = true;
	}
	if (token)
		ev.token = latest_token(s, &ev);
	if (token && ev.kind == ARB_EV_LEVEL)
		ev.round = arb_unit_round(&s->arb, ev.unit);
	if (round || next)
		ev.round = arb_unit_round(&s->arb, ev.unit) + next;

	memcpy(&before, &s->arb, sizeof(before));
	error = arb_step(&s->arb, &ev, &s->actions);
	if (error) {
		cr_assert_eq(memcmp(&before, &s->arb, sizeof(before)), 0, "changed by refused %s",
			     text);
		cr_assert_eq(s->actions.n, 0u);
	}
	cr_assert(arb_check(&s->arb, &broken), "invariant %d broken by %s", broken, text);
	note_tokens(s);
	return error;
}

bool script_did(const struct script *s, const char *action)
{
	char text[256];

	for (unsigned int i = 0; i < s->actions.n; i++) {
		arb_action_format(&s->actions.a[i], text, sizeof(text));
		if (strcmp(text, action) == 0)
			return true;
	}
	return false;
}

unsigned int script_count(const struct script *s, enum arb_action_kind kind)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->actions.n; i++)
		n += s->actions.a[i].kind == kind;
	return n;
}
