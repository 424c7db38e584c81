// SPDX-License-Identifier: MIT
/*
 * Races for one generation of the kernel helper, on three quiet edu devices:
 *
 *	helper_races LINE ADDRESS ADDRESS ADDRESS
 *
 * Must be the only one on the line.
 */
#include <err.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/vm/helper_checker.h"

enum {
	COUNT = 10000,      /* generations, at least */
	COLLISIONS = 100,   /* and so many that both have gone for */
	LIMIT_US = 8000000, /* unless that takes too long: where the processors are few */
};

/*
 * What the racing processes share. They spin, each on a processor of its own, and never wait for each
 * other: that would take a hundred times as long as the race.
 */
static struct race {
	_Atomic bool stop;
	_Atomic uint64_t generation; /* served, and to be acknowledged */
	_Atomic uint64_t good, stale, other;
	_Atomic uint64_t attempts; /* of the child */
} * r;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000) + t.tv_nsec / 1000;
}

/* A kernel made for debugging gets more time (tests/vm/run). */
static uint64_t patience_us(unsigned int seconds)
{
	const char *scale = getenv("VMTEST_SCALE");

	return seconds * UINT64_C(1000000) * (scale ? strtoul(scale, NULL, 10) : 1);
}

#define AWAIT(condition)                                           \
	do {                                                       \
		uint64_t begun_ = now_us();                        \
		while (!(condition) && !r->stop)                   \
			if (now_us() > begun_ + patience_us(10)) { \
				EXPECT(!"waited for " #condition); \
				r->stop = true;                    \
			}                                          \
	} while (0)

static void use_processor(unsigned int n)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(n, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_setaffinity");
}

static uint64_t drain(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		use_processor(1);
	}
	return pid;
}

static void ack_once(int fd)
{
	int ret = helper_ack(c.line, c.nr[0], r->generation, 0);

	(void)fd;
	if (ret == 0)
		r->good++;
	else if (ret == -ESTALE)
		r->stale++;
	else
		r->other++;
}

static void end_child(pid_t pid)
{
	int status = -1;

	r->stop = true;
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
}

/* Acknowledges whatever has been served, in a process of its own. */
static pid_t competitor(void (*run)(int fd), int fd)
{
	uint64_t last = r->generation;
	pid_t pid = child();

	if (pid > 0)
		return pid;
	while (!r->stop) {
		if (r->generation == last)
			continue;
		last = r->generation;
		run(fd);
		r->attempts++;
	}
	_exit(wrong[0] != '\0');
}

/*
 * Interrupts of dev0, each served, and acknowledged by this process and by another one. A signal that
 * comes late can meet the next one before that is served: one generation more, perhaps just when this
 * process acknowledges the one before, and all the same each is acknowledged once.
 */
static void race(const char *name, void (*other)(int fd), int fd)
{
	struct ptirq_uio_page_device before, after;
	uint64_t begun = now_us();
	unsigned int rounds;
	char detail[160];
	pid_t pid;

	quiet();
	memset(r, 0, sizeof(*r));
	before = entry(0);
	pid = competitor(other, fd);
	for (rounds = 0; !wrong[0]; rounds++) {
		if (rounds >= COUNT && r->stale >= COLLISIONS)
			break;
		if (rounds >= COUNT / 10 && now_us() > begun + LIMIT_US)
			break;
		edu_raise(&c.edu[0], 0, rounds);
		AWAIT(entry(0).state == PTIRQ_UIO_DEFERRED);
		edu_ack(&c.edu[0], 0);
		do {
			r->generation = entry(0).generation;
			/* Now the one is earlier, now the other. */
			for (unsigned int i = 0; i < rounds % 32; i++)
				(void)now_us();
			ack_once(-1);
		} while (entry(0).state == PTIRQ_UIO_DEFERRED && r->other == 0);
		EXPECT(entry(0).state == PTIRQ_UIO_IDLE);
	}
	end_child(pid);
	after = entry(0);
	EXPECT(!masked(0) && after.state == PTIRQ_UIO_IDLE && r->other == 0);
	EXPECT(after.interrupts - before.interrupts == rounds);
	EXPECT(after.acks - before.acks == after.generation - before.generation);
	EXPECT(after.stale_acks - before.stale_acks == r->stale);
	EXPECT(r->attempts > 0 && r->stale > 0);
	snprintf(detail, sizeof(detail),
		 "%" PRIu64 " generations, each acknowledged once; ACKs %" PRIu64 " good, %" PRIu64
		 " stale; the other process tried %" PRIu64 " times; %" PRIu64 " ms",
		 (uint64_t)(after.generation - before.generation), (uint64_t)r->good,
		 (uint64_t)r->stale, (uint64_t)r->attempts, (now_us() - begun) / 1000);
	report(name, detail);
}

