/* SPDX-License-Identifier: MIT */
/*
 * The ways an interrupt can take. Each owns its client processes, which sleep while another case has
 * its turn, and the raiser's end of the source.
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <ptirq-admin.h>
#include <ptirq.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "softdev.h"

#define MAX_CLIENTS 64
#define MAX_LINES   64

struct bench_case {
	const struct bench_options *options;
	const char *socket; /* NULL: direct */
	const char *line;
	uint32_t flags;
	int n_clients;
	int next; /* number of the client that is being forked */
	pid_t client[MAX_CLIENTS];
	struct bench_shared *shared;
	/* The raiser's end. */
	int raise_fd;
	int done_fd;
	struct softdev_regs *regs; /* NULL: direct */
	struct ptirq *admin;
	struct ptirq_sim_pin pin;
};

static void await_clients(struct bench_shared *shared, uint32_t n)
{
	for (int ms = 0; atomic_load(&shared->ready) < n; ms++) {
		if (ms == 10000)
			errx(1, "only %u of %u clients are ready after 10 s",
			     atomic_load(&shared->ready), n);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

static void put(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		err(1, "write to an eventfd");
}

static void take(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		err(1, "read of an eventfd");
}

static void direct_client(void *arg)
{
	struct bench_case *c = arg;

	bench_pin(c->options, BENCH_PRIO_CLIENT);
	atomic_fetch_add(&c->shared->ready, 1);
	for (;;) {
		take(c->raise_fd);
		atomic_store(&c->shared->woken_ns, bench_now_ns());
		put(c->done_fd);
	}
}

struct bench_case *bench_direct_new(const struct bench_options *options)
{
	struct bench_case *c = calloc(1, sizeof(*c));

	if (!c)
		err(1, "calloc");
	c->options = options;
	c->n_clients = 1;
	c->shared = bench_shared_new();
	c->raise_fd = eventfd(0, EFD_CLOEXEC);
	c->done_fd = eventfd(0, EFD_CLOEXEC);
	if (c->raise_fd < 0 || c->done_fd < 0)
		err(1, "eventfd");
	c->client[0] = bench_fork(direct_client, c);
	await_clients(c->shared, 1);
	return c;
}

static void brokered_client(void *arg)
{
	struct bench_case *c = arg;
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	bool owner = c->next == c->n_clients - 1;
	struct ptirq_irq irq;
	struct ptirq *ptirq;
	struct ptirq_sub *sub;
	struct ptirq_map map;
	struct softdev_regs *regs;
	int r;

	options.flags = c->flags;
	if (ptirq_open(&ptirq, c->socket) < 0 ||
	    ptirq_map_device(ptirq, c->line, "dev", 0, &map) < 0 ||
	    ptirq_subscribe(ptirq, c->line, &options, &sub) < 0)
		errx(1, "%s", ptirq_error(ptirq));
	regs = map.addr;
	bench_pin(c->options, BENCH_PRIO_CLIENT);
	atomic_fetch_add(&c->shared->ready, 1);
	r = ptirq_wait(sub, &irq, -1);
	while (r == 0) {
		if (owner) {
			atomic_store(&c->shared->woken_ns, bench_now_ns());
			atomic_store(&regs->status, 0);
		}
		r = ptirq_ack_wait(sub, &irq, owner ? PTIRQ_HANDLED : PTIRQ_NOT_MINE, -1);
	}
	errx(1, "%s", ptirq_error(ptirq));
}

/* Blocking, as the direct case's is: nobody but this process and the broker has the description. */
static void make_blocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0)
		err(1, "fcntl");
}

static void drain(int fd)
{
	uint64_t count;

	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		err(1, "fcntl");
	while (read(fd, &count, sizeof(count)) > 0)
		;
	make_blocking(fd);
}

struct bench_case *bench_brokered_new(const struct bench_options *options,
				      const struct bench_broker *broker, const char *line,
				      uint32_t flags, int clients)
{
	struct bench_case *c = calloc(1, sizeof(*c));

	if (!c)
		err(1, "calloc");
	c->options = options;
	c->socket = broker->socket;
	c->line = line;
	c->flags = flags;
	c->n_clients = clients;
	c->shared = bench_shared_new();
	for (c->next = 0; c->next < clients; c->next++)
		c->client[c->next] = bench_fork(brokered_client, c);
	await_clients(c->shared, (uint32_t)clients);
	if (ptirq_open(&c->admin, broker->socket) < 0 ||
	    ptirq_sim_open(c->admin, line, "dev", &c->pin) < 0)
		errx(1, "%s", ptirq_error(c->admin));
	c->raise_fd = c->pin.pin_fd;
	c->done_fd = c->pin.unmasked_fd;
	c->regs = c->pin.registers.addr;
	drain(c->done_fd);
	return c;
}

