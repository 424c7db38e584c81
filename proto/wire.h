/* SPDX-License-Identifier: MIT */
/*
 * ptirq.v1 as plain structs: what proto/ptirq.proto says, without protobuf.
 *
 * Pure: bytes in, structs out, and back; no I/O, no heap. Both ways run in an arena of
 * LIMIT_DECODE_ARENA bytes on the stack of the call: a thread that uses this needs 100 KiB of it.
 * The only file that sees the generated code is wire.c.
 *
 * Strings are copied into fixed arrays and always terminated; one that does not fit, or that holds a
 * control character (a 0 byte among them) or invalid UTF-8, makes the message invalid. Encoding puts
 * '?' for such bytes (a text cut off in mid-character, say), so that what is sent can be decoded.
 * Unknown fields are skipped; an unknown request decodes as WIRE_REQ_UNKNOWN with its id, so that it
 * can be answered UNSUPPORTED, an unknown event or kind of message as WIRE_EV_UNKNOWN.
 */
#ifndef PTIRQ_WIRE_H
#define PTIRQ_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define WIRE_VERSION 1

enum wire_code {
	WIRE_OK = 0,
	WIRE_INVALID = 1,
	WIRE_NOT_FOUND = 2,
	WIRE_DENIED = 3,
	WIRE_EXISTS = 4,
	WIRE_LIMIT = 5,
	WIRE_UNSUPPORTED = 6,
	WIRE_BUSY = 7,
	WIRE_GONE = 8,
	WIRE_IO = 9,
	WIRE_STALE = 10,
	WIRE_VERSION_MISMATCH = 11,
	WIRE_INTERNAL = 12,
};

/* The errno (positive) that a code means to a C caller; 0 for WIRE_OK, EREMOTEIO for the unknown. */
int wire_code_errno(uint32_t code);

enum wire_feature {
	WIRE_FEATURE_PAGES = 1 << 1, /* bit number = the proto enum's value */
	WIRE_FEATURE_OWN_EVENTFDS = 1 << 2,
};

struct wire_status {
	uint32_t code; /* enum wire_code; an unknown one is kept */
	char message[LIMIT_TEXT];
};

/* ---- requests ---- */

enum wire_request_kind {
	WIRE_REQ_UNKNOWN,
	WIRE_REQ_HELLO,
	WIRE_REQ_LIST_LINES,
	WIRE_REQ_GET_LINE,
	WIRE_REQ_SUBSCRIBE,
	WIRE_REQ_UNSUBSCRIBE,
	WIRE_REQ_ACK,
	WIRE_REQ_PARK,
	WIRE_REQ_UNPARK,
	WIRE_REQ_GET_STATS,
	WIRE_REQ_WATCH,
	WIRE_REQ_GRANT_DEVICE,
	WIRE_REQ_RELEASE,
	WIRE_REQ_RELOAD,
	WIRE_REQ_SIM_ASSERT,
	WIRE_N_REQUESTS,
};

struct wire_hello {
	uint32_t version_min;
	uint32_t version_max;
	uint32_t features; /* enum wire_feature; unknown ones are dropped */
	char name[LIMIT_NAME];
};

struct wire_subscribe {
	char line[LIMIT_NAME];
	char device[LIMIT_NAME];
	uint32_t priority;
	uint64_t deadline_ns;
	bool messages;
	bool own_eventfds;
	bool resample;
	bool direct;
	bool notify;
};

struct wire_ack {
	uint32_t subscription;
	uint32_t unit;
	uint32_t round;
	uint32_t verdict; /* enum ptirq_verdict's numbers; unchecked */
};

enum wire_stats_scope {
	WIRE_STATS_BROKER,
	WIRE_STATS_LINES,
	WIRE_STATS_UNITS,
	WIRE_STATS_SUBSCRIBERS,
	WIRE_STATS_CLIENTS,
};

struct wire_get_stats {
	uint32_t scope; /* unchecked */
	char line[LIMIT_NAME];
	uint64_t cursor;
};

enum wire_grant_kind { WIRE_GRANT_REGISTERS, WIRE_GRANT_SIM_PIN };

struct wire_request {
	uint64_t id;
	enum wire_request_kind kind;
	union {
		struct wire_hello hello;
		struct {
			uint32_t cursor;
		} list_lines;
		struct {
			char line[LIMIT_NAME];
		} get_line;
		struct wire_subscribe subscribe;
		struct {
			uint32_t subscription;
		} unsubscribe, park, unpark;
		struct wire_ack ack;
		struct wire_get_stats get_stats;
		struct {
			char line[LIMIT_NAME];
			bool stop;
		} watch;
		struct {
			char line[LIMIT_NAME];
			char device[LIMIT_NAME];
			uint32_t kind;
		} grant_device;
		struct {
			char line[LIMIT_NAME];
			uint64_t client;
		} release;
		struct {
			char line[LIMIT_NAME];
			char device[LIMIT_NAME];
			uint32_t bits;
			bool deassert;
		} sim_assert;
	};
};

/* ---- replies ---- */

struct wire_device {
	char name[LIMIT_NAME];
	uint32_t unit;
	bool present, has_mask, has_status, held, grantable, unsafe_dma;
	char location[LIMIT_NAME];
	char path[16];
};

