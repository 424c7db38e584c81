/* SPDX-License-Identifier: MIT */
/*
 * ptirq-bench: how long an interrupt takes through the broker, as ratios to what the kernel alone
 * needs, measured side by side.
 *
 * The cases take turns in short rounds; a ratio is taken within each round, and the median over the
 * rounds is printed. Absolute times are printed for orientation; they move with the machine.
 *
 * Everybody is a process of its own: the raiser (this one), the broker, each client. All on one CPU
 * with SCHED_FIFO, the broker above its clients, where that is allowed; the output says whether it was.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_MAX_ROUNDS 64

/* Real-time priorities of the roles. The raiser stands for the hardware, which waits for nobody. */
enum bench_priority {
	BENCH_PRIO_CLIENT = 10,
	BENCH_PRIO_BROKER = 20,
	BENCH_PRIO_RAISER = 30,
};

struct bench_options {
	const char *broker; /* path of the ptirq-broker to measure */
	const char *json;   /* where to write the JSON; NULL: nowhere */
	int rounds;
	int samples; /* interrupts of a case in a round */
	int cpu;
	bool fifo; /* found out at the start: may we have real-time priority? */
};

/* ---- times.c ---- */

struct bench_times {
	uint64_t p50, p99, p999;
};

uint64_t bench_now_ns(void);
/* Sorts @ns. */
struct bench_times bench_percentiles(uint64_t *ns, int n);
/* Sorts @values. */
double bench_median(double *values, int n);

/* ---- process.c: brokers and clients as processes of their own; all exit on failure ---- */

struct bench_broker {
	pid_t pid;
	char dir[32];
	char socket[64];
};

/* Start a broker on @config (its socket= is added); returns when it accepts connections. */
void bench_broker_start(struct bench_broker *broker, const struct bench_options *options,
			const char *config);
void bench_broker_stop(struct bench_broker *broker);
/* CPU time so far in ns (schedstat), and resident set in bytes. */
uint64_t bench_cpu_ns(pid_t pid);
uint64_t bench_rss(pid_t pid);

/*
 * Take the CPU and the priority of a role, and give them back. The raiser has its only while it measures:
 * what it would wait for in the kernel otherwise (the end of a process, say) may be held by somebody on
 * the same CPU whom it does not let run.
 */
void bench_pin(const struct bench_options *options, enum bench_priority priority);
void bench_unpin(const struct bench_options *options);
/* If true is not said again within 5 s, nor false, the program ends: an interrupt was lost. */
void bench_expect_progress(bool expected);

/* Memory that a client shares with the raiser. */
struct bench_shared {
	_Atomic uint64_t woken_ns; /* when the client's code ran */
	_Atomic uint32_t ready;    /* clients that are subscribed */
};
struct bench_shared *bench_shared_new(void);
void bench_shared_free(struct bench_shared *shared);
/* Fork a client; it ends with its parent at the latest. */
pid_t bench_fork(void (*role)(void *arg), void *arg);
void bench_reap(pid_t pid);

/* ---- cases.c ---- */

/* One way of getting an interrupt to a client and its answer back. */
struct bench_case;

/* The floor: the source's eventfd straight to the client, its ack straight back, no broker. */
struct bench_case *bench_direct_new(const struct bench_options *options);
/* Line @line of @broker; @flags as in struct ptirq_options; @clients subscribers, all of which answer,
 * the last of them HANDLED. */
struct bench_case *bench_brokered_new(const struct bench_options *options,
				      const struct bench_broker *broker, const char *line,
				      uint32_t flags, int clients);
void bench_case_free(struct bench_case *c);

/* @n interrupts, one after the other. Fills @round_trip and @one_way, in ns. */
void bench_case_run(struct bench_case *c, int n, uint64_t *round_trip, uint64_t *one_way);

/*
 * Bursts over lines line0..@lines-1, one client subscribed to all: raise all, wait until all are
 * unmasked, @bursts times. Interrupts per second of the broker's own CPU time.
 */
double bench_burst(const struct bench_options *options, const struct bench_broker *broker,
		   int lines, int bursts);

#endif
