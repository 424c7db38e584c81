// SPDX-License-Identifier: MIT
/*
 * Does everything to a line of the kernel helper at the same time, while its devices fire as fast as
 * they go:
 *
 *	helper_storm [--kinds] ADDRESS...
 *
 * Holds the line of the first ADDRESS (a PCI address) for a moment, with processes that acknowledge
 * by ACK and by resample, replace triggers, notify lists and resample eventfds, mask and unmask; lets
 * it go with all that in place; and again, whatever becomes of the line and the devices meanwhile.
 * UIO programs and observers try to get in all the time. From time to time all of them rest. With
 * --kinds modes, deadlines and leases change as well, and the line may be one unit, now and then.
 *
 * Ends at SIGTERM with status 0 and how often it held the line; with status 1 at an answer that none
 * of this explains.
 */
#include <err.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/vm/edu.h"
#include "tests/vm/helper.h"

enum {
	MAX_DEVICES = 3,
	EVENTS = 8,
	HOLD_MS = 60,
	HOLDS = 4, /* in a row, before a rest */
	REST_MS = 60,
};

static const char *addresses[MAX_DEVICES];
static unsigned int n_addresses;
static int events[EVENTS];
static atomic_bool *resting; /* shared: nobody has anything open */
static bool kinds;
static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

/* Devices come and go, others hold them, others are faster. */
static void explained(int ret)
{
	if (ret && ret != -ENODEV && ret != -EBUSY && ret != -ESTALE &&
	    !(kinds && ret == -EOPNOTSUPP))
		errx(1, "an answer that nothing explains: %s", strerror(-ret));
}

static pid_t start(void (*run)(int line), int line)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	for (;;) {
		run(line);
		sched_yield();
	}
}

/* The devices' own life: each is raised and served again and again. */
static void fire(int line)
{
	static struct edu edu[MAX_DEVICES];
	char path[64];

	(void)line;
	for (unsigned int i = 0; i < n_addresses; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", addresses[i]);
		if (edu[i].bar && !edu_present(&edu[i]))
			edu_close(&edu[i]);
		if (!edu[i].bar && edu_open(path, &edu[i]) < 0)
			continue;
		if (edu_asserts(&edu[i], 0))
			edu_ack(&edu[i], 0);
		else
			edu_raise(&edu[i], 0, 1);
	}
}

static void acknowledge(int line)
{
	static const struct ptirq_uio_page *page;

	if (!page)
		page = helper_page(line);
	if (page == MAP_FAILED)
		err(1, "mmap");
	for (uint32_t nr = 0; nr < MAX_DEVICES; nr++) {
		explained(helper_ack(line, nr, helper_device(page, nr).generation, 0));
		explained(helper_unmask(line, nr));
	}
	explained(helper_ack(line, PTIRQ_UIO_LINE,
			     helper_device(page, PTIRQ_UIO_MAX_DEVICES).generation, 0));
}

static void signal_all(int line)
{
	const uint64_t one = 1;

	(void)line;
	for (unsigned int i = 0; i < EVENTS; i++)
		(void)!write(events[i], &one, sizeof(one));
}

static void replace(int line)
{
	static unsigned int turn;
	uint32_t nr = turn++ % (MAX_DEVICES + 1);

	if (nr == MAX_DEVICES)
		nr = PTIRQ_UIO_LINE;
	if (kinds || nr != PTIRQ_UIO_LINE)
		explained(helper_resample(line, nr, turn % 3 ? events[turn % EVENTS] : -1));
	explained(helper_trigger(line, nr, turn % 5 ? events[turn % EVENTS] : -1));
	explained(helper_notify(line, nr, events, turn % (EVENTS + 1)));
}

static void mask(int line)
{
	struct ptirq_uio_sample sample;

	explained(helper_mask(line, PTIRQ_UIO_LINE));
	explained(helper_sample(line, &sample));
	usleep(500);
	explained(helper_unmask(line, PTIRQ_UIO_LINE));
	usleep(500);
}

