// SPDX-License-Identifier: MIT
/*
 * Owns the form that every encoder gives to a message of a few numbers: fields in the order of their
 * numbers, zeros left out, lengths of one byte. Must not judge what has another form, and not accept it
 * either: repeated, reversed and unknown fields are the generated code's business.
 */
#include "proto/wire_hot.h"

#include <string.h>

/* Field number, its type in ptirq.proto (an enum is an int32_t), its name. */
#define INTERRUPT(F)                 \
	F(1, uint32_t, subscription) \
	F(2, uint32_t, unit)         \
	F(3, uint32_t, round)        \
	F(4, uint64_t, fired_at_ns)  \
	F(5, uint64_t, count)        \
	F(6, uint32_t, flags)        \
	F(7, uint32_t, status)

#define ACK(F)                       \
	F(1, uint32_t, subscription) \
	F(2, uint32_t, unit)         \
	F(3, uint32_t, round)        \
	F(4, int32_t, verdict)

/* A new field belongs here as well. */
#define SIZE(field, type, name) +sizeof(type)
_Static_assert(sizeof(struct wire_interrupt) == 4 INTERRUPT(SIZE), "and 4 bytes of padding");
_Static_assert(sizeof(struct wire_ack) == 0 ACK(SIZE), "no more");

#define KEY_NUMBER(field)  ((field) << 3)
#define KEY_MESSAGE(field) ((field) << 3 | 2)
enum {
	EVENT_OF_FROM_BROKER = KEY_MESSAGE(2),
	INTERRUPT_OF_EVENT = KEY_MESSAGE(1),
	ACK_OF_REQUEST = KEY_MESSAGE(7),
};

/* ---- encoding ---- */

static uint8_t *put(uint8_t *out, uint8_t field, uint64_t value)
{
	if (!value)
		return out;
	*out++ = KEY_NUMBER(field);
	for (; value >= 0x80; value >>= 7)
		*out++ = 0x80 | (value & 0x7f);
	*out++ = (uint8_t)value;
	return out;
}
#define PUT(field, type, name) out = put(out, field, (uint64_t)(type)w->name);

int wire_hot_interrupt_encode(const struct wire_interrupt *w, uint8_t buf[LIMIT_MESSAGE])
{
	uint8_t *out = buf + 4;

	INTERRUPT(PUT)
	buf[0] = EVENT_OF_FROM_BROKER;
	buf[1] = (uint8_t)(out - buf - 2);
	buf[2] = INTERRUPT_OF_EVENT;
	buf[3] = (uint8_t)(out - buf - 4);
	return (int)(out - buf);
}

int wire_hot_ack_encode(const struct wire_ack *w, uint8_t buf[LIMIT_MESSAGE])
{
	uint8_t *out = buf + 2;

	ACK(PUT)
	buf[0] = ACK_OF_REQUEST;
	buf[1] = (uint8_t)(out - buf - 2);
	return (int)(out - buf);
}

/* ---- decoding ---- */

/* Past the field, if it is what comes next; else it is 0, and this still at its key. */
static const uint8_t *get(const uint8_t *in, const uint8_t *end, uint8_t field, uint64_t *ret)
{
	const uint8_t *byte = in;
	uint64_t value = 0;

	*ret = 0;
	if (in == end || *byte++ != KEY_NUMBER(field))
		return in;
	for (unsigned int shift = 0; byte < end && shift < 64; shift += 7) {
		value |= (uint64_t)(*byte & 0x7f) << shift;
		if (!(*byte++ & 0x80)) {
			*ret = value;
			return byte;
		}
	}
	return in;
}
#define GET(field, type, name)             \
	in = get(in, end, field, &number); \
	w.name = (type)number;

/*
 * What follows the key and the length of a message that extends to @end; NULL: something else. A length of
 * two bytes is none, for the fields of these messages, each once, do not make 128.
 */
static const uint8_t *enter(const uint8_t *in, const uint8_t *end, uint8_t key)
{
	return end - in >= 2 && in[0] == key && in[1] == end - in - 2 ? in + 2 : NULL;
}

bool wire_hot_interrupt_decode(const uint8_t *data, size_t size, struct wire_interrupt *ret)
{
	const uint8_t *end = data + size, *in = enter(data, end, EVENT_OF_FROM_BROKER);
	struct wire_interrupt w;
	uint64_t number;

	in = in ? enter(in, end, INTERRUPT_OF_EVENT) : NULL;
	if (!in)
		return false;
	memset(&w, 0, sizeof(w)); /* its padding */
	INTERRUPT(GET)
	if (in != end)
		return false;
	*ret = w;
	return true;
}

bool wire_hot_ack_decode(const uint8_t *data, size_t size, struct wire_ack *ret)
{
	const uint8_t *end = data + size, *in = enter(data, end, ACK_OF_REQUEST);
	struct wire_ack w;
	uint64_t number;

	if (!in)
		return false;
	ACK(GET)
	if (in != end)
		return false;
	*ret = w;
	return true;
}
