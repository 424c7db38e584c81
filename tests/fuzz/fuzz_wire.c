/* SPDX-License-Identifier: MIT */
/*
 * Promise 10: any byte string gives accept or error. What is accepted can be encoded, and decodes to
 * the same struct again, bit by bit; strings are terminated and their tails zero. Interrupt and Ack mean
 * the same to the generated code as to the short way beside it.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const void *a, const void *b, size_t size)
{
	if (memcmp(a, b, size) != 0)
		abort();
}

/* With an unknown field behind it, a message is the generated code's. The length. */
static size_t longer(const uint8_t *data, size_t size, uint8_t ret[LIMIT_MESSAGE])
{
	static const uint8_t unknown[] = {15 << 3, 0};

	memcpy(ret, data, size);
	memcpy(ret + size, unknown, sizeof(unknown));
	return size + sizeof(unknown);
}

static void requests(const uint8_t *data, size_t size)
{
	struct wire_request first, second;
	uint8_t buf[LIMIT_MESSAGE];
	int n;

	if (wire_request_decode(data, size, &first) < 0)
		return;
	n = wire_request_encode(&first, buf);
	if (n < 0 || wire_request_decode(buf, n, &second) < 0)
		abort();
	same(&first, &second, sizeof(first));
	if (first.kind != WIRE_REQ_ACK || size > 256)
		return;
	if (wire_request_decode(buf, longer(data, size, buf), &second) < 0)
		abort();
	same(&first, &second, sizeof(first));
}

static void answers(const uint8_t *data, size_t size)
{
	/* An event fills only its part of the union. */
	struct wire_from_broker first = {0}, second = {0};
	uint8_t buf[LIMIT_MESSAGE];
	int n;

	if (wire_from_broker_decode(data, size, &first) < 0)
		return;
	n = first.is_event ? wire_event_encode(&first.event, buf)
			   : wire_reply_encode(&first.reply, buf);
	if (n < 0 || wire_from_broker_decode(buf, n, &second) < 0)
		abort();
	same(&first, &second, sizeof(first));
	if (!first.is_event || first.event.kind != WIRE_EV_INTERRUPT || size > 256)
		return;
	if (wire_from_broker_decode(buf, longer(data, size, buf), &second) < 0)
		abort();
	same(&first, &second, sizeof(first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	requests(data, size);
	answers(data, size);
	return 0;
}