/* Any mode, with DMA stopped or not; a deadline and a lease of less than a millisecond to some. */
static void change(int line)
{
	static unsigned int turn;

	turn++;
	explained(helper_request(line, PTIRQ_UIO_SET_MODE,
				 HELPER_REQUEST(ptirq_uio_mode_request, .mode = turn % 3,
						.flags = turn % 2)));
	explained(helper_request(line, PTIRQ_UIO_SET_DEADLINE,
				 HELPER_REQUEST(ptirq_uio_deadline,
						.deadline_ns =
							PTIRQ_UIO_DEADLINE_MIN_NS * (1 + turn % 30),
						.lease_ns = 1 + turn % 5 * 1000000)));
	usleep(300);
}

static int open_line(int flags)
{
	char path[128], target[128];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/ptirq_line", addresses[0]);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -1;
	target[n] = '\0';
	name = strrchr(target, '!');
	snprintf(path, sizeof(path), "/dev/ptirq/%s", name ? name + 1 : "");
	return open(path, flags | O_CLOEXEC);
}

/* A UIO program of each device, and one who only looks. */
static void intrude(int line)
{
	const int32_t on = 1;
	struct ptirq_uio_info info;
	struct edu edu[4] = {0};
	char path[32];
	int uio[4];

	usleep(5000);
	if (*resting)
		return;
	for (unsigned int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/dev/uio%u", i);
		uio[i] = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (uio[i] >= 0 && edu_map(uio[i], &edu[i]) == 0)
			(void)!write(uio[i], &on, sizeof(on));
	}
	line = open_line(O_RDONLY);
	if (line >= 0) {
		explained(helper_info(line, PTIRQ_UIO_LINE, &info));
		for (uint32_t nr = 0; nr < MAX_DEVICES; nr++)
			explained(helper_info(line, nr, &info));
		poll(&(struct pollfd){.fd = line, .events = POLLPRI}, 1, 5);
		close(line);
	}
	for (unsigned int i = 0; i < 4; i++) {
		if (uio[i] >= 0)
			close(uio[i]);
		edu_close(&edu[i]);
	}
}

int main(int argc, char **argv)
{
	static void (*const workers[])(int) = {acknowledge, signal_all, replace, mask, change};
	pid_t pids[sizeof(workers) / sizeof(workers[0])], others[2];
	unsigned long held = 0, refused = 0;
	unsigned int n_workers = 4;
	int status;

	if (argc > 1 && strcmp(argv[1], "--kinds") == 0) {
		kinds = true;
		n_workers++;
		argv++;
		argc--;
	}
	if (argc < 2 || argc > 1 + MAX_DEVICES)
		errx(2, "usage: helper_storm [--kinds] ADDRESS...");
	while (n_addresses < (unsigned int)argc - 1) {
		addresses[n_addresses] = argv[1 + n_addresses];
		n_addresses++;
	}
	for (unsigned int i = 0; i < EVENTS; i++)
		events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	resting = mmap(NULL, sizeof(*resting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (resting == MAP_FAILED)
		err(1, "mmap");
	signal(SIGTERM, end);
	others[0] = start(fire, -1);
	others[1] = start(intrude, -1);
	while (!ended) {
		int line = open_line(O_RDWR);

		if (line < 0) {
			refused++;
			usleep(5000);
			continue;
		}
		held++;
		for (unsigned int i = 0; i < n_workers; i++)
			pids[i] = start(workers[i], line);
		poll(&(struct pollfd){.fd = line}, 1, HOLD_MS);
		for (unsigned int i = 0; i < n_workers; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], &status, 0);
			if (WIFEXITED(status))
				errx(1, "worker %u ended by itself", i);
		}
		close(line);
		*resting = held % HOLDS == 0;
		usleep(*resting ? REST_MS * 1000 : 1000);
		*resting = false;
	}
	for (unsigned int i = 0; i < 2; i++) {
		kill(others[i], SIGKILL);
		waitpid(others[i], &status, 0);
		if (WIFEXITED(status))
			errx(1, "process %u ended by itself", i);
	}
	printf("held %lu times, %lu times not there\n", held, refused);
	return 0;
}
