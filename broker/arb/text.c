/* SPDX-License-Identifier: MIT */
/*
 * Events and actions as text and back: "KIND key=value ...", one line, stable, because golden traces
 * and people's notes hold it. A key whose value is 0 is left out, but for unit, sub and device.
 * Needs no stdio: the core calls nothing.
 */
#include <string.h>

#include "broker/arb/internal.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char *const event_names[] = {
	[ARB_EV_LINE_UP] = "LINE_UP",
	[ARB_EV_LINE_GONE] = "LINE_GONE",
	[ARB_EV_UNIT_UP] = "UNIT_UP",
	[ARB_EV_UNIT_GONE] = "UNIT_GONE",
	[ARB_EV_JOIN] = "JOIN",
	[ARB_EV_LEAVE] = "LEAVE",
	[ARB_EV_DIED] = "DIED",
	[ARB_EV_PARK] = "PARK",
	[ARB_EV_UNPARK] = "UNPARK",
	[ARB_EV_FIRED] = "FIRED",
	[ARB_EV_VERDICT] = "VERDICT",
	[ARB_EV_TIMER] = "TIMER",
	[ARB_EV_LEVEL] = "LEVEL",
	[ARB_EV_OP_FAILED] = "OP_FAILED",
	[ARB_EV_OP_DONE] = "OP_DONE",
	[ARB_EV_POLICY] = "POLICY",
	[ARB_EV_SUB_POLICY] = "SUB_POLICY",
	[ARB_EV_TAP] = "TAP",
	[ARB_EV_RESUMED] = "RESUMED",
};

static const char *const action_names[] = {
	[ARB_ACT_ASK] = "ASK",
	[ARB_ACT_RETRACT] = "RETRACT",
	[ARB_ACT_UNMASK] = "UNMASK",
	[ARB_ACT_MASK] = "MASK",
	[ARB_ACT_SAMPLE_LEVEL] = "SAMPLE_LEVEL",
	[ARB_ACT_QUIET_DEVICE] = "QUIET_DEVICE",
	[ARB_ACT_UNQUIET_DEVICE] = "UNQUIET_DEVICE",
	[ARB_ACT_ARM_TIMER] = "ARM_TIMER",
	[ARB_ACT_CANCEL_TIMER] = "CANCEL_TIMER",
	[ARB_ACT_PROMOTE] = "PROMOTE",
	[ARB_ACT_DEMOTE] = "DEMOTE",
	[ARB_ACT_QUARANTINE] = "QUARANTINE",
	[ARB_ACT_RELEASE] = "RELEASE",
	[ARB_ACT_REPORT] = "REPORT",
};

static const char *const state_names[] = {
	[ARB_ABSENT] = "ABSENT", [ARB_UNCLAIMED] = "UNCLAIMED", [ARB_IDLE] = "IDLE",
	[ARB_ROUND] = "ROUND",   [ARB_THROTTLED] = "THROTTLED", [ARB_POLLED] = "POLLED",
	[ARB_DIRECT] = "DIRECT", [ARB_FAULT] = "FAULT",
};

static const char *const report_names[] = {
	[ARB_REP_RESOLVED] = "resolved",   [ARB_REP_TIMEOUT] = "timeout",
	[ARB_REP_STRIKE] = "strike",       [ARB_REP_LIE] = "lie",
	[ARB_REP_LATE] = "late",           [ARB_REP_GLITCH] = "glitch",
	[ARB_REP_THROTTLED] = "throttled", [ARB_REP_STORM] = "storm",
	[ARB_REP_POLLED] = "polled",       [ARB_REP_FAULT] = "fault",
	[ARB_REP_GAVE_UP] = "gave_up",     [ARB_REP_ABSENT] = "absent",
	[ARB_REP_BACK] = "back",           [ARB_REP_PROBE] = "probe",
	[ARB_REP_HELD] = "held",           [ARB_REP_FREED] = "freed",
};

static const char *const error_names[] = {
	[0] = "ok",
	[ARB_E_STALE] = "stale",
	[ARB_E_NOT_OWED] = "not_owed",
	[ARB_E_STATE] = "state",
	[ARB_E_INVALID] = "invalid",
};

static const char *const verdict_names[] = {"none", "HANDLED", "NOT_MINE", "EOI"};
static const char *const level_names[] = {"unknown", "deasserted", "asserted"};
static const char *const timer_names[] = {"ASK",   "HEDGE",  "STATE", "WINDOW",
					  "STORM", "STRIKE", "PROBE"};
static const char *const policy_names[] = {"chain", "broadcast", "learned"};
static const char *const resolution_names[] = {"handled", "unhandled", "void"};