/* dev0's driver: raises, serves on its own, acknowledges through resample, as fast as it goes. */
static pid_t storm(int resample)
{
	pid_t pid = child();

	if (pid > 0)
		return pid;
	while (!r->stop) {
		edu_raise(&c.edu[0], 0, 1);
		AWAIT(entry(0).state == PTIRQ_UIO_DEFERRED);
		edu_ack(&c.edu[0], 0);
		signal_event(resample);
	}
	_exit(wrong[0] != '\0');
}

/* Each generation is signalled to one whole list: what was replaced hears nothing any more. */
static void lists(void)
{
	struct ptirq_uio_page_device before;
	int list[2][2] = {{event(), event()}, {event(), event()}};
	uint64_t heard[2] = {0}, late = 0, generations, begun, took;
	int resample = event();
	unsigned int swaps;
	char detail[160];
	pid_t pid;

	quiet();
	memset(r, 0, sizeof(*r));
	EXPECT(helper_resample(c.line, c.nr[0], resample) == 0);
	EXPECT(helper_notify(c.line, c.nr[0], list[0], 2) == 0);
	before = entry(0);
	pid = storm(resample);
	begun = now_us();
	for (swaps = 0; swaps < 2000 && !wrong[0]; swaps++) {
		int *old = list[swaps % 2];

		EXPECT(helper_notify(c.line, c.nr[0], list[(swaps + 1) % 2], 2) == 0);
		for (unsigned int i = 0; i < 2; i++)
			heard[i] += drain(old[i]);
		usleep(50);
		for (unsigned int i = 0; i < 2; i++)
			late += drain(old[i]);
	}
	took = now_us() - begun;
	end_child(pid);
	generations = entry(0).generation - before.generation;
	/* The handler tells them after the status page. */
	begun = now_us();
	do {
		for (unsigned int i = 0; i < 4; i++)
			heard[i % 2] += drain(list[i / 2][i % 2]);
	} while (heard[1] < generations && now_us() < begun + patience_us(1));
	EXPECT(helper_notify(c.line, c.nr[0], NULL, 0) == 0);
	EXPECT(entry(0).state == PTIRQ_UIO_IDLE && late == 0);
	EXPECT(heard[0] == generations && heard[1] == generations && generations > 100);
	snprintf(detail, sizeof(detail),
		 "%u lists, %" PRIu64 " us each, %" PRIu64
		 " generations: each in one list, %" PRIu64 " late",
		 swaps, took / swaps, generations, late);
	report("notify-races", detail);

	/* And the resample eventfd, which is another one every time. */
	quiet();
	memset(r, 0, sizeof(*r));
	before = entry(0);
	pid = storm(resample);
	begun = now_us();
	for (swaps = 0; !wrong[0] && !r->stop && now_us() < begun + patience_us(20); swaps++) {
		if (swaps >= 2000 && entry(0).generation >= before.generation + 500)
			break;
		EXPECT(helper_resample(c.line, c.nr[0], -1) == 0);
		EXPECT(helper_resample(c.line, c.nr[0], resample) == 0);
	}
	took = now_us() - begun;
	end_child(pid);
	generations = entry(0).generation - before.generation;
	EXPECT(helper_resample(c.line, c.nr[0], -1) == 0 && generations >= 50);
	snprintf(detail, sizeof(detail),
		 "taken away and set again %u times, %" PRIu64 " us each, %" PRIu64
		 " generations: none is stuck",
		 swaps, took / swaps, generations);
	report("resample-races", detail);
	quiet();
	for (unsigned int i = 0; i < 4; i++)
		close(list[i / 2][i % 2]);
	close(resample);
}

int main(int argc, char **argv)
{
	int resample;

	checker_start(argc, argv);
	r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		err(1, "mmap");
	use_processor(0);
	race("ack-races", ack_once, -1);
	resample = event();
	EXPECT(helper_resample(c.line, c.nr[0], resample) == 0);
	race("ack-resample-races", signal_event, resample);
	EXPECT(helper_resample(c.line, c.nr[0], -1) == 0);
	close(resample);
	lists();
	return 0;
}
