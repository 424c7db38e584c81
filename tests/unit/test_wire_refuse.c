/* SPDX-License-Identifier: MIT */
/*
 * Owns what the decoders refuse, and that a refusal leaves the result untouched: bad strings, too
 * many rows, truncated and nested messages, and those that unpack to more than the arena (T9, T10).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>

#include "proto/wire.h"
#include "tests/lib/fd_check.h"
#include "tests/unit/bytes.h"

TestSuite(wire_refuse, .init = fd_check_begin, .fini = fd_check_end);

enum { HELLO = 2, GET_LINE = 4, ACK = 7, RELOAD = 21 }; /* of Request */
enum { REPLY = 1, EVENT = 2 };                          /* of FromBroker */

static struct bytes b, inner, outer;

static int request(const struct bytes *bytes)
{
	struct wire_request got, before;
	int r;

	memset(&got, 0xaa, sizeof(got));
	before = got;
	r = wire_request_decode(bytes->b, bytes->n, &got);
	if (r < 0)
		cr_assert_eq(memcmp(&got, &before, sizeof(got)), 0, "touched on failure");
	return r;
}

static int from_broker(const struct bytes *bytes)
{
	static struct wire_from_broker got, before;
	int r;

	memset(&got, 0xaa, sizeof(got));
	memset(&before, 0xaa, sizeof(got));
	r = wire_from_broker_decode(bytes->b, bytes->n, &got);
	if (r < 0)
		cr_assert_eq(memcmp(&got, &before, sizeof(got)), 0, "touched on failure");
	return r;
}

static const struct bytes *get_line(const void *name, size_t size)
{
	inner.n = outer.n = 0;
	put_data(&inner, 1, name, size);
	put_message(&outer, GET_LINE, &inner);
	return &outer;
}