static_assert(N(event_names) == ARB_N_EVENTS && N(action_names) == ARB_N_ACTIONS &&
		      N(state_names) == ARB_N_STATES && N(report_names) == ARB_N_REPORTS &&
		      N(timer_names) == ARB_N_TIMERS && N(policy_names) == ARB_N_POLICIES,
	      "a name for each");

static const char *name_of(const char *const *names, size_t n, unsigned int value)
{
	return value < n ? names[value] : "?";
}

const char *arb_state_name(enum arb_state state)
{
	return name_of(state_names, N(state_names), state);
}

const char *arb_report_name(enum arb_report report)
{
	return name_of(report_names, N(report_names), report);
}

const char *arb_error_name(int error)
{
	return name_of(error_names, N(error_names), (unsigned int)error);
}

/* ---- the members of an event ------------------------------------------------------------------------ */

enum form { NUMBER, HEX, NAME, DEVICE };

#define MEMBER(m)    offsetof(struct arb_event, m), sizeof(((struct arb_event *)0)->m)
#define NAMES(array) NAME, N(array), array

/* One row for each member, in the order of printing. */
static const struct key {
	const char *name;
	uint32_t member;
	bool always; /* printed even if 0 */
	size_t offset, size;
	enum form form;
	size_t n_names;
	const char *const *names;
} keys[] = {
	{"op", ARB_M_OP, true, MEMBER(op), NAMES(action_names)},
	{"timer", ARB_M_TIMER, true, MEMBER(timer), NAMES(timer_names)},
	{"unit", ARB_M_UNIT, true, MEMBER(unit), NUMBER, 0, NULL},
	{"sub", ARB_M_SUB, true, MEMBER(sub), NUMBER, 0, NULL},
	{"device", ARB_M_DEVICE, true, MEMBER(device), DEVICE, 0, NULL},
	{"round", ARB_M_ROUND, false, MEMBER(round), NUMBER, 0, NULL},
	{"token", ARB_M_TOKEN, false, MEMBER(token), NUMBER, 0, NULL},
	{"verdict", ARB_M_VERDICT, true, MEMBER(verdict), NAMES(verdict_names)},
	{"level", ARB_M_LEVEL, true, MEMBER(level), NAMES(level_names)},
	{"status", ARB_M_STATUS, false, MEMBER(status), HEX, 0, NULL},
	{"status_known", ARB_M_STATUS_KNOWN, false, MEMBER(status_known), HEX, 0, NULL},
	{"attribution", ARB_M_ATTRIBUTION, false, MEMBER(attribution), HEX, 0, NULL},
	{"back_to_back", ARB_M_BACK_TO_BACK, false, MEMBER(back_to_back), NUMBER, 0, NULL},
	{"tapped", ARB_M_TAPPED, true, MEMBER(tapped), NUMBER, 0, NULL},
	{"policy", ARB_M_POLICY, true, MEMBER(policy), NAMES(policy_names)},
	{"flags", ARB_M_FLAGS, false, MEMBER(flags), HEX, 0, NULL},
	{"priority", ARB_M_PRIORITY, false, MEMBER(priority), NUMBER, 0, NULL},
	{"deadline", ARB_M_DEADLINE, false, MEMBER(deadline), NUMBER, 0, NULL},
};

/* The bytes of a member as a number, whatever the byte order: memcpy from the right type. */
static uint64_t get(const struct arb_event *ev, const struct key *key)
{
	const char *from = (const char *)ev + key->offset;
	uint8_t b;
	uint16_t h;
	uint32_t w;
	uint64_t q;

	if (key->size == sizeof(b)) {
		memcpy(&b, from, sizeof(b));
		return b;
	}
	if (key->size == sizeof(h)) {
		memcpy(&h, from, sizeof(h));
		return h;
	}
	if (key->size == sizeof(w)) {
		memcpy(&w, from, sizeof(w));
		return w;
	}
	memcpy(&q, from, sizeof(q));
	return q;
}

static uint64_t max_of(const struct key *key)
{
	if (key->member & (ARB_M_BACK_TO_BACK | ARB_M_TAPPED))
		return 1; /* a bool */
	return UINT64_MAX >> (64 - 8 * key->size);
}

static void set(struct arb_event *ev, const struct key *key, uint64_t value)
{
	char *to = (char *)ev + key->offset;
	uint8_t b = (uint8_t)value;
	uint16_t h = (uint16_t)value;
	uint32_t w = (uint32_t)value;

	if (key->size == sizeof(b))
		memcpy(to, &b, sizeof(b));
	else if (key->size == sizeof(h))
		memcpy(to, &h, sizeof(h));
	else if (key->size == sizeof(w))
		memcpy(to, &w, sizeof(w));
	else
		memcpy(to, &value, sizeof(value));
}

