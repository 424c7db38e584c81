/* SPDX-License-Identifier: MIT */
/*
 * One driver of the demo: serves one soft device of a line through libptirq and logs what it served.
 *
 *	demo-driver LINE DEVICE LOG
 *
 * It knows nothing of the other drivers, the generator or the demo. SIGUSR1 makes it hang, as a driver
 * with a bug would: no answer to anything. SIGUSR2 ends that, SIGTERM ends it. The log has a line
 * "NANOSECONDS BIT" for each bit served, CLOCK_MONOTONIC, and "NANOSECONDS hangs" and "NANOSECONDS wakes".
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <ptirq.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "softdev.h"

static volatile sig_atomic_t hang, quit;

static void on_signal(int number)
{
	if (number == SIGUSR1)
		hang = 1;
	else if (number == SIGUSR2)
		hang = 0;
	else
		quit = 1;
}

static void catch_signals(sigset_t *ret_unblocked)
{
	struct sigaction action = {.sa_handler =
					   on_signal}; /* no SA_RESTART: ptirq_wait() returns */
	sigset_t caught;

	sigemptyset(&caught);
	sigaddset(&caught, SIGUSR1);
	sigaddset(&caught, SIGUSR2);
	sigaddset(&caught, SIGTERM);
	sigprocmask(SIG_SETMASK, NULL, ret_unblocked);
	for (int s = 1; s < NSIG; s++)
		if (sigismember(&caught, s) == 1)
			sigaction(s, &action, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Hang until told otherwise; the mask closes the race between the test and the wait. */
static void hang_while_told(const sigset_t *unblocked, FILE *log)
{
	sigset_t blocked = *unblocked;

	if (!hang)
		return;
	fprintf(log, "%" PRIu64 " hangs\n", now_ns());
	sigaddset(&blocked, SIGUSR2);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	while (hang && !quit)
		sigsuspend(unblocked);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
	if (!hang)
		fprintf(log, "%" PRIu64 " wakes\n", now_ns());
}

/* Serve all that the device asserts. Returns the bits. */
static uint32_t serve(struct softdev_regs *regs, FILE *log)
{
	uint32_t bits = atomic_load(&regs->status);
	uint64_t now;

	if (!bits)
		return 0;
	now = now_ns();
	for (uint32_t left = bits; left; left &= left - 1)
		fprintf(log, "%" PRIu64 " %d\n", now, __builtin_ctz(left));
	atomic_fetch_and(&regs->status, ~bits);
	return bits;
}

int main(int argc, char **argv)
{
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	struct ptirq *ptirq;
	struct ptirq_sub *sub;
	struct ptirq_irq irq;
	struct ptirq_map map;
	sigset_t unblocked;
	FILE *log;

	if (argc != 4)
		errx(2, "usage: demo-driver LINE DEVICE LOG");
	catch_signals(&unblocked);
	log = fopen(argv[3], "w");
	if (!log)
		err(1, "%s", argv[3]);
	setvbuf(log, NULL, _IOLBF, 0); /* whoever compares logs may look at any time */
	options.device = argv[2];
	if (ptirq_open(&ptirq, NULL) < 0 ||
	    ptirq_map_device(ptirq, argv[1], argv[2], 0, &map) < 0 ||
	    ptirq_subscribe(ptirq, argv[1], &options, &sub) < 0)
		errx(1, "%s", ptirq_error(ptirq));

	puts("ready");
	fflush(stdout);

	/* The same loop serves a hanging driver's come-back: the ask it slept through is still there. */
	while (!quit) {
		int r = ptirq_wait(sub, &irq, -1);

		hang_while_told(&unblocked, log);
		if (r == -EINTR)
			continue;
		if (r < 0)
			errx(1, "%s", ptirq_error(ptirq));
		ptirq_ack(sub, &irq, serve(map.addr, log) ? PTIRQ_HANDLED : PTIRQ_NOT_MINE);
	}
	ptirq_unmap_device(&map);
	ptirq_close(ptirq);
	return fclose(log) ? 1 : 0;
}
