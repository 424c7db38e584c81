/* SPDX-License-Identifier: MIT */
/*
 * Owns the round trip of every message, empty and at its limits, and that the encoding is protobuf's:
 * a few messages are compared with bytes written by hand. What is refused is test_wire_refuse.c's.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "broker/arb/arb.h"
#include "client-lib/include/ptirq.h"
#include "proto/page.h"
#include "proto/wire.h"
#include "tests/lib/fd_check.h"
#include "tests/unit/bytes.h"

TestSuite(wire, .init = fd_check_begin, .fini = fd_check_end);

/* The longest string an array takes; of two-byte characters, so that bytes are what is counted. */
#define FULL(array)                                                  \
	do {                                                         \
		for (size_t i_ = 0; i_ + 2 < sizeof(array); i_ += 2) \
			memcpy((array) + i_, "\xc3\xa9", 3);         \
		(array)[sizeof(array) - 2] = 'x';                    \
		(array)[sizeof(array) - 1] = 0;                      \
		cr_assert_eq(strlen(array), sizeof(array) - 1);      \
	} while (0)

static uint8_t buf[LIMIT_MESSAGE];

static void same_request(const struct wire_request *request)
{
	struct wire_request got;
	int n = wire_request_encode(request, buf);

	cr_assert_geq(n, 0);
	memset(&got, 0xaa, sizeof(got));
	cr_assert_eq(wire_request_decode(buf, n, &got), 0);
	cr_assert_eq(memcmp(request, &got, sizeof(got)), 0, "request kind %d", request->kind);
}

static int same_reply(const struct wire_reply *reply)
{
	struct wire_from_broker got;
	int n = wire_reply_encode(reply, buf);

	cr_assert_geq(n, 0);
	memset(&got, 0xaa, sizeof(got));
	cr_assert_eq(wire_from_broker_decode(buf, n, &got), 0);
	cr_assert_not(got.is_event);
	cr_assert_eq(memcmp(reply, &got.reply, sizeof(*reply)), 0, "reply kind %d", reply->kind);
	return n;
}

static void same_event(const struct wire_event *event)
{
	struct wire_from_broker got;
	size_t used = sizeof(*event);
	int n = wire_event_encode(event, buf);

	cr_assert_geq(n, 0);
	memset(&got, 0xaa, sizeof(got));
	cr_assert_eq(wire_from_broker_decode(buf, n, &got), 0);
	cr_assert(got.is_event);
	if (event->kind == WIRE_EV_INTERRUPT)
		used = offsetof(struct wire_event, interrupt) + sizeof(event->interrupt);
	cr_assert_eq(memcmp(event, &got.event, used), 0, "event kind %d", event->kind);
}

Test(wire, requests_empty)
{
	for (int kind = WIRE_REQ_UNKNOWN; kind < WIRE_N_REQUESTS; kind++) {
		struct wire_request r;

		memset(&r, 0, sizeof(r));
		r.kind = kind;
		r.id = 300;
		same_request(&r);
	}
}