/* ---- writing ---------------------------------------------------------------------------------------- */

/* As snprintf: counts what it would write, writes what fits. */
struct writer {
	char *buf;
	size_t size;
	size_t n;
};

static void put(struct writer *w, const char *text)
{
	for (; *text; text++, w->n++) {
		if (w->n + 1 < w->size)
			w->buf[w->n] = *text;
	}
}

static int finish(struct writer *w)
{
	if (w->size)
		w->buf[w->n < w->size ? w->n : w->size - 1] = 0;
	return (int)w->n;
}

static void put_number(struct writer *w, uint64_t value, unsigned int base)
{
	char digits[21], *at = &digits[20];

	*at = 0;
	do {
		*--at = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	put(w, base == 16 ? "0x" : "");
	put(w, at);
}

static void put_key(struct writer *w, const char *name, uint64_t value)
{
	put(w, " ");
	put(w, name);
	put(w, "=");
	put_number(w, value, 10);
}

static void put_text(struct writer *w, const char *name, const char *value)
{
	put(w, " ");
	put(w, name);
	put(w, "=");
	put(w, value);
}

int arb_event_format(const struct arb_event *ev, char *buf, size_t size)
{
	struct writer w = {buf, size, 0};
	uint32_t members;

	if (ev->kind >= ARB_N_EVENTS) {
		put(&w, "?");
		return finish(&w);
	}
	members = arb_event_members[ev->kind];
	put(&w, event_names[ev->kind]);
	for (const struct key *key = keys; key < keys + N(keys); key++) {
		uint64_t value = get(ev, key);

		if (!(members & key->member) || (!value && !key->always))
			continue;
		put(&w, " ");
		put(&w, key->name);
		put(&w, "=");
		if (key->form == NAME)
			put(&w, name_of(key->names, key->n_names, (unsigned int)value));
		else if (key->form == DEVICE && value == ARB_NO_DEVICE)
			put(&w, "none");
		else
			put_number(&w, value, key->form == HEX ? 16 : 10);
	}
	return finish(&w);
}

static const char *const ask_flag_names[] = {"probe", "maybe", "notified", "hedge", "edge"};

static void put_ask_flags(struct writer *w, uint8_t flags)
{
	const char *separator = " flags=";

	for (unsigned int i = 0; i < N(ask_flag_names); i++) {
		if (!(flags & 1u << i))
			continue;
		put(w, separator);
		put(w, ask_flag_names[i]);
		separator = "|";
	}
}

static void put_report(struct writer *w, const struct arb_action *a)
{
	put(w, " ");
	put(w, arb_report_name((enum arb_report)a->report));
	put_key(w, "unit", a->unit);
	put_key(w, "sub", a->sub);
	if (a->report == ARB_REP_RESOLVED)
		put_text(w, "how", name_of(resolution_names, N(resolution_names), a->flags));
	if (a->report == ARB_REP_FAULT)
		put_text(w, "op", name_of(action_names, N(action_names), a->op));
	if (a->report == ARB_REP_HELD || a->report == ARB_REP_FREED || a->report == ARB_REP_FAULT)
		put_key(w, "device", a->device);
	if (a->round)
		put_key(w, "round", a->round);
}

/* What each kind of action carries, besides what is special about ASK and REPORT. */
static const uint32_t action_members[ARB_N_ACTIONS] = {
	[ARB_ACT_ASK] = ARB_M_UNIT | ARB_M_SUB | ARB_M_ROUND,
	[ARB_ACT_RETRACT] = ARB_M_UNIT | ARB_M_SUB | ARB_M_ROUND,
	[ARB_ACT_UNMASK] = ARB_M_UNIT,
	[ARB_ACT_MASK] = ARB_M_UNIT,
	[ARB_ACT_SAMPLE_LEVEL] = ARB_M_UNIT | ARB_M_ROUND | ARB_M_TOKEN,
	[ARB_ACT_QUIET_DEVICE] = ARB_M_DEVICE,
	[ARB_ACT_UNQUIET_DEVICE] = ARB_M_DEVICE,
	[ARB_ACT_ARM_TIMER] = ARB_M_TIMER | ARB_M_UNIT | ARB_M_SUB | ARB_M_TOKEN | ARB_M_DEADLINE,
	[ARB_ACT_CANCEL_TIMER] = ARB_M_TIMER | ARB_M_UNIT | ARB_M_SUB,
	[ARB_ACT_PROMOTE] = ARB_M_UNIT | ARB_M_SUB | ARB_M_TOKEN,
	[ARB_ACT_DEMOTE] = ARB_M_UNIT | ARB_M_SUB | ARB_M_TOKEN,
	[ARB_ACT_QUARANTINE] = ARB_M_SUB,
	[ARB_ACT_RELEASE] = ARB_M_SUB,
};

int arb_action_format(const struct arb_action *a, char *buf, size_t size)
{
	struct writer w = {buf, size, 0};
	uint32_t members;

	if (a->kind >= ARB_N_ACTIONS) {
		put(&w, "?");
		return finish(&w);
	}
	members = action_members[a->kind];
	put(&w, action_names[a->kind]);
	if (members & ARB_M_TIMER)
		put_text(&w, "timer", name_of(timer_names, N(timer_names), a->timer));
	if (members & ARB_M_UNIT)
		put_key(&w, "unit", a->unit);
	if (members & ARB_M_SUB)
		put_key(&w, "sub", a->sub);
	if (members & ARB_M_DEVICE)
		put_key(&w, "device", a->device);
	if (members & ARB_M_ROUND)
		put_key(&w, "round", a->round);
	if (members & ARB_M_TOKEN)
		put_key(&w, "token", a->token);
	if (members & ARB_M_DEADLINE)
		put_key(&w, "delay", a->delay);
	if (a->kind == ARB_ACT_ASK)
		put_ask_flags(&w, a->flags);
	if (a->kind == ARB_ACT_REPORT)
		put_report(&w, a);
	return finish(&w);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* The word at *@at, which is moved behind it and the spaces after it. */
static size_t next_word(const char **at, const char **ret_word)
{
	size_t n = 0;

	*ret_word = *at;
	while ((*at)[n] && (*at)[n] != ' ' && (*at)[n] != '\n')
		n++;
	*at += n;
	while (**at == ' ' || **at == '\n')
		(*at)++;
	return n;
}

static bool same(const char *text, size_t n, const char *name)
{
	for (; n && *name && *text == *name; n--, text++, name++)
		;
	return !n && !*name;
}

/* The index of the name, or @n_names. */
static size_t find_name(const char *text, size_t n, const char *const *names, size_t n_names)
{
	size_t i = 0;

	while (i < n_names && !same(text, n, names[i]))
		i++;
	return i;
}

static int parse_number(const char *text, size_t n, uint64_t max, uint64_t *ret_value)
{
	unsigned int base = 10;
	uint64_t value = 0;

	if (n > 2 && text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
		n -= 2;
	}
	if (!n)
		return -1;
	for (; n; n--, text++) {
		unsigned int digit = 16;

		if (*text >= '0' && *text <= '9')
			digit = (unsigned int)(*text - '0');
		else if (*text >= 'a' && *text <= 'f')
			digit = (unsigned int)(*text - 'a') + 10;
		if (digit >= base || digit > max || value > (max - digit) / base)
			return -1;
		value = value * base + digit;
	}
	*ret_value = value;
	return 0;
}

static int parse_value(const struct key *key, const char *text, size_t n, uint64_t *ret_value)
{
	size_t i;

	if (key->form == DEVICE && same(text, n, "none")) {
		*ret_value = ARB_NO_DEVICE;
		return 0;
	}
	if (key->form != NAME)
		return parse_number(text, n, max_of(key), ret_value);
	i = find_name(text, n, key->names, key->n_names);
	if (i == key->n_names)
		return -1;
	*ret_value = i;
	return 0;
}

static int parse_key(struct arb_event *ev, const char *word, size_t n)
{
	size_t name = 0;
	uint64_t value;

	while (name < n && word[name] != '=')
		name++;
	if (name == n)
		return -1;
	for (const struct key *key = keys; key < keys + N(keys); key++) {
		if (!same(word, name, key->name))
			continue;
		if (!(arb_event_members[ev->kind] & key->member) ||
		    parse_value(key, word + name + 1, n - name - 1, &value))
			return -1;
		set(ev, key, value);
		return 0;
	}
	return -1;
}

int arb_event_parse(const char *text, struct arb_event *ret_event)
{
	struct arb_event ev;
	const char *word;
	size_t n = next_word(&text, &word);
	size_t kind = find_name(word, n, event_names, N(event_names));

	if (kind == N(event_names))
		return -1;
	memset(&ev, 0, sizeof(ev));
	ev.kind = (uint8_t)kind;
	while (*text) {
		n = next_word(&text, &word);
		if (parse_key(&ev, word, n))
			return -1;
	}
	memcpy(ret_event, &ev, sizeof(ev));
	return 0;
}
