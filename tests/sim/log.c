/* SPDX-License-Identifier: MIT */
/* Owns the text of the log. One record, one line; the core's own text forms within. */
#include "tests/sim/log.h"

#include <inttypes.h>
#include <stdio.h>

static int body(const struct record *record, char *buf, size_t size)
{
	char text[256];

	switch ((enum record_kind)record->kind) {
	case RECORD_EVENT:
		arb_event_format(&record->event, text, sizeof(text));
		return snprintf(buf, size, "> %s%s%s%s", text, record->ret ? " = " : "",
				record->ret ? arb_error_name(record->ret) : "",
				record->changed ? " (STATE CHANGED)" : "");
	case RECORD_ACTION:
		arb_action_format(&record->action, text, sizeof(text));
		return snprintf(buf, size, "    < %s%s", text, record->failed ? " (fails)" : "");
	case RECORD_DONE: return snprintf(buf, size, "    .");
	case RECORD_WIRE:
		return snprintf(buf, size, "* device %u function %u %s", record->device, record->fn,
				record->up ? "asserts" : "is served");
	case RECORD_FIRE:
		return snprintf(buf, size, "* unit %u %s", record->unit,
				record->up ? "fires and is masked" : "unmasked by its holder");
	case RECORD_DIRECT:
		return snprintf(buf, size, "* unit %u signals sub %u", record->unit, record->sub);
	case RECORD_DRAIN: return snprintf(buf, size, "* no more faults");
	}
	return snprintf(buf, size, "?");
}

int record_format(const struct record *record, char *buf, size_t size)
{
	char text[320];

	body(record, text, sizeof(text));
	return snprintf(buf, size, "%9" PRIu64 ".%03u us %s", record->time / 1000,
			(unsigned int)(record->time % 1000), text);
}