Test(wire_refuse, strings)
{
	static const struct {
		int result;
		size_t size;
		const char *bytes;
	} rows[] = {
		{0, 0, ""},
		{0, 4, "line"},
		{0, 2, "\xc3\xa9"},
		{0, 2, "\xc2\xa0"}, /* the first that is no control character */
		{0, 3, "\xe0\xa0\x80"},
		{0, 3, "\xed\x9f\xbf"},
		{0, 3, "\xef\xbf\xbf"},
		{0, 4, "\xf0\x90\x80\x80"},
		{0, 4, "\xf4\x8f\xbf\xbf"},
		{-EPROTO, 1, "\0"},
		{-EPROTO, 5, "li\0ne"},
		{-EPROTO, 5, "line\0"},
		{-EPROTO, 5, "li\nne"},
		{-EPROTO, 3, "\x1b[m"},
		{-EPROTO, 1, "\x7f"},
		{-EPROTO, 2, "\xc2\x9b"},     /* CSI, in its one-character form */
		{-EPROTO, 1, "\x80"},         /* a continuation alone */
		{-EPROTO, 2, "\xc1\xbf"},     /* overlong */
		{-EPROTO, 2, "\xc0\x80"},     /* overlong 0 */
		{-EPROTO, 1, "\xc3"},         /* cut off */
		{-EPROTO, 2, "\xc3("},        /* no continuation */
		{-EPROTO, 3, "\xe0\x9f\xbf"}, /* overlong */
		{-EPROTO, 3, "\xed\xa0\x80"}, /* a surrogate */
		{-EPROTO, 2, "\xe2\x82"},     /* cut off */
		{-EPROTO, 3, "\xe2\x82\x28"},
		{-EPROTO, 4, "\xf0\x8f\xbf\xbf"}, /* overlong */
		{-EPROTO, 4, "\xf4\x90\x80\x80"}, /* above U+10FFFF */
		{-EPROTO, 4, "\xf5\x80\x80\x80"},
		{-EPROTO, 4, "\xf0\x90\x80("},
		{-EPROTO, 1, "\xff"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_assert_eq(request(get_line(rows[i].bytes, rows[i].size)), rows[i].result,
			     "row %zu", i);
}

Test(wire_refuse, string_too_long)
{
	char name[LIMIT_NAME];

	memset(name, 'x', sizeof(name));
	cr_assert_eq(request(get_line(name, LIMIT_NAME - 1)), 0);
	cr_assert_eq(request(get_line(name, LIMIT_NAME)), -EPROTO);
}

/* The last member of a oneof replaces the others, unlooked at; other messages merge. */
Test(wire_refuse, given_twice)
{
	static struct bytes bad, good, nothing, reply;

	put_string(&bad, 1, "bad\n");
	put_string(&good, 1, "good");
	put_message(&b, GET_LINE, &bad);
	put_message(&b, GET_LINE, &good);
	cr_assert_eq(request(&b), 0);
	put_message(&b, GET_LINE, &bad);
	cr_assert_eq(request(&b), -EPROTO);
	put_message(&b, RELOAD, &nothing);
	cr_assert_eq(request(&b), 0);

	bad.n = good.n = b.n = 0;
	put_string(&bad, 2, "bad\n");
	put_number(&good, 1, 3);
	put_message(&reply, 2, &bad);
	put_message(&reply, 2, &good);
	put_message(&b, REPLY, &reply);
	cr_assert_eq(from_broker(&b), -EPROTO);
}

Test(wire_refuse, not_protobuf)
{
	static const struct {
		size_t size;
		const char *bytes;
	} rows[] = {
		{1, "\x08"},                                              /* a tag alone */
		{1, "\x00"},                                              /* field 0 */
		{2, "\x08\x80"},                                          /* a varint cut off */
		{12, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}, /* 11 bytes of it */
		{2, "\x0b\x0c"},                                          /* a group */
		{2, "\x0e\x00"},                                          /* wire type 6 */
		{3, "\x12\x05x"},                                         /* shorter than it says */
		{7, "\x12\xff\xff\xff\xff\x0f"
		    "x"},                    /* a length of 4 GiB */
		{3, "\x09\x01\x02"},         /* 64 bits cut off */
		{2, "\x10\x01"},             /* hello as a number */
		{3, "\x22\x01\x0a"},         /* a bad message inside */
		{3, "\x3a\x01\x08"},         /* an ack, cut off within a field */
		{4, "\x3a\x03\x08\x01"},     /* shorter than it says */
		{4, "\x3a\x01\x08\x01"},     /* and longer */
		{5, "\x3a\x03\x08\x80\x80"}, /* a number cut off */
		{14,
		 "\x3a\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}, /* 11 bytes of it */
		{2, "\x3a\x80"},                                              /* a length cut off */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		b.n = 0;
		put(&b, rows[i].bytes, rows[i].size);
		cr_assert_eq(request(&b), -EPROTO, "row %zu", i);
	}
}

/* On the heap and exact, for the sanitizers. */
static void truncations(const uint8_t *data, int n, int (*decode)(const uint8_t *data, size_t size))
{
	for (int size = 1; size < n; size++) {
		uint8_t *exact = malloc(size);

		memcpy(exact, data, size);
		cr_assert_eq(decode(exact, size), -EPROTO, "%d bytes", size);
		free(exact);
	}
}

static int decode_request(const uint8_t *data, size_t size)
{
	struct wire_request request;

	return wire_request_decode(data, size, &request);
}

static int decode_from_broker(const uint8_t *data, size_t size)
{
	struct wire_from_broker from_broker;

	return wire_from_broker_decode(data, size, &from_broker);
}

/* Every prefix of a message: a decision, never a crash, never something made up. */
Test(wire_refuse, every_truncation)
{
	static struct wire_reply reply = {.id = 1, .kind = WIRE_REP_STATS};
	const struct wire_request ack = {.kind = WIRE_REQ_ACK, .ack = {7, 300, 70000, 1}};
	const struct wire_event event = {
		.kind = WIRE_EV_INTERRUPT,
		.interrupt = {.subscription = 7, .fired_at_ns = UINT64_MAX, .status = 300},
	};
	uint8_t buf[LIMIT_MESSAGE];
	int n;

	reply.stats.n = 2;
	strcpy(reply.stats.row[0].line, "line");
	strcpy(reply.stats.row[1].client_name, "client");
	reply.stats.row[1].response.max_ns = UINT64_MAX;
	n = wire_reply_encode(&reply, buf);
	cr_assert_gt(n, 0);
	truncations(buf, n, decode_from_broker);
	truncations(buf, wire_event_encode(&event, buf), decode_from_broker);
	truncations(buf, wire_request_encode(&ack, buf), decode_request);
}

Test(wire_refuse, larger_than_a_message)
{
	static const uint8_t text[LIMIT_MESSAGE];

	put_data(&b, 99, text, LIMIT_MESSAGE - 4);
	cr_assert_eq(b.n, LIMIT_MESSAGE);
	cr_assert_eq(request(&b), 0);
	b.n = 0;
	put_data(&b, 99, text, LIMIT_MESSAGE - 3);
	cr_assert_eq(b.n, LIMIT_MESSAGE + 1);
	cr_assert_eq(request(&b), -EPROTO);
	cr_assert_eq(from_broker(&b), -EPROTO);
}

Test(wire_refuse, more_rows_than_there_is_room)
{
	static struct bytes reply;
	static const struct {
		uint32_t body, field; /* of Reply, and of what it holds */
		int most;
	} rows[] = {
		{4, 1, WIRE_LINES_PER_REPLY},
		{5, 2, LIMIT_DEVICES_PER_LINE},
		{7, 1, WIRE_STATS_PER_REPLY},
		{8, 1, WIRE_REGIONS},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int n = rows[i].most; n <= rows[i].most + 1; n++) {
			b.n = inner.n = reply.n = 0;
			for (int row = 0; row < n; row++)
				put_data(&inner, rows[i].field, "", 0);
			put_message(&reply, rows[i].body, &inner);
			put_message(&b, REPLY, &reply);
			cr_assert_eq(from_broker(&b), n > rows[i].most ? -EPROTO : 0, "row %zu", i);
		}
	}
	for (int n = LIMIT_UNITS_PER_LINE; n <= LIMIT_UNITS_PER_LINE + 1; n++) {
		uint8_t units[LIMIT_UNITS_PER_LINE + 1] = {0};

		b.n = inner.n = reply.n = 0;
		put_data(&inner, 3, units, n);
		put_message(&reply, 6, &inner);
		put_message(&b, REPLY, &reply);
		cr_assert_eq(from_broker(&b), n > LIMIT_UNITS_PER_LINE ? -EPROTO : 0);
	}
}

/* ---- promise 10: bounded heap and stack --------------------------------------------------------- */

/* T9: no type refers to itself, so what nests is skipped as bytes. */
Test(wire_refuse, T9_deep_nesting)
{
	static struct bytes in, out;

	for (uint32_t field = 2; field <= 22; field++) {
		in.n = 0;
		for (;;) {
			out.n = 0;
			put_message(&out, field, &in);
			if (out.n > LIMIT_MESSAGE)
				break;
			in = out;
		}
		request(&in);
		from_broker(&in);
	}
	cr_assert_geq(in.n, LIMIT_MESSAGE - 3);
}

static void *decode_bombs(void *unused)
{
	(void)unused;
	/* T10: two bytes each: 2,048 empty messages, hellos, features, strings, unknown fields. */
	for (uint32_t field = 1; field <= 15; field++) {
		b.n = inner.n = 0;
		while (inner.n < LIMIT_MESSAGE - 8)
			put_data(&inner, field, "", 0);
		request(&inner);
		from_broker(&inner);
		for (uint32_t outside = 1; outside <= 8; outside++) {
			b.n = 0;
			put_message(&b, outside, &inner);
			request(&b);
			from_broker(&b);
		}
	}
	return NULL;
}

/* 245 kB of empty rows in one message, and whatever else is small outside and large inside. */
Test(wire_refuse, T10_amplification)
{
	static struct bytes reply;
	pthread_attr_t attr;
	pthread_t thread;

	/* FromBroker { reply { stats { rows {} rows {} ... } } }: 312 bytes for each two. */
	while (inner.n < LIMIT_MESSAGE - 16)
		put_data(&inner, 1, "", 0);
	put_message(&reply, 7, &inner);
	put_message(&b, REPLY, &reply);
	cr_assert_leq(b.n, LIMIT_MESSAGE);
	cr_assert_eq(from_broker(&b), -EPROTO);

	/* As much stack as wire.h asks for, and what a thread needs by itself. */
	pthread_attr_init(&attr);
	cr_assert_eq(pthread_attr_setstacksize(&attr, 160 * 1024), 0);
	cr_assert_eq(pthread_create(&thread, &attr, decode_bombs, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

/* Unknown fields are kept by protobuf-c: they are skipped as long as the arena holds them. */
Test(wire_refuse, T10_unknown_fields)
{
	put_data(&b, ACK, "", 0);
	for (int i = 0; i < 100; i++)
		put_number(&b, 15, 0);
	cr_assert_eq(request(&b), 0);
	while (b.n < LIMIT_MESSAGE - 2)
		put_number(&b, 15, 0);
	cr_assert_eq(request(&b), -EPROTO);
}

/* Random damage to a valid message: a result or a refusal; what is accepted is terminated. */
Test(wire_refuse, damaged)
{
	struct wire_request r, whole = {.id = 1, .kind = WIRE_REQ_SUBSCRIBE};
	uint8_t buf[LIMIT_MESSAGE], damaged[LIMIT_MESSAGE];
	uint32_t random = 1;
	int n;

	strcpy(whole.subscribe.line, "a-line");
	strcpy(whole.subscribe.device, "a-device");
	whole.subscribe.deadline_ns = UINT64_MAX;
	n = wire_request_encode(&whole, buf);
	for (int i = 0; i < 20000; i++) {
		memcpy(damaged, buf, n);
		for (int hit = 0; hit < 3; hit++) {
			random = random * 1664525 + 1013904223;
			damaged[(random >> 8) % n] ^= 1 << (random >> 28) % 8;
		}
		if (wire_request_decode(damaged, n, &r) < 0 || r.kind != WIRE_REQ_SUBSCRIBE)
			continue;
		cr_assert_lt(strnlen(r.subscribe.line, LIMIT_NAME), LIMIT_NAME);
		cr_assert_lt(strnlen(r.subscribe.device, LIMIT_NAME), LIMIT_NAME);
	}
}
