/* SPDX-License-Identifier: MIT */
/*
 * libptirq, for administrators and tools: what ptirqctl does. The rules of ptirq.h hold.
 * Most of it needs root, or the user that the broker runs as: -EACCES otherwise.
 */
#ifndef PTIRQ_ADMIN_H
#define PTIRQ_ADMIN_H

#include <ptirq.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Call @line for each line, devices included, in the order of the configuration; stop if it returns
 * non-zero and return that. @line may call anything here. Blocks at most 2 s for each question it asks
 * the broker: one for four lines, and one for each line. */
int ptirq_list_lines(struct ptirq *ptirq,
		     int (*line)(const struct ptirq_line_info *info, void *userdata),
		     void *userdata);

enum ptirq_stats_scope {
	PTIRQ_STATS_BROKER,
	PTIRQ_STATS_LINES,
	PTIRQ_STATS_UNITS,
	PTIRQ_STATS_SUBSCRIBERS,
	PTIRQ_STATS_CLIENTS,
};

/* Counters since the broker's start (or the subscriber's), but for debts, which are those open now; times
 * in ns. Which names are set goes with the scope: a client's row has no line. docs/protocol.md says what
 * each one counts. pid and uid are UINT32_MAX for other users' clients, unless you are root or the
 * broker's user. */
struct ptirq_stats {
	char line[64];
	char device[64];
	char client_name[64];
	char state[16];
	uint64_t client;
	uint32_t unit, subscription, pid, uid;
	uint64_t rounds, asks, handled, not_mine, eoi, timeouts, debts, strikes, stale, retracted,
		spurious, throttled, forced, unhandled, faults;
	uint64_t masked_ns, max_masked_ns, throttled_ns;
	uint64_t response_count, response_p50_ns, response_p99_ns, response_p999_ns,
		response_max_ns;
	char path[16]; /* of a unit or a subscriber: "brokered", "notify", "direct" */
};

/* @line NULL: all. As ptirq_list_lines(). */
int ptirq_get_stats(struct ptirq *ptirq, enum ptirq_stats_scope scope, const char *line,
		    int (*row)(const struct ptirq_stats *stats, void *userdata), void *userdata);

/* What the broker saw or did, as it happens. */
struct ptirq_watch_record {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	char line[64];
	uint32_t unit;
	uint32_t round;
	uint32_t subscription;
	char what[24]; /* "fired", "ask", "verdict", "resolved", "timeout", "strike", ... */
	char client_name[64];
	char detail[64];  /* "handled", "not-mine", "eoi", a device's name, ... */
	uint64_t took_ns; /* verdict: since the ask; resolved: how long it was masked */
	uint64_t
		dropped; /* records lost before this one, because this client did not read fast enough */
};

/*
 * From now on call @record from ptirq_dispatch(); @line NULL: all lines. NULL @record: stop.
 * One watch a handle; another call replaces it. Not re-established by itself if @record is NULL.
 */
int ptirq_watch(struct ptirq *ptirq, const char *line,
		void (*record)(const struct ptirq_watch_record *record, void *userdata),
		void *userdata);

/* Evict the subscribers of a line: its devices are quieted, the line is unmasked. */
int ptirq_release_line(struct ptirq *ptirq, const char *line);
/* Evict one client. */
int ptirq_release_client(struct ptirq *ptirq, uint64_t client);

/* Read the configuration again. A mistake in it changes nothing: -EINVAL, ptirq_error() has file and
 * line. */
int ptirq_reload(struct ptirq *ptirq);

/* Sim lines: set (or clear) bits of a soft device's status. */
int ptirq_sim_assert(struct ptirq *ptirq, const char *line, const char *device, uint32_t bits,
		     bool deassert);

/*
 * Sim lines: play the device. Setting bits in the register page's status and then writing @pin_fd
 * raises the line at memory speed; @unmasked_fd is written by the broker each time it unmasks.
 * docs/protocol.md has the register page. Close with ptirq_sim_close().
 */
struct ptirq_sim_pin {
	struct ptirq_map registers;
	int pin_fd;
	int unmasked_fd;
};
int ptirq_sim_open(struct ptirq *ptirq, const char *line, const char *device,
		   struct ptirq_sim_pin *ret);
void ptirq_sim_close(struct ptirq_sim_pin *pin);

#ifdef __cplusplus
}
#endif

#endif
