// SPDX-License-Identifier: MIT
/*
 * ptirq.v1 between bytes and plain structs: the only file that sees the generated code.
 *
 * Each message is one list of its fields below, from which its two halves are made: x_out() from the
 * plain struct to protobuf-c's, x_in() back. Both work in an arena of LIMIT_DECODE_ARENA bytes on the
 * stack of the call: no heap, no thread storage (which glibc would take from every thread's stack),
 * and nothing to free. A thread that uses this needs about 100 KiB of stack. Interrupt and Ack in their
 * usual form go past all this (wire_hot.c).
 *
 * Must not do I/O, keep state, or judge what a message means.
 */
#include "proto/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include "proto/text.h"
#include "proto/wire_hot.h"
#include "ptirq.pb-c.h"

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the arena ---------------------------------------------------------------------------------- */

/* Blocks are preceded by their size: the only way to know how long a string was on the wire. */
struct arena {
	size_t used, size;
	uint8_t *bytes;
	bool full; /* something did not fit */
};

#define ARENA_ALIGN alignof(max_align_t)

/* An arena of @n bytes on the stack of this call. */
#define ARENA(name, n)                                \
	alignas(max_align_t) uint8_t name##_bytes[n]; \
	struct arena name = {.size = (n), .bytes = name##_bytes}

static void *arena_alloc(void *data, size_t size)
{
	struct arena *a = data;
	uint8_t *block = a->bytes + a->used;
	size_t room = a->size - a->used;

	if (size > room ||
	    ARENA_ALIGN + (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN > room) {
		a->full = true;
		return NULL;
	}
	memcpy(block, &size, sizeof(size));
	a->used += ARENA_ALIGN + (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	return block + ARENA_ALIGN;
}

static void arena_free(void *data, void *block)
{
	(void)data;
	(void)block;
}

static size_t arena_size(const void *block)
{
	size_t size;

	memcpy(&size, (const uint8_t *)block - ARENA_ALIGN, sizeof(size));
	return size;
}

/*
 * For encoding. Cannot fail: the structs of the largest message with a copy of its every string are
 * half of this.
 */
#define ENCODE_ARENA (4 * sizeof(struct wire_from_broker))
static void *arena_take(struct arena *a, size_t size)
{
	void *block = arena_alloc(a, size);

	assert(block);
	return block;
}

/* ---- strings ------------------------------------------------------------------------------------ */

/* @s, or a copy with '?' for each bad byte: what is sent can always be decoded. */
static char *string_out(struct arena *a, const char *s)
{
	size_t size = strlen(s), i = text_good_prefix(s, size);
	char *copy;

	if (i == size)
		return (char *)s;
	copy = memcpy(arena_take(a, size + 1), s, size + 1);
	for (; i < size; i += text_good_prefix(copy + i, size - i))
		copy[i] = '?';
	return copy;
}

static bool string_in(const char *s, char *ret, size_t size)
{
	size_t length;

	/* Protobuf-c's own empty string is not from the arena; one sent as empty is, with size 1. */
	if (s == protobuf_c_empty_string)
		return true;
	length = arena_size(s) - 1;
	if (length >= size || text_good_prefix(s, length) < length)
		return false;
	memcpy(ret, s, length);
	return true;
}

/* ---- kinds of fields ---------------------------------------------------------------------------- */

#define OUT(kind, ...) OUT_##kind(__VA_ARGS__)
#define IN(kind, ...)  IN_##kind(__VA_ARGS__)

/* A number, a bool, an enum. */
#define OUT_NUM(f) p->f = w->f;
#define IN_NUM(f)  w->f = p->f;

#define OUT_STR(f) p->f = string_out(a, w->f);
#define IN_STR(f)                                 \
	if (!string_in(p->f, w->f, sizeof(w->f))) \
		return false;

/* A message within; absent is the same as empty. */
#define OUT_SUB(f, message)                  \
	p->f = arena_take(a, sizeof(*p->f)); \
	message##_out(a, &w->f, p->f);
#define IN_SUB(f, message)                      \
	if (p->f && !message##_in(p->f, &w->f)) \
		return false;

/* Messages: protobuf-c's array of pointers @f, ours @rows with their number @n. */
#define OUT_ROWS(f, n, rows, message)                      \
	assert(w->n <= ELEMENTS(w->rows));                 \
	p->n_##f = w->n;                                   \
	p->f = arena_take(a, w->n * sizeof(*p->f));        \
	for (size_t i = 0; i < w->n; i++) {                \
		p->f[i] = arena_take(a, sizeof(*p->f[i])); \
		message##_out(a, &w->rows[i], p->f[i]);    \
	}
#define IN_ROWS(f, n, rows, message)                     \
	if (p->n_##f > ELEMENTS(w->rows))                \
		return false;                            \
	w->n = p->n_##f;                                 \
	for (size_t i = 0; i < w->n; i++)                \
		if (!message##_in(p->f[i], &w->rows[i])) \
			return false;

/* Numbers. */
#define OUT_LIST(f, list)                      \
	assert(w->n_##f <= ELEMENTS(w->list)); \
	p->n_##f = w->n_##f;                   \
	p->f = (uint32_t *)w->list;
#define IN_LIST(f, list)                      \
	if (p->n_##f > ELEMENTS(w->list))     \
		return false;                 \
	w->n_##f = p->n_##f;                  \
	for (size_t i = 0; i < p->n_##f; i++) \
		w->list[i] = p->f[i];

/* Features: a bit each here, a list there. */
#define FEATURES (WIRE_FEATURE_PAGES | WIRE_FEATURE_OWN_EVENTFDS)
#define OUT_SET(f)                                        \
	p->f = arena_take(a, 32 * sizeof(*p->f));         \
	for (uint32_t bit = 0; bit < 32; bit++)           \
		if (w->f & FEATURES & UINT32_C(1) << bit) \
			p->f[p->n_##f++] = bit;
#define IN_SET(f)                             \
	for (size_t i = 0; i < p->n_##f; i++) \
		if ((uint32_t)p->f[i] < 32)   \
			w->f |= FEATURES & UINT32_C(1) << p->f[i];

/* ---- fields of messages ------------------------------------------------------------------------- */

/* @wire is zeroed by the caller: what is absent is 0. */
#define MESSAGE(message, Message, wire, FIELDS)                                            \
	static void message##_out(struct arena *a, const wire *w, Ptirq__V1__##Message *p) \
	{                                                                                  \
		(void)a;                                                                   \
		ptirq__v1__##message##__init(p);                                           \
		FIELDS(OUT)                                                                \
	}                                                                                  \
	static bool message##_in(const Ptirq__V1__##Message *p, wire *w)                   \
	{                                                                                  \
		FIELDS(IN)                                                                 \
		return true;                                                               \
	}
#define MEMBER(parent, member) typeof(((struct parent *)0)->member)

/* Else each line of a list would be indented one step more than the one before. */
/* clang-format off */
#define STATUS(F) F(NUM, code) F(STR, message)
MESSAGE(status, Status, struct wire_status, STATUS)

#define HELLO(F) F(NUM, version_min) F(NUM, version_max) F(SET, features) F(STR, name)
MESSAGE(hello, Hello, struct wire_hello, HELLO)

#define LIST_LINES(F) F(NUM, cursor)
MESSAGE(list_lines, ListLines, MEMBER(wire_request, list_lines), LIST_LINES)

#define GET_LINE(F) F(STR, line)
MESSAGE(get_line, GetLine, MEMBER(wire_request, get_line), GET_LINE)

#define SUBSCRIBE(F) \
	F(STR, line) F(STR, device) F(NUM, priority) F(NUM, deadline_ns) \
	F(NUM, messages) F(NUM, own_eventfds) F(NUM, resample) F(NUM, direct) F(NUM, notify)
MESSAGE(subscribe, Subscribe, struct wire_subscribe, SUBSCRIBE)

#define SUBSCRIPTION(F) F(NUM, subscription)
MESSAGE(unsubscribe, Unsubscribe, MEMBER(wire_request, unsubscribe), SUBSCRIPTION)
MESSAGE(park, Park, MEMBER(wire_request, park), SUBSCRIPTION)
MESSAGE(unpark, Unpark, MEMBER(wire_request, unpark), SUBSCRIPTION)

#define ACK(F) F(NUM, subscription) F(NUM, unit) F(NUM, round) F(NUM, verdict)
MESSAGE(ack, Ack, struct wire_ack, ACK)

#define GET_STATS(F) F(NUM, scope) F(STR, line) F(NUM, cursor)
MESSAGE(get_stats, GetStats, struct wire_get_stats, GET_STATS)

#define WATCH(F) F(STR, line) F(NUM, stop)
MESSAGE(watch, Watch, MEMBER(wire_request, watch), WATCH)

#define GRANT_DEVICE(F) F(STR, line) F(STR, device) F(NUM, kind)
MESSAGE(grant_device, GrantDevice, MEMBER(wire_request, grant_device), GRANT_DEVICE)

#define RELEASE(F) F(STR, line) F(NUM, client)
MESSAGE(release, Release, MEMBER(wire_request, release), RELEASE)

#define SIM_ASSERT(F) F(STR, line) F(STR, device) F(NUM, bits) F(NUM, deassert)
MESSAGE(sim_assert, SimAssert, MEMBER(wire_request, sim_assert), SIM_ASSERT)

#define HELLO_REPLY(F) \
	F(NUM, version) F(SET, features) F(NUM, client) F(NUM, epoch) F(STR, broker) \
	F(NUM, administrator)
MESSAGE(hello_reply, HelloReply, MEMBER(wire_reply, hello), HELLO_REPLY)

#define DEVICE(F) \
	F(STR, name) F(NUM, unit) F(NUM, present) F(NUM, has_mask) F(NUM, has_status) \
	F(NUM, held) F(NUM, grantable) F(STR, location) F(NUM, unsafe_dma) F(STR, path)
MESSAGE(device, Device, struct wire_device, DEVICE)

#define LINE(F) \
	F(STR, name) F(STR, source) F(STR, trigger) F(STR, policy) F(NUM, units) \
	F(NUM, devices) F(NUM, subscribers) F(NUM, max_subscribers) F(STR, state) \
	F(NUM, deadline_ns) F(STR, problem)
MESSAGE(line, Line, struct wire_line, LINE)

#define LINES_REPLY(F) F(ROWS, lines, n, line, line) F(NUM, next_cursor)
MESSAGE(lines_reply, LinesReply, MEMBER(wire_reply, lines), LINES_REPLY)

#define LINE_REPLY(F) F(SUB, line, line) F(ROWS, devices, n_devices, device, device)
MESSAGE(line_reply, LineReply, MEMBER(wire_reply, line), LINE_REPLY)

#define SUBSCRIBE_REPLY(F) F(NUM, subscription) F(NUM, first_slot) F(LIST, units, unit)
MESSAGE(subscribe_reply, SubscribeReply, MEMBER(wire_reply, subscribe), SUBSCRIBE_REPLY)

#define HISTOGRAM(F) F(NUM, count) F(NUM, p50_ns) F(NUM, p99_ns) F(NUM, p999_ns) F(NUM, max_ns)
MESSAGE(histogram, Histogram, struct wire_histogram, HISTOGRAM)

#define STATS(F) \
	F(STR, line) F(NUM, unit) F(NUM, subscription) F(NUM, client) \
	F(STR, client_name) F(NUM, pid) F(NUM, uid) F(STR, device) F(STR, state) \
	F(NUM, rounds) F(NUM, asks) F(NUM, handled) F(NUM, not_mine) F(NUM, eoi) \
	F(NUM, timeouts) F(NUM, debts) F(NUM, strikes) F(NUM, stale) F(NUM, retracted) \
	F(NUM, spurious) F(NUM, throttled) F(NUM, forced) F(NUM, unhandled) \
	F(NUM, masked_ns) F(NUM, max_masked_ns) F(NUM, throttled_ns) F(NUM, faults) \
	F(SUB, response, histogram) F(STR, path)
MESSAGE(stats, Stats, struct wire_stats, STATS)

#define STATS_REPLY(F) F(ROWS, rows, n, row, stats) F(NUM, next_cursor)
MESSAGE(stats_reply, StatsReply, MEMBER(wire_reply, stats), STATS_REPLY)

#define REGION(F) F(STR, name) F(NUM, size) F(NUM, offset) F(NUM, read_only)
MESSAGE(region, Region, MEMBER(wire_reply, grant.region[0]), REGION)

#define GRANT_REPLY(F) F(ROWS, regions, n, region, region)
MESSAGE(grant_reply, GrantReply, MEMBER(wire_reply, grant), GRANT_REPLY)

#define INTERRUPT(F) \
	F(NUM, subscription) F(NUM, unit) F(NUM, round) F(NUM, fired_at_ns) \
	F(NUM, count) F(NUM, flags) F(NUM, status)
MESSAGE(interrupt, Interrupt, struct wire_interrupt, INTERRUPT)

#define RETRACTED(F) F(NUM, subscription) F(NUM, unit) F(NUM, round)
MESSAGE(retracted, Retracted, MEMBER(wire_event, retracted), RETRACTED)

#define LINE_STATE(F) F(STR, line) F(NUM, unit) F(STR, state) F(STR, text)
MESSAGE(line_state, LineState, MEMBER(wire_event, line_state), LINE_STATE)

#define EPOCH(F) F(NUM, epoch)
MESSAGE(epoch, Epoch, MEMBER(wire_event, epoch), EPOCH)

#define EVICTED(F) F(NUM, subscription) F(SUB, reason, status)
MESSAGE(evicted, Evicted, MEMBER(wire_event, evicted), EVICTED)

#define GOING_AWAY(F) F(STR, text)
MESSAGE(going_away, GoingAway, MEMBER(wire_event, going_away), GOING_AWAY)

#define WATCH_RECORD(F) \
	F(NUM, time_ns) F(STR, line) F(NUM, unit) F(STR, what) F(NUM, round) \
	F(NUM, subscription) F(STR, client_name) F(NUM, took_ns) F(STR, detail) \
	F(NUM, dropped)
MESSAGE(watch_record, WatchRecord, struct wire_watch, WATCH_RECORD)
/* clang-format on */

/* ---- which message it is ------------------------------------------------------------------------ */

/* X(KIND, member of the oneof and of the union, message) */
#define REQUESTS(X)                                 \
	X(HELLO, hello, hello)                      \
	X(LIST_LINES, list_lines, list_lines)       \
	X(GET_LINE, get_line, get_line)             \
	X(SUBSCRIBE, subscribe, subscribe)          \
	X(UNSUBSCRIBE, unsubscribe, unsubscribe)    \
	X(ACK, ack, ack)                            \
	X(PARK, park, park)                         \
	X(UNPARK, unpark, unpark)                   \
	X(GET_STATS, get_stats, get_stats)          \
	X(WATCH, watch, watch)                      \
	X(GRANT_DEVICE, grant_device, grant_device) \
	X(RELEASE, release, release)                \
	X(SIM_ASSERT, sim_assert, sim_assert)

#define REPLIES(X)                               \
	X(HELLO, hello, hello_reply)             \
	X(LINES, lines, lines_reply)             \
	X(LINE, line, line_reply)                \
	X(SUBSCRIBE, subscribe, subscribe_reply) \
	X(STATS, stats, stats_reply)             \
	X(GRANT, grant, grant_reply)

#define EVENTS(X)                             \
	X(INTERRUPT, interrupt, interrupt)    \
	X(RETRACTED, retracted, retracted)    \
	X(LINE_STATE, line_state, line_state) \
	X(EPOCH, epoch, epoch)                \
	X(EVICTED, evicted, evicted)          \
	X(GOING_AWAY, going_away, going_away) \
	X(WATCH, watch, watch_record)

#define CASE_OUT(oneof, CASE, member, message)        \
	p.oneof##_case = CASE;                        \
	p.member = arena_take(&a, sizeof(*p.member)); \
	message##_out(&a, &w->member, p.member);      \
	break;

static int pack(const ProtobufCMessage *p, uint8_t buf[LIMIT_MESSAGE])
{
	size_t size = protobuf_c_message_get_packed_size(p);

	return size > LIMIT_MESSAGE ? -EMSGSIZE : (int)protobuf_c_message_pack(p, buf);
}

int wire_request_encode(const struct wire_request *w, uint8_t buf[LIMIT_MESSAGE])
{
	Ptirq__V1__Request p = PTIRQ__V1__REQUEST__INIT;
	Ptirq__V1__Reload reload = PTIRQ__V1__RELOAD__INIT;
	ARENA(a, ENCODE_ARENA);

	if (w->kind == WIRE_REQ_ACK && !w->id)
		return wire_hot_ack_encode(&w->ack, buf);
	p.id = w->id;
	switch (w->kind) {
#define X(KIND, member, message) \
	case WIRE_REQ_##KIND: CASE_OUT(request, PTIRQ__V1__REQUEST__REQUEST_##KIND, member, message)
		REQUESTS(X)
#undef X
	case WIRE_REQ_RELOAD:
		p.request_case = PTIRQ__V1__REQUEST__REQUEST_RELOAD;
		p.reload = &reload;
		break;
	case WIRE_REQ_UNKNOWN:
	case WIRE_N_REQUESTS: break;
	}
	return pack(&p.base, buf);
}

int wire_reply_encode(const struct wire_reply *w, uint8_t buf[LIMIT_MESSAGE])
{
	Ptirq__V1__FromBroker outer = PTIRQ__V1__FROM_BROKER__INIT;
	Ptirq__V1__Reply p = PTIRQ__V1__REPLY__INIT;
	Ptirq__V1__Status status;
	ARENA(a, ENCODE_ARENA);

	p.id = w->id;
	status_out(&a, &w->status, &status);
	p.status = &status;
	switch (w->kind) {
#define X(KIND, member, message) \
	case WIRE_REP_##KIND: CASE_OUT(body, PTIRQ__V1__REPLY__BODY_##KIND, member, message)
		REPLIES(X)
#undef X
	case WIRE_REP_NONE: break;
	}
	outer.message_case = PTIRQ__V1__FROM_BROKER__MESSAGE_REPLY;
	outer.reply = &p;
	return pack(&outer.base, buf);
}

int wire_event_encode(const struct wire_event *w, uint8_t buf[LIMIT_MESSAGE])
{
	Ptirq__V1__FromBroker outer = PTIRQ__V1__FROM_BROKER__INIT;
	Ptirq__V1__Event p = PTIRQ__V1__EVENT__INIT;
	ARENA(a, ENCODE_ARENA);

	if (w->kind == WIRE_EV_INTERRUPT)
		return wire_hot_interrupt_encode(&w->interrupt, buf);
	switch (w->kind) {
#define X(KIND, member, message) \
	case WIRE_EV_##KIND: CASE_OUT(event, PTIRQ__V1__EVENT__EVENT_##KIND, member, message)
		EVENTS(X)
#undef X
	case WIRE_EV_UNKNOWN: break;
	}
	outer.message_case = PTIRQ__V1__FROM_BROKER__MESSAGE_EVENT;
	outer.event = &p;
	return pack(&outer.base, buf);
}

static void *unpack(struct arena *a, const ProtobufCMessageDescriptor *type, const uint8_t *data,
		    size_t size)
{
	ProtobufCAllocator allocator = {arena_alloc, arena_free, a};

	return size > LIMIT_MESSAGE ? NULL
				    : protobuf_c_message_unpack(type, &allocator, size, data);
}

static bool request_in(const Ptirq__V1__Request *p, struct wire_request *w)
{
	w->id = p->id;
	switch (p->request_case) {
#define X(KIND, member, message)                 \
	case PTIRQ__V1__REQUEST__REQUEST_##KIND: \
		w->kind = WIRE_REQ_##KIND;       \
		return message##_in(p->member, &w->member);
		REQUESTS(X)
#undef X
	case PTIRQ__V1__REQUEST__REQUEST_RELOAD: w->kind = WIRE_REQ_RELOAD; return true;
	case PTIRQ__V1__REQUEST__REQUEST__NOT_SET:
	case _PTIRQ__V1__REQUEST__REQUEST__CASE_IS_INT_SIZE: break;
	}
	w->kind = WIRE_REQ_UNKNOWN;
	return true;
}

static bool reply_in(const Ptirq__V1__Reply *p, struct wire_reply *w)
{
	w->id = p->id;
	IN_SUB(status, status)
	switch (p->body_case) {
#define X(KIND, member, message)            \
	case PTIRQ__V1__REPLY__BODY_##KIND: \
		w->kind = WIRE_REP_##KIND;  \
		return message##_in(p->member, &w->member);
		REPLIES(X)
#undef X
	case PTIRQ__V1__REPLY__BODY__NOT_SET:
	case _PTIRQ__V1__REPLY__BODY__CASE_IS_INT_SIZE: break;
	}
	w->kind = WIRE_REP_NONE;
	return true;
}

static bool event_in(const Ptirq__V1__Event *p, struct wire_event *w)
{
	switch (p->event_case) {
#define X(KIND, member, message)             \
	case PTIRQ__V1__EVENT__EVENT_##KIND: \
		w->kind = WIRE_EV_##KIND;    \
		return message##_in(p->member, &w->member);
		EVENTS(X)
#undef X
	case PTIRQ__V1__EVENT__EVENT__NOT_SET:
	case _PTIRQ__V1__EVENT__EVENT__CASE_IS_INT_SIZE: break;
	}
	w->kind = WIRE_EV_UNKNOWN;
	return true;
}

static int request_decode(struct arena *a, const uint8_t *data, size_t size, void *ret)
{
	struct wire_request w;
	const Ptirq__V1__Request *p;

	p = unpack(a, &ptirq__v1__request__descriptor, data, size);
	memset(&w, 0, sizeof(w));
	if (!p || !request_in(p, &w))
		return -EPROTO;
	memcpy(ret, &w, sizeof(w));
	return 0;
}

static int from_broker_decode(struct arena *a, const uint8_t *data, size_t size, void *ret)
{
	struct wire_from_broker w;
	const Ptirq__V1__FromBroker *p;
	bool good = true;

	p = unpack(a, &ptirq__v1__from_broker__descriptor, data, size);
	if (!p)
		return -EPROTO;
	memset(&w, 0, sizeof(w));
	switch (p->message_case) {
	case PTIRQ__V1__FROM_BROKER__MESSAGE_REPLY: good = reply_in(p->reply, &w.reply); break;
	case PTIRQ__V1__FROM_BROKER__MESSAGE_EVENT:
		w.is_event = true;
		good = event_in(p->event, &w.event);
		break;
	case PTIRQ__V1__FROM_BROKER__MESSAGE__NOT_SET:
	case _PTIRQ__V1__FROM_BROKER__MESSAGE__CASE_IS_INT_SIZE:
		/* Neither: of a newer broker. */
		w.is_event = true;
		break;
	}
	if (!good)
		return -EPROTO;
	memcpy(ret, &w, sizeof(w));
	return 0;
}

/*
 * What nearly every message unpacks to fits in one page of the stack. A frame of the whole limit would
 * cost as much as the decoding: the compiler's guard against stack clashes touches its every page.
 */
#define USUAL_ARENA 2048

static __attribute__((noinline)) int decode_large(int (*decode)(struct arena *, const uint8_t *,
								size_t, void *),
						  const uint8_t *data, size_t size, void *ret)
{
	ARENA(a, LIMIT_DECODE_ARENA);

	return decode(&a, data, size, ret);
}

static int decode_usual(int (*decode)(struct arena *, const uint8_t *, size_t, void *),
			const uint8_t *data, size_t size, void *ret)
{
	ARENA(a, USUAL_ARENA);
	int r = decode(&a, data, size, ret);

	return a.full ? decode_large(decode, data, size, ret) : r;
}

int wire_request_decode(const uint8_t *data, size_t size, struct wire_request *ret)
{
	struct wire_ack ack;

	if (!wire_hot_ack_decode(data, size, &ack))
		return decode_usual(request_decode, data, size, ret);
	memset(ret, 0, sizeof(*ret));
	ret->kind = WIRE_REQ_ACK;
	ret->ack = ack;
	return 0;
}

int wire_from_broker_decode(const uint8_t *data, size_t size, struct wire_from_broker *ret)
{
	if (!wire_hot_interrupt_decode(data, size, &ret->event.interrupt))
		return decode_usual(from_broker_decode, data, size, ret);
	memset(ret, 0, offsetof(struct wire_from_broker, event.interrupt));
	ret->is_event = true;
	ret->event.kind = WIRE_EV_INTERRUPT;
	return 0;
}

int wire_code_errno(uint32_t code)
{
	static const int errnos[] = {
		[WIRE_OK] = 0,
		[WIRE_INVALID] = EINVAL,
		[WIRE_NOT_FOUND] = ENOENT,
		[WIRE_DENIED] = EACCES,
		[WIRE_EXISTS] = EEXIST,
		[WIRE_LIMIT] = EDQUOT,
		[WIRE_UNSUPPORTED] = EOPNOTSUPP,
		[WIRE_BUSY] = EBUSY,
		[WIRE_GONE] = ENODEV,
		[WIRE_IO] = EIO,
		[WIRE_STALE] = ESTALE,
		[WIRE_VERSION_MISMATCH] = EPROTONOSUPPORT,
		[WIRE_INTERNAL] = EREMOTEIO,
	};

	return code < ELEMENTS(errnos) ? errnos[code] : EREMOTEIO;
}
