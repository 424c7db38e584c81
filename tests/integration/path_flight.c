// SPDX-License-Identifier: MIT
/*
 * A11 under way: interrupts as fast as they are served while somebody comes and goes, so that paths change
 * with interrupts in flight. A thread each for every device's player and its driver, and one for the
 * passer-by on the first device; each with a handle of its own.
 *
 *	path_flight SOCKET LINE SECONDS DEVICE:OPTIONS...     options: d direct, n notify, - neither
 *
 * Asserted must be served, each within two seconds, by whomever; exit status 0 says so. The line's
 * deadlines have to be longer than that, so that no expiry helps a lost interrupt along.
 */
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "proto/softdev.h"
#include "ptirq-admin.h"

#define MAX_DEVICES 4
#define PATIENCE_NS UINT64_C(2000000000)

static const char *path, *line;
static _Atomic bool stop;     /* no more interrupts */
static _Atomic bool all_done; /* all that were asserted are served */

struct device {
	char name[64];
	uint32_t flags;
	uint64_t asserted, slowest_ns;
	uint64_t changes; /* of the driver's path */
	uint64_t on[3];   /* interrupts taken, by path */
	_Atomic uint64_t served;
	pthread_t player, driver;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static struct ptirq *connected(void)
{
	struct ptirq *p;

	if (ptirq_open(&p, path) < 0)
		errx(1, "%s", ptirq_error(p));
	return p;
}

static struct ptirq_sub *subscribed(struct ptirq *p, const struct device *d, uint32_t flags)
{
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	struct ptirq_sub *sub;

	options.device = d->name;
	options.flags = flags;
	if (ptirq_subscribe(p, line, &options, &sub) < 0)
		errx(1, "%s", ptirq_error(p));
	return sub;
}

/* The device: a bit at a time, the next when that one is served. */
static void *play(void *user)
{
	struct device *d = user;
	struct ptirq *p = connected();
	struct ptirq_sim_pin pin;
	struct softdev_regs *regs;

	if (ptirq_sim_open(p, line, d->name, &pin) < 0)
		errx(1, "%s", ptirq_error(p));
	regs = pin.registers.addr;
	while (!stop) {
		uint64_t began = now_ns(), took;

		atomic_fetch_or(&regs->status, 1u << d->asserted % 32);
		d->asserted++;
		eventfd_write(pin.pin_fd, 1);
		while (atomic_load(&regs->status)) {
			took = now_ns() - began;
			if (took > PATIENCE_NS)
				errx(1, "%s: interrupt %llu is lost or stuck", d->name,
				     (unsigned long long)d->asserted);
			sched_yield();
		}
		took = now_ns() - began;
		if (took > d->slowest_ns)
			d->slowest_ns = took;
	}
	ptirq_sim_close(&pin);
	ptirq_close(p);
	return NULL;
}

static unsigned int serve(struct device *d, const struct ptirq_map *map)
{
	struct softdev_regs *regs = map->addr;
	unsigned int n = (unsigned int)__builtin_popcount(atomic_exchange(&regs->status, 0));

	d->served += n;
	return n;
}

static void *drive(void *user)
{
	struct device *d = user;
	struct ptirq *p = connected();
	struct ptirq_sub *sub = subscribed(p, d, d->flags);
	enum ptirq_path last = PTIRQ_PATH_BROKERED, at;
	struct ptirq_map map;
	struct ptirq_irq irq;

	if (ptirq_map_device(p, line, d->name, 0, &map) < 0)
		errx(1, "%s", ptirq_error(p));
	while (!all_done) {
		if (ptirq_wait(sub, &irq, 50) < 0)
			continue;
		at = ptirq_sub_path(sub);
		d->changes += at != last;
		d->on[at]++;
		last = at;
		ptirq_ack(sub, &irq, serve(d, &map) ? PTIRQ_HANDLED : PTIRQ_NOT_MINE);
	}
	ptirq_unmap_device(&map);
	ptirq_close(p);
	return NULL;
}

/* Comes, takes what there is for a while, and goes, sometimes in the middle of it. */
static void *pass_by(void *user)
{
	static const uint32_t flags[] = {0, PTIRQ_OPT_NOTIFY, PTIRQ_OPT_DIRECT,
					 PTIRQ_OPT_DIRECT | PTIRQ_OPT_NOTIFY};
	struct device *d = user;
	struct ptirq *p = connected();
	struct ptirq_map map;
	unsigned int seed = 1;
	unsigned long times = 0;

	if (ptirq_map_device(p, line, d->name, 0, &map) < 0)
		errx(1, "%s", ptirq_error(p));
	for (; !stop; times++) {
		struct ptirq_sub *sub = subscribed(p, d, flags[times % 4]);
		unsigned int rounds = (unsigned int)rand_r(&seed) % 8;
		struct ptirq_irq irq;

		while (rounds-- && ptirq_wait(sub, &irq, 1) == 0)
			if (rounds)
				ptirq_ack(sub, &irq,
					  serve(d, &map) ? PTIRQ_HANDLED : PTIRQ_NOT_MINE);
		ptirq_unsubscribe(sub);
		usleep((unsigned int)rand_r(&seed) % 300);
	}
	ptirq_unmap_device(&map);
	ptirq_close(p);
	printf("passed by %lu times\n", times);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct device device[MAX_DEVICES];
	int n = argc - 4;
	pthread_t passer_by;
	bool well = true;

	if (n < 1 || n > MAX_DEVICES)
		errx(2, "usage: path_flight SOCKET LINE SECONDS DEVICE:OPTIONS...");
	path = argv[1];
	line = argv[2];
	for (int i = 0; i < n; i++) {
		const char *options = strchr(argv[4 + i], ':');

		snprintf(device[i].name, sizeof(device[i].name), "%.*s",
			 (int)(options - argv[4 + i]), argv[4 + i]);
		device[i].flags = (strchr(options, 'd') ? PTIRQ_OPT_DIRECT : 0) |
				  (strchr(options, 'n') ? PTIRQ_OPT_NOTIFY : 0);
		pthread_create(&device[i].driver, NULL, drive, &device[i]);
	}
	for (int i = 0; i < n; i++)
		pthread_create(&device[i].player, NULL, play, &device[i]);
	pthread_create(&passer_by, NULL, pass_by, &device[0]);
	usleep((useconds_t)(atof(argv[3]) * 1e6));
	stop = true;
	for (int i = 0; i < n; i++)
		pthread_join(device[i].player, NULL);
	all_done = true;
	pthread_join(passer_by, NULL);
	for (int i = 0; i < n; i++) {
		struct device *d = &device[i];

		pthread_join(d->driver, NULL);
		printf("%s: asserted %llu, served %llu, slowest %.3f ms; its driver took %llu "
		       "brokered, %llu notify, %llu direct, %llu changes\n",
		       d->name, (unsigned long long)d->asserted, (unsigned long long)d->served,
		       (double)d->slowest_ns / 1e6, (unsigned long long)d->on[0],
		       (unsigned long long)d->on[1], (unsigned long long)d->on[2],
		       (unsigned long long)d->changes);
		well = well && d->asserted == d->served;
	}
	return !well;
}