void bench_case_free(struct bench_case *c)
{
	for (int i = 0; i < c->n_clients; i++)
		bench_reap(c->client[i]);
	if (c->admin) {
		ptirq_sim_close(&c->pin);
		ptirq_close(c->admin);
	} else {
		close(c->raise_fd);
		close(c->done_fd);
	}
	bench_shared_free(c->shared);
	free(c);
}

/*
 * The kernel stops real-time tasks for 50 ms when they have used 95 % of a second (sched_rt_runtime_us);
 * that would be measured as the broker's. So everybody rests before it comes to that.
 */
static void rest(uint64_t *busy_since)
{
	if (bench_now_ns() - *busy_since < 50000000)
		return;
	bench_expect_progress(true);
	nanosleep(&(struct timespec){.tv_nsec = 6000000}, NULL);
	*busy_since = bench_now_ns();
}

void bench_case_run(struct bench_case *c, int n, uint64_t *round_trip, uint64_t *one_way)
{
	uint64_t busy_since = 0;

	bench_pin(c->options, BENCH_PRIO_RAISER);
	for (int i = 0; i < n; i++) {
		uint64_t start;

		rest(&busy_since);
		start = bench_now_ns();
		if (c->regs)
			atomic_store(&c->regs->status, 1);
		put(c->raise_fd);
		take(c->done_fd);
		round_trip[i] = bench_now_ns() - start;
		one_way[i] = atomic_load(&c->shared->woken_ns) - start;
	}
	bench_expect_progress(false);
	bench_unpin(c->options);
}

struct burst_client {
	const struct bench_options *options;
	const struct bench_broker *broker;
	struct bench_shared *shared;
	int lines;
};

static enum ptirq_verdict burst_serve(struct ptirq_sub *sub, const struct ptirq_irq *irq,
				      void *userdata)
{
	struct softdev_regs *regs = userdata;

	(void)sub;
	(void)irq;
	atomic_store(&regs->status, 0);
	return PTIRQ_HANDLED;
}

static void burst_client(void *arg)
{
	struct burst_client *b = arg;
	struct pollfd pollfd = {.events = POLLIN};
	struct ptirq *ptirq;

	if (ptirq_open(&ptirq, b->broker->socket) < 0)
		errx(1, "%s", ptirq_error(ptirq));
	for (int i = 0; i < b->lines; i++) {
		struct ptirq_sub *sub;
		struct ptirq_map map;
		char line[16];

		snprintf(line, sizeof(line), "line%d", i);
		if (ptirq_map_device(ptirq, line, "dev", 0, &map) < 0 ||
		    ptirq_subscribe(ptirq, line, NULL, &sub) < 0 ||
		    ptirq_set_handler(sub, burst_serve, map.addr) < 0)
			errx(1, "%s", ptirq_error(ptirq));
	}
	pollfd.fd = ptirq_get_fd(ptirq);
	bench_pin(b->options, BENCH_PRIO_CLIENT);
	atomic_fetch_add(&b->shared->ready, 1);
	while (poll(&pollfd, 1, -1) == 1)
		if (ptirq_dispatch(ptirq) < 0)
			break;
	errx(1, "%s", ptirq_error(ptirq));
}

double bench_burst(const struct bench_options *options, const struct bench_broker *broker,
		   int lines, int bursts)
{
	struct burst_client client = {options, broker, bench_shared_new(), lines};
	struct ptirq_sim_pin pin[MAX_LINES];
	struct ptirq *admin;
	uint64_t cpu, busy_since = 0;
	pid_t pid = bench_fork(burst_client, &client);

	await_clients(client.shared, 1);
	if (ptirq_open(&admin, broker->socket) < 0)
		errx(1, "%s", ptirq_error(admin));
	for (int i = 0; i < lines; i++) {
		char line[16];

		snprintf(line, sizeof(line), "line%d", i);
		if (ptirq_sim_open(admin, line, "dev", &pin[i]) < 0)
			errx(1, "%s", ptirq_error(admin));
		drain(pin[i].unmasked_fd);
	}
	bench_pin(options, BENCH_PRIO_RAISER);
	cpu = bench_cpu_ns(broker->pid);
	for (int b = 0; b < bursts; b++) {
		rest(&busy_since);
		for (int i = 0; i < lines; i++) {
			struct softdev_regs *regs = pin[i].registers.addr;

			atomic_store(&regs->status, 1);
			put(pin[i].pin_fd);
		}
		/* The last one first: else every unmask wakes the raiser, in the broker's time. */
		for (int i = lines; i-- > 0;)
			take(pin[i].unmasked_fd);
	}
	cpu = bench_cpu_ns(broker->pid) - cpu;
	bench_expect_progress(false);
	bench_unpin(options);
	for (int i = 0; i < lines; i++)
		ptirq_sim_close(&pin[i]);
	ptirq_close(admin);
	bench_reap(pid);
	bench_shared_free(client.shared);
	return (double)lines * bursts / ((double)cpu / 1e9);
}
