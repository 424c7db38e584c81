/* SPDX-License-Identifier: MIT */
/* What the fake broker's process is told, and what it answers. */
#ifndef PTIRQ_TESTS_FAKE_INTERNAL_H
#define PTIRQ_TESTS_FAKE_INTERNAL_H

#include "tests/lib/fake_broker.h"

enum op {
	OP_REFUSE,
	OP_INTERJECT,
	OP_UNITS,
	OP_BAD_PAGES,
	OP_EVENT,
	OP_EPOCH,
	OP_HANG_UP,
	OP_LISTEN,
	OP_GARBLE,
	OP_KILL,
	OP_ASK,
	OP_ACKED,
	OP_ACK_WRITES,
	OP_OWN_WAKE,
	OP_OWN_RESAMPLED,
	OP_TAKE_PATH,
	OP_COUNT,
	OP_CONNECTED,
};

struct command {
	enum op op;
	bool asleep;
	bool flag;
	uint32_t slot, round, flags, number;
	struct wire_status status; /* OP_REFUSE: code WIRE_OK is mute */
	struct wire_event event;
};

struct answer {
	uint64_t value;
	struct wire_request request;
};

/* The fake itself: listens at @path, obeys @control until that is closed. */
void fake_process(int control, int listener, const char *path);

#endif