static void request_full(struct wire_request *r, enum wire_request_kind kind)
{
	memset(r, 0, sizeof(*r));
	r->id = UINT64_MAX;
	r->kind = kind;
	switch (kind) {
	case WIRE_REQ_HELLO:
		r->hello.version_min = r->hello.version_max = UINT32_MAX;
		r->hello.features = WIRE_FEATURE_PAGES | WIRE_FEATURE_OWN_EVENTFDS;
		FULL(r->hello.name);
		break;
	case WIRE_REQ_LIST_LINES: r->list_lines.cursor = UINT32_MAX; break;
	case WIRE_REQ_GET_LINE: FULL(r->get_line.line); break;
	case WIRE_REQ_SUBSCRIBE:
		FULL(r->subscribe.line);
		FULL(r->subscribe.device);
		r->subscribe.priority = UINT32_MAX;
		r->subscribe.deadline_ns = UINT64_MAX;
		r->subscribe.messages = r->subscribe.own_eventfds = r->subscribe.resample = true;
		r->subscribe.direct = r->subscribe.notify = true;
		break;
	case WIRE_REQ_UNSUBSCRIBE: r->unsubscribe.subscription = UINT32_MAX; break;
	case WIRE_REQ_PARK: r->park.subscription = UINT32_MAX; break;
	case WIRE_REQ_UNPARK: r->unpark.subscription = UINT32_MAX; break;
	case WIRE_REQ_ACK:
		r->ack = (struct wire_ack){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
		break;
	case WIRE_REQ_GET_STATS:
		r->get_stats.scope = UINT32_MAX;
		FULL(r->get_stats.line);
		r->get_stats.cursor = UINT64_MAX;
		break;
	case WIRE_REQ_WATCH:
		FULL(r->watch.line);
		r->watch.stop = true;
		break;
	case WIRE_REQ_GRANT_DEVICE:
		FULL(r->grant_device.line);
		FULL(r->grant_device.device);
		r->grant_device.kind = UINT32_MAX;
		break;
	case WIRE_REQ_RELEASE:
		FULL(r->release.line);
		r->release.client = UINT64_MAX;
		break;
	case WIRE_REQ_SIM_ASSERT:
		FULL(r->sim_assert.line);
		FULL(r->sim_assert.device);
		r->sim_assert.bits = UINT32_MAX;
		r->sim_assert.deassert = true;
		break;
	case WIRE_REQ_UNKNOWN:
	case WIRE_REQ_RELOAD:
	case WIRE_N_REQUESTS: break;
	}
}

Test(wire, requests_full)
{
	struct wire_request r;

	for (int kind = WIRE_REQ_UNKNOWN; kind < WIRE_N_REQUESTS; kind++) {
		request_full(&r, kind);
		same_request(&r);
	}
}

Test(wire, replies_empty)
{
	for (int kind = WIRE_REP_NONE; kind <= WIRE_REP_GRANT; kind++) {
		static struct wire_reply r;

		r.kind = kind;
		same_reply(&r);
	}
}

static void line_full(struct wire_line *line)
{
	FULL(line->name);
	FULL(line->source);
	FULL(line->trigger);
	FULL(line->policy);
	line->units = line->devices = line->subscribers = line->max_subscribers = UINT32_MAX;
	FULL(line->state);
	line->deadline_ns = UINT64_MAX;
	FULL(line->problem);
}

static void stats_full(struct wire_stats *row)
{
	uint64_t *count;

	FULL(row->line);
	row->unit = row->subscription = row->pid = row->uid = UINT32_MAX;
	row->client = UINT64_MAX;
	FULL(row->client_name);
	FULL(row->device);
	FULL(row->state);
	for (count = &row->rounds; count <= &row->response.max_ns; count++)
		*count = UINT64_MAX;
	FULL(row->path);
}

static void reply_full(struct wire_reply *r, enum wire_reply_kind kind)
{
	memset(r, 0, sizeof(*r));
	r->id = UINT64_MAX;
	r->kind = kind;
	r->status.code = UINT32_MAX;
	FULL(r->status.message);
	switch (kind) {
	case WIRE_REP_NONE: break;
	case WIRE_REP_HELLO:
		r->hello.version = UINT32_MAX;
		r->hello.features = WIRE_FEATURE_PAGES | WIRE_FEATURE_OWN_EVENTFDS;
		r->hello.client = r->hello.epoch = UINT64_MAX;
		FULL(r->hello.broker);
		r->hello.administrator = true;
		break;
	case WIRE_REP_LINES:
		r->lines.n = WIRE_LINES_PER_REPLY;
		for (size_t i = 0; i < WIRE_LINES_PER_REPLY; i++)
			line_full(&r->lines.line[i]);
		r->lines.next_cursor = UINT32_MAX;
		break;
	case WIRE_REP_LINE:
		line_full(&r->line.line);
		r->line.n_devices = LIMIT_DEVICES_PER_LINE;
		for (size_t i = 0; i < LIMIT_DEVICES_PER_LINE; i++) {
			struct wire_device *d = &r->line.device[i];

			FULL(d->name);
			d->unit = UINT32_MAX;
			d->present = d->has_mask = d->has_status = true;
			d->held = d->grantable = d->unsafe_dma = true;
			FULL(d->location);
			FULL(d->path);
		}
		break;
	case WIRE_REP_SUBSCRIBE:
		r->subscribe.subscription = r->subscribe.first_slot = UINT32_MAX;
		r->subscribe.n_units = LIMIT_UNITS_PER_LINE;
		memset(r->subscribe.unit, 0xff, sizeof(r->subscribe.unit));
		break;
	case WIRE_REP_STATS:
		r->stats.n = WIRE_STATS_PER_REPLY;
		for (size_t i = 0; i < WIRE_STATS_PER_REPLY; i++)
			stats_full(&r->stats.row[i]);
		r->stats.next_cursor = UINT64_MAX;
		break;
	case WIRE_REP_GRANT:
		r->grant.n = WIRE_REGIONS;
		for (size_t i = 0; i < WIRE_REGIONS; i++) {
			FULL(r->grant.region[i].name);
			r->grant.region[i].size = r->grant.region[i].offset = UINT64_MAX;
			r->grant.region[i].read_only = true;
		}
		break;
	}
}

/* Every reply fits with all its rows at their longest: nobody has to send fewer. */
Test(wire, replies_full)
{
	static struct wire_reply r;

	for (int kind = WIRE_REP_NONE; kind <= WIRE_REP_GRANT; kind++) {
		reply_full(&r, kind);
		same_reply(&r);
	}
}

static void event_full(struct wire_event *e, enum wire_event_kind kind)
{
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	switch (kind) {
	case WIRE_EV_INTERRUPT:
		e->interrupt = (struct wire_interrupt){
			.subscription = UINT32_MAX,
			.unit = UINT32_MAX,
			.round = UINT32_MAX,
			.fired_at_ns = UINT64_MAX,
			.count = UINT64_MAX,
			.flags = UINT32_MAX,
			.status = UINT32_MAX,
		};
		break;
	case WIRE_EV_RETRACTED: memset(&e->retracted, 0xff, sizeof(e->retracted)); break;
	case WIRE_EV_LINE_STATE:
		FULL(e->line_state.line);
		e->line_state.unit = UINT32_MAX;
		FULL(e->line_state.state);
		FULL(e->line_state.text);
		break;
	case WIRE_EV_EPOCH: e->epoch.epoch = UINT64_MAX; break;
	case WIRE_EV_EVICTED:
		e->evicted.subscription = UINT32_MAX;
		e->evicted.reason.code = UINT32_MAX;
		FULL(e->evicted.reason.message);
		break;
	case WIRE_EV_GOING_AWAY: FULL(e->going_away.text); break;
	case WIRE_EV_WATCH:
		e->watch.time_ns = e->watch.took_ns = e->watch.dropped = UINT64_MAX;
		e->watch.unit = e->watch.round = e->watch.subscription = UINT32_MAX;
		FULL(e->watch.line);
		FULL(e->watch.what);
		FULL(e->watch.client_name);
		FULL(e->watch.detail);
		break;
	case WIRE_EV_UNKNOWN: break;
	}
}

Test(wire, events)
{
	struct wire_event e;

	for (int kind = WIRE_EV_UNKNOWN; kind <= WIRE_EV_WATCH; kind++) {
		memset(&e, 0, sizeof(e));
		e.kind = kind;
		same_event(&e);
		event_full(&e, kind);
		same_event(&e);
	}
}

/* The bytes that protobuf's own specification asks for. */
Test(wire, bytes_of_hello)
{
	static struct bytes hello, request;
	struct wire_request r;

	memset(&r, 0, sizeof(r));
	r.id = 1;
	r.kind = WIRE_REQ_HELLO;
	r.hello.version_min = 1;
	r.hello.version_max = 1;
	r.hello.features = WIRE_FEATURE_PAGES | WIRE_FEATURE_OWN_EVENTFDS;
	strcpy(r.hello.name, "fpga-driver");

	put_number(&hello, 1, 1);
	put_number(&hello, 2, 1);
	put_data(&hello, 3, "\x01\x02", 2);
	put_string(&hello, 4, "fpga-driver");
	put_number(&request, 1, 1);
	put_message(&request, 2, &hello);

	cr_assert_eq(wire_request_encode(&r, buf), (int)request.n);
	cr_assert_eq(memcmp(buf, request.b, request.n), 0);
}

/* What another encoder may do: unpacked lists, fields in any order, a field twice (the last counts). */
Test(wire, other_encoders)
{
	static struct bytes hello, request;
	struct wire_request r;

	put_string(&hello, 4, "first");
	put_number(&hello, 3, 2);
	put_number(&hello, 3, 3); /* features of tomorrow */
	put_number(&hello, 3, 99);
	put_number(&hello, 3, UINT64_MAX);
	put_number(&hello, 3, 1);
	put_string(&hello, 4, "second");
	put_number(&hello, 1, 1);
	put_message(&request, 2, &hello);
	put_number(&request, 1, 5);

	cr_assert_eq(wire_request_decode(request.b, request.n, &r), 0);
	cr_assert_eq(r.id, 5);
	cr_assert_eq(r.hello.features, WIRE_FEATURE_PAGES | WIRE_FEATURE_OWN_EVENTFDS);
	cr_assert_str_eq(r.hello.name, "second");
}

/* ---- Interrupt and Ack, which have a way of their own beside the generated code ---- */

static const uint64_t numbers[] = {
	0,
	1,
	127,
	128,
	16383,
	16384,
	INT32_MAX,
	UINT32_MAX,
	UINT64_C(1) << 32,
	UINT64_C(1) << 62,
	UINT64_C(1) << 63,
	UINT64_MAX,
};
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

/* Field @changed (none: 0) is @value, the others are 3. */
static struct wire_ack an_ack(unsigned int changed, uint64_t value)
{
	struct wire_ack ack = {3, 3, 3, 3};
	uint32_t *field[] = {&ack.subscription, &ack.unit, &ack.round, &ack.verdict};

	if (changed)
		*field[changed - 1] = (uint32_t)value;
	return ack;
}

/* Padding included. */
static void an_interrupt(unsigned int changed, uint64_t value, struct wire_interrupt *ret)
{
	uint32_t *field[] = {&ret->subscription, &ret->unit,  &ret->round, NULL, NULL,
			     &ret->flags,        &ret->status};

	memset(ret, 0, sizeof(*ret));
	for (unsigned int f = 1; f <= 7; f++)
		if (field[f - 1])
			*field[f - 1] = f == changed ? (uint32_t)value : 3;
	ret->fired_at_ns = changed == 4 ? value : 3;
	ret->count = changed == 5 ? value : 3;
}

/* As the specification wants it: a zero is left out, a negative enum is sign-extended. */
static void put_field(struct bytes *to, uint32_t field, uint64_t value)
{
	if (value)
		put_number(to, field, value);
}

static const struct bytes *bytes_of_ack(const struct wire_ack *ack)
{
	static struct bytes inner, request;

	inner.n = request.n = 0;
	put_field(&inner, 1, ack->subscription);
	put_field(&inner, 2, ack->unit);
	put_field(&inner, 3, ack->round);
	put_field(&inner, 4, (uint64_t)(int32_t)ack->verdict);
	put_message(&request, 7, &inner);
	return &request;
}

static const struct bytes *bytes_of_interrupt(const struct wire_interrupt *w)
{
	static struct bytes inner, event, from_broker;

	inner.n = event.n = from_broker.n = 0;
	put_field(&inner, 1, w->subscription);
	put_field(&inner, 2, w->unit);
	put_field(&inner, 3, w->round);
	put_field(&inner, 4, w->fired_at_ns);
	put_field(&inner, 5, w->count);
	put_field(&inner, 6, w->flags);
	put_field(&inner, 7, w->status);
	put_message(&event, 1, &inner);
	put_message(&from_broker, 2, &event);
	return &from_broker;
}

Test(wire, each_field_of_an_ack)
{
	for (unsigned int field = 0; field <= 4; field++)
		for (size_t i = 0; i < N_NUMBERS; i++) {
			struct wire_request r;
			const struct bytes *bytes;

			memset(&r, 0, sizeof(r));
			r.kind = WIRE_REQ_ACK;
			r.ack = an_ack(field, numbers[i]);
			bytes = bytes_of_ack(&r.ack);
			same_request(&r);
			cr_assert_eq(wire_request_encode(&r, buf), (int)bytes->n);
			cr_assert_eq(memcmp(buf, bytes->b, bytes->n), 0, "field %u", field);
		}
}

Test(wire, each_field_of_an_interrupt)
{
	for (unsigned int field = 0; field <= 7; field++)
		for (size_t i = 0; i < N_NUMBERS; i++) {
			struct wire_event e;
			const struct bytes *bytes;

			memset(&e, 0, sizeof(e));
			e.kind = WIRE_EV_INTERRUPT;
			an_interrupt(field, numbers[i], &e.interrupt);
			bytes = bytes_of_interrupt(&e.interrupt);
			same_event(&e);
			cr_assert_eq(wire_event_encode(&e, buf), (int)bytes->n);
			cr_assert_eq(memcmp(buf, bytes->b, bytes->n), 0, "field %u", field);
		}
}

/* Numbers with more bytes than they need, and more than their field takes. */
static void put_long(struct bytes *to, uint32_t field, uint64_t value)
{
	put_tag(to, field, 0);
	for (int i = 0; i < 9; i++, value >>= 7)
		put(to, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
	put(to, &(uint8_t){(uint8_t)value}, 1);
}

/* What the short way does not take, or not by itself, means the same. */
Test(wire, an_ack_in_other_forms)
{
	static struct bytes inner, request;
	struct wire_request r;

	for (int form = 0; form < 7; form++) {
		inner.n = request.n = 0;
		if (form == 0) /* long numbers */
			put_long(&inner, 1, 5);
		if (form == 1) /* of which the upper half does not count */
			put_long(&inner, 1, UINT64_C(7) << 32 | 5);
		if (form > 1)
			put_number(&inner, 1, form == 2 ? 9 : 5);
		put_number(&inner, 3, 70000);
		put_number(&inner, 4, 1);
		if (form == 2) /* twice */
			put_number(&inner, 1, 5);
		if (form == 3) /* a zero, out of order */
			put_number(&inner, 2, 0);
		if (form == 4) /* unknown */
			put_string(&inner, 5, "of tomorrow");
		while (form == 5 && inner.n < 200) /* a length of two bytes */
			put_number(&inner, 4, 1);
		put_message(&request, 7, &inner);
		if (form == 6)
			put_number(&request, 1, 0);
		memset(&r, 0xaa, sizeof(r));
		cr_assert_eq(wire_request_decode(request.b, request.n, &r), 0, "form %d", form);
		cr_assert_eq(r.id, 0);
		cr_assert_eq(r.kind, WIRE_REQ_ACK);
		cr_assert_eq(r.ack.subscription, 5, "form %d", form);
		cr_assert_eq(r.ack.unit, 0);
		cr_assert_eq(r.ack.round, 70000);
		cr_assert_eq(r.ack.verdict, 1);
	}
}

Test(wire, an_interrupt_in_other_forms)
{
	static struct bytes inner, event, from_broker;
	struct wire_from_broker f;

	for (int form = 0; form < 4; form++) {
		inner.n = event.n = from_broker.n = 0;
		put_number(&inner, 4, UINT64_MAX);
		put_number(&inner, 7, 8);
		if (form == 1)
			put_number(&inner, 1, 5);
		if (form == 2)
			put_string(&inner, 8, "of tomorrow");
		put_message(&event, 1, &inner);
		put_message(&from_broker, 2, &event);
		if (form == 3)
			put_number(&from_broker, 9, 1);
		memset(&f, 0xaa, sizeof(f));
		cr_assert_eq(wire_from_broker_decode(from_broker.b, from_broker.n, &f), 0);
		cr_assert(f.is_event);
		cr_assert_eq(f.event.kind, WIRE_EV_INTERRUPT);
		cr_assert_eq(f.event.interrupt.subscription, form == 1 ? 5 : 0, "form %d", form);
		cr_assert_eq(f.event.interrupt.fired_at_ns, UINT64_MAX);
		cr_assert_eq(f.event.interrupt.count, 0);
		cr_assert_eq(f.event.interrupt.status, 8);
	}
}

/* A newer client or broker: what is unknown is skipped, or known to be unknown. */
Test(wire, unknown_is_skipped)
{
	static struct bytes ack, request, reply, from_broker, nothing;
	struct wire_from_broker f;
	struct wire_request r;

	put_number(&ack, 1, 7);
	put_string(&ack, 77, "of tomorrow");
	put_number(&request, 1, 9);
	put_message(&request, 7, &ack);
	put_tag(&request, 78, 1);
	put(&request, "12345678", 8);
	cr_assert_eq(wire_request_decode(request.b, request.n, &r), 0);
	cr_assert_eq(r.kind, WIRE_REQ_ACK);
	cr_assert_eq(r.ack.subscription, 7);

	request.n = 0;
	put_number(&request, 1, 10);
	put_message(&request, 99, &ack);
	cr_assert_eq(wire_request_decode(request.b, request.n, &r), 0);
	cr_assert_eq(r.kind, WIRE_REQ_UNKNOWN);
	cr_assert_eq(r.id, 10);

	put_number(&reply, 1, 11);
	put_message(&reply, 99, &ack);
	put_message(&from_broker, 1, &reply);
	cr_assert_eq(wire_from_broker_decode(from_broker.b, from_broker.n, &f), 0);
	cr_assert_not(f.is_event);
	cr_assert_eq(f.reply.kind, WIRE_REP_NONE);
	cr_assert_eq(f.reply.id, 11);
	cr_assert_eq(f.reply.status.code, WIRE_OK);

	from_broker.n = 0;
	put_message(&from_broker, 3, &nothing);
	cr_assert_eq(wire_from_broker_decode(from_broker.b, from_broker.n, &f), 0);
	cr_assert(f.is_event);
	cr_assert_eq(f.event.kind, WIRE_EV_UNKNOWN);
}

/* What is sent can be decoded, whatever a name or a cut-off sentence holds. */
Test(wire, bad_strings_are_mended)
{
	static const struct {
		const char *is, *becomes;
	} rows[] = {
		{"cut off \xc3", "cut off ?"},    {"cut off \xe2\x82", "cut off ??"},
		{"two\nlines", "two?lines"},      {"\x1b[31mred", "?[31mred"},
		{"latin \xe9t\xe9", "latin ?t?"}, {"fine \xe2\x82\xac", "fine \xe2\x82\xac"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire_event e = {.kind = WIRE_EV_GOING_AWAY};
		struct wire_from_broker f;
		int n;

		strcpy(e.going_away.text, rows[i].is);
		n = wire_event_encode(&e, buf);
		cr_assert_gt(n, 0);
		cr_assert_eq(wire_from_broker_decode(buf, n, &f), 0);
		cr_assert_str_eq(f.event.going_away.text, rows[i].becomes);
	}
}

/* The same numbers in the core, on the wire, in the page and in the library. */
Test(wire, numbers_agree)
{
	cr_assert_eq((int)ARB_HANDLED, (int)PTIRQ_HANDLED);
	cr_assert_eq((int)ARB_NOT_MINE, (int)PTIRQ_NOT_MINE);
	cr_assert_eq((int)ARB_EOI, (int)PTIRQ_EOI);

	cr_assert_eq((int)ARB_ASK_PROBE, (int)SLOT_PROBE);
	cr_assert_eq((int)ARB_ASK_MAYBE, (int)SLOT_MAYBE);
	cr_assert_eq((int)ARB_ASK_NOTIFIED, (int)SLOT_NOTIFIED);
	cr_assert_eq((int)ARB_ASK_HEDGE, (int)SLOT_HEDGE);
	cr_assert_eq((int)ARB_ASK_EDGE, (int)SLOT_EDGE);

	cr_assert_eq((int)PTIRQ_PROBE, (int)SLOT_PROBE);
	cr_assert_eq((int)PTIRQ_MAYBE, (int)SLOT_MAYBE);
	cr_assert_eq((int)PTIRQ_NOTIFIED, (int)SLOT_NOTIFIED);
	cr_assert_eq((int)PTIRQ_HEDGE, (int)SLOT_HEDGE);
	cr_assert_eq((int)PTIRQ_EDGE, (int)SLOT_EDGE);
	cr_assert_eq((int)PTIRQ_RETRACTED, (int)SLOT_RETRACTED);
}

/* The codes, verdicts and features are numbers of ptirq.proto: read it, it is the contract. */
static void number_in_proto(const char *name, unsigned int value)
{
	char line[512], want[128];
	FILE *f = fopen(PTIRQ_PROTO, "re");
	bool found = false;

	cr_assert(f, PTIRQ_PROTO);
	snprintf(want, sizeof(want), "  %s = %u;", name, value);
	while (!found && fgets(line, sizeof(line), f))
		found = strncmp(line, want, strlen(want)) == 0;
	fclose(f);
	cr_assert(found, "%s", want);
}

Test(wire, numbers_of_the_proto)
{
	number_in_proto("VERDICT_HANDLED", PTIRQ_HANDLED);
	number_in_proto("VERDICT_NOT_MINE", PTIRQ_NOT_MINE);
	number_in_proto("VERDICT_EOI", PTIRQ_EOI);
	number_in_proto("FEATURE_PAGES", __builtin_ctz(WIRE_FEATURE_PAGES));
	number_in_proto("FEATURE_OWN_EVENTFDS", __builtin_ctz(WIRE_FEATURE_OWN_EVENTFDS));
	number_in_proto("STATS_BROKER", WIRE_STATS_BROKER);
	number_in_proto("STATS_LINES", WIRE_STATS_LINES);
	number_in_proto("STATS_UNITS", WIRE_STATS_UNITS);
	number_in_proto("STATS_SUBSCRIBERS", WIRE_STATS_SUBSCRIBERS);
	number_in_proto("STATS_CLIENTS", WIRE_STATS_CLIENTS);
	number_in_proto("GRANT_REGISTERS", WIRE_GRANT_REGISTERS);
	number_in_proto("GRANT_SIM_PIN", WIRE_GRANT_SIM_PIN);
	number_in_proto("STATUS_OK", WIRE_OK);
	number_in_proto("STATUS_INVALID", WIRE_INVALID);
	number_in_proto("STATUS_NOT_FOUND", WIRE_NOT_FOUND);
	number_in_proto("STATUS_DENIED", WIRE_DENIED);
	number_in_proto("STATUS_EXISTS", WIRE_EXISTS);
	number_in_proto("STATUS_LIMIT", WIRE_LIMIT);
	number_in_proto("STATUS_UNSUPPORTED", WIRE_UNSUPPORTED);
	number_in_proto("STATUS_BUSY", WIRE_BUSY);
	number_in_proto("STATUS_GONE", WIRE_GONE);
	number_in_proto("STATUS_IO", WIRE_IO);
	number_in_proto("STATUS_STALE", WIRE_STALE);
	number_in_proto("STATUS_VERSION", WIRE_VERSION_MISMATCH);
	number_in_proto("STATUS_INTERNAL", WIRE_INTERNAL);
}

Test(wire, codes_are_errnos)
{
	cr_assert_eq(wire_code_errno(WIRE_OK), 0);
	cr_assert_eq(wire_code_errno(WIRE_DENIED), EACCES);
	cr_assert_eq(wire_code_errno(WIRE_LIMIT), EDQUOT);
	cr_assert_eq(wire_code_errno(WIRE_INTERNAL), EREMOTEIO);
	cr_assert_eq(wire_code_errno(WIRE_INTERNAL + 1), EREMOTEIO);
	cr_assert_eq(wire_code_errno(UINT32_MAX), EREMOTEIO);
}