struct wire_line {
	char name[LIMIT_NAME];
	char source[16];
	char trigger[16];
	char policy[16];
	uint32_t units, devices, subscribers, max_subscribers;
	char state[16];
	uint64_t deadline_ns;
	char problem[LIMIT_TEXT];
};

struct wire_histogram {
	uint64_t count, p50_ns, p99_ns, p999_ns, max_ns;
};

struct wire_stats {
	char line[LIMIT_NAME];
	uint32_t unit, subscription;
	uint64_t client;
	char client_name[LIMIT_NAME];
	uint32_t pid, uid;
	char device[LIMIT_NAME];
	char state[16];
	uint64_t rounds, asks, handled, not_mine, eoi, timeouts, debts, strikes, stale, retracted,
		spurious, throttled, forced, unhandled, masked_ns, max_masked_ns, throttled_ns,
		faults;
	struct wire_histogram response;
	char path[16];
};

enum wire_reply_kind {
	WIRE_REP_NONE, /* status only */
	WIRE_REP_HELLO,
	WIRE_REP_LINES,
	WIRE_REP_LINE,
	WIRE_REP_SUBSCRIBE,
	WIRE_REP_STATS,
	WIRE_REP_GRANT,
};

/* How many rows one reply carries at most; fewer if they would not fit in LIMIT_MESSAGE. */
#define WIRE_LINES_PER_REPLY 4
#define WIRE_STATS_PER_REPLY 6
#define WIRE_REGIONS         LIMIT_MESSAGE_FDS

struct wire_reply {
	uint64_t id;
	struct wire_status status;
	enum wire_reply_kind kind;
	union {
		struct {
			uint32_t version;
			uint32_t features;
			uint64_t client;
			uint64_t epoch;
			char broker[LIMIT_NAME];
			bool administrator;
		} hello;
		struct {
			uint32_t n;
			struct wire_line line[WIRE_LINES_PER_REPLY];
			uint32_t next_cursor;
		} lines;
		struct {
			struct wire_line line;
			uint32_t n_devices;
			struct wire_device device[LIMIT_DEVICES_PER_LINE];
		} line;
		struct {
			uint32_t subscription;
			uint32_t first_slot;
			uint32_t n_units;
			uint32_t unit[LIMIT_UNITS_PER_LINE];
		} subscribe;
		struct {
			uint32_t n;
			struct wire_stats row[WIRE_STATS_PER_REPLY];
			uint64_t next_cursor;
		} stats;
		struct {
			uint32_t n;
			struct {
				char name[LIMIT_NAME];
				uint64_t size, offset;
				bool read_only;
			} region[WIRE_REGIONS];
		} grant;
	};
};

/* ---- events ---- */

enum wire_event_kind {
	WIRE_EV_UNKNOWN, /* of a newer broker: skip it */
	WIRE_EV_INTERRUPT,
	WIRE_EV_RETRACTED,
	WIRE_EV_LINE_STATE,
	WIRE_EV_EPOCH,
	WIRE_EV_EVICTED,
	WIRE_EV_GOING_AWAY,
	WIRE_EV_WATCH,
};

struct wire_interrupt {
	uint32_t subscription, unit, round;
	uint64_t fired_at_ns, count;
	uint32_t flags, status;
};

struct wire_watch {
	uint64_t time_ns;
	char line[LIMIT_NAME];
	uint32_t unit;
	char what[24];
	uint32_t round, subscription;
	char client_name[LIMIT_NAME];
	uint64_t took_ns;
	char detail[LIMIT_NAME];
	uint64_t dropped;
};

struct wire_event {
	enum wire_event_kind kind;
	union {
		struct wire_interrupt interrupt;
		struct {
			uint32_t subscription, unit, round;
		} retracted;
		struct {
			char line[LIMIT_NAME];
			uint32_t unit;
			char state[16];
			char text[LIMIT_TEXT];
		} line_state;
		struct {
			uint64_t epoch;
		} epoch;
		struct {
			uint32_t subscription;
			struct wire_status reason;
		} evicted;
		struct {
			char text[LIMIT_TEXT];
		} going_away;
		struct wire_watch watch;
	};
};

struct wire_from_broker {
	bool is_event; /* else a reply */
	union {
		struct wire_reply reply;
		struct wire_event event;
	};
};

/* ---- both ways ---- */

/*
 * Encode into @buf. The length, or -EMSGSIZE if LIMIT_MESSAGE bytes do not hold it (for rows: send
 * fewer). Cannot fail otherwise: strings are the struct's own.
 */
int wire_request_encode(const struct wire_request *request, uint8_t buf[LIMIT_MESSAGE]);
int wire_reply_encode(const struct wire_reply *reply, uint8_t buf[LIMIT_MESSAGE]);
int wire_event_encode(const struct wire_event *event, uint8_t buf[LIMIT_MESSAGE]);

/*
 * Decode. 0, or -EPROTO: not a message, or one that the rules above refuse; @ret is then untouched.
 * Of an Interrupt, what the union has behind it may be left as it was: it is the one that is waited for.
 * Any byte string is safe (promise 10): LIMIT_DECODE_ARENA bytes, bounded stack, no recursion.
 */
int wire_request_decode(const uint8_t *data, size_t size, struct wire_request *ret);
int wire_from_broker_decode(const uint8_t *data, size_t size, struct wire_from_broker *ret);

#endif
