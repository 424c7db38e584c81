/* SPDX-License-Identifier: MIT */
/*
 * Owns the promises of the software line: true level semantics, attribution, masks, grants. The
 * executor is played by a few counters.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "broker/config.h"
#include "broker/edge_poll.h"
#include "broker/source/source.h"
#include "broker/watchdog.h"
#include "proto/softdev.h"
#include "tests/lib/fd_check.h"

static uv_loop_t loop;
static struct line_config line;
static struct source *source;
static struct source_topology topology;
static unsigned int fired[LIMIT_UNITS_PER_LINE], back_to_back, ups;
static uint16_t attribution;
static bool in_operation;

static void on_fired(void *user, uint8_t unit, uint16_t who, bool again)
{
	cr_assert_eq(user, &loop);
	cr_assert(!in_operation, "called back from within an operation");
	fired[unit]++;
	attribution = who;
	back_to_back += again;
}

static void on_up(void *user)
{
	cr_assert_eq(user, &loop);
	ups++;
}

static int held_up = -1;

static void on_held_up(void *user, int fd)
{
	cr_assert_eq(user, &loop);
	held_up = fd;
}

static const struct source_events events = {
	.fired = on_fired,
	.up = on_up,
	.held_up = on_held_up,
};

static void begin(void)
{
	/* libuv keeps a pipe for signals from its first loop on. */
	cr_assert_eq(uv_loop_init(&loop), 0);
	uv_loop_close(&loop);
	fd_check_begin();
	cr_assert_eq(uv_loop_init(&loop), 0);
}

static void end(void)
{
	if (source)
		source->ops->free(source);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	fd_check_end();
}

TestSuite(source_sim, .init = begin, .fini = end);

/* A letter a device: m has mask and status, s status only, n neither. */
static void make(const char *devices, enum config_trigger trigger)
{
	char problem[LIMIT_TEXT];

	strcpy(line.name, "soft");
	line.trigger = trigger;
	line.n_devices = (uint8_t)strlen(devices);
	for (uint8_t d = 0; d < line.n_devices; d++) {
		snprintf(line.device[d].name, sizeof(line.device[d].name), "dev%d", d);
		line.device[d].has_mask = devices[d] == 'm';
		line.device[d].sim_status = line.device[d].use_status = devices[d] != 'n';
	}
	cr_assert_eq(source_sim_new(&line, &loop, &events, &loop, &source), 0);
	cr_assert_eq(source->ops->describe(source, &topology, problem), 0);
	source->ops->start(source);
	cr_assert_eq(ups, 1);
}

static void turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void op(int (*operation)(struct source *source, uint8_t index), uint8_t index)
{
	in_operation = true;
	cr_assert_eq(operation(source, index), 0);
	in_operation = false;
}

static void set(uint8_t device, bool on)
{
	in_operation = true;
	cr_assert_eq(source->ops->assert_bits(source, device, 1, !on), 0);
	in_operation = false;
	turn();
}

static void unmask(uint8_t unit)
{
	op(source->ops->unmask, unit);
	turn();
}

Test(source_sim, maskable_devices_are_units_of_their_own)
{
	make("mmm", CONFIG_LEVEL);
	cr_assert_eq(topology.n_units, 3);
	cr_assert_eq(topology.n_devices, 3);
	cr_assert_eq(topology.device[2].unit, 2);
	cr_assert_str_eq(topology.device[2].name, "dev2");
	cr_assert_str_eq(topology.device[2].location, "soft");
	cr_assert(topology.device[2].has_mask && topology.device[2].has_status);
	cr_assert(topology.can_sample[2]);
}

Test(source_sim, one_unmaskable_device_makes_one_unit)
{
	make("msn", CONFIG_LEVEL);
	cr_assert_eq(topology.n_units, 1);
	cr_assert_eq(topology.device[2].unit, 0);
	cr_assert(topology.device[0].has_mask && !topology.device[1].has_mask);
	cr_assert(topology.device[1].has_status && !topology.device[2].has_status);
	cr_assert(topology.can_sample[0]);
}

Test(source_sim, masked_from_the_start_fires_at_the_unmask)
{
	make("m", CONFIG_LEVEL);
	set(0, true);
	cr_assert_eq(fired[0], 0);
	unmask(0);
	cr_assert_eq(fired[0], 1);
	cr_assert_eq(attribution, 1);
	turn();
	cr_assert_eq(fired[0], 1, "a firing unit is masked");
}

Test(source_sim, a_level_that_stays_up_fires_at_each_unmask)
{
	make("m", CONFIG_LEVEL);
	unmask(0);
	set(0, true);
	cr_assert_eq(back_to_back, 0);
	for (unsigned int i = 1; i < 5; i++) {
		cr_assert_eq(fired[0], i);
		unmask(0);
		cr_assert_eq(back_to_back, i);
	}
	set(0, false);
	op(source->ops->mask, 0);
	unmask(0);
	cr_assert_eq(fired[0], 5, "the level is down");
}

Test(source_sim, units_fire_each_for_itself)
{
	make("mm", CONFIG_LEVEL);
	unmask(0);
	unmask(1);
	set(1, true);
	cr_assert(fired[0] == 0 && fired[1] == 1);
	cr_assert_eq(attribution, 2);
	set(0, true);
	cr_assert(fired[0] == 1 && fired[1] == 1);
}

Test(source_sim, devices_that_share_a_unit)
{
	make("ss", CONFIG_LEVEL);
	unmask(0);
	set(1, true);
	cr_assert_eq(attribution, 2);
	set(0, true);
	cr_assert_eq(fired[0], 1, "the wire is up already");
	set(1, false);
	unmask(0);
	cr_assert_eq(fired[0], 2);
	cr_assert_eq(attribution, 1);
}

Test(source_sim, no_status_no_attribution)
{
	struct source_level level;

	make("sn", CONFIG_LEVEL);
	unmask(0);
	level = source->ops->sample(source, 0);
	cr_assert(level.asserted == -1 && level.status == 0 && level.known == 1);
	set(1, true);
	cr_assert_eq(fired[0], 1);
	cr_assert_eq(attribution, 0);
	cr_assert_eq(source->ops->sample(source, 0).asserted, -1);
	set(0, true);
	level = source->ops->sample(source, 0);
	cr_assert(level.asserted == 1 && level.status == 1);
}

Test(source_sim, quiet_is_apart_from_masked)
{
	make("ms", CONFIG_LEVEL);
	cr_assert_eq(source->ops->quiet(source, 1), -EOPNOTSUPP);
	op(source->ops->quiet, 0);
	unmask(0);
	set(0, true);
	cr_assert_eq(fired[0], 0, "a quiet device does not pull the wire");
	cr_assert_eq(source->ops->sample(source, 0).asserted, 0);
	set(1, true);
	cr_assert_eq(attribution, 2);
	set(1, false);
	unmask(0);
	cr_assert_eq(fired[0], 1);
	op(source->ops->unquiet, 0);
	turn();
	cr_assert_eq(fired[0], 2);
	cr_assert_eq(attribution, 1);
}

Test(source_sim, an_edge_is_told_once)
{
	make("mm", CONFIG_EDGE);
	cr_assert(topology.edge && topology.n_units == 1);
	set(1, true);
	unmask(0);
	cr_assert_eq(fired[0], 1, "an edge under the mask stays pending");
	cr_assert_eq(attribution, 2);
	unmask(0);
	cr_assert_eq(fired[0], 1);
	set(0, true);
	cr_assert_eq(fired[0], 2, "an edge masks nothing");
	cr_assert_eq(attribution, 1);
}

/* ---- A11 ---------------------------------------------------------------------------------------- */

static int eventfd_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	cr_assert_geq(fd, 0);
	return fd;
}

/* How often it has been written since. */
static unsigned int written(int fd)
{
	eventfd_t count = 0;

	return eventfd_read(fd, &count) < 0 ? 0 : (unsigned int)count;
}

Test(source_sim, which_paths)
{
	make("ms", CONFIG_LEVEL);
	cr_assert(topology.can_notify[0] && topology.can_direct[0]);
	source->ops->free(source);
	ups = 0;
	make("n", CONFIG_LEVEL);
	cr_assert(topology.can_notify[0] && !topology.can_direct[0], "it could not be supervised");
	source->ops->free(source);
	ups = 0;
	make("m", CONFIG_EDGE);
	cr_assert(!topology.can_notify[0] && !topology.can_direct[0]);
}

Test(source_sim, takers_are_woken_besides)
{
	int taker[2] = {eventfd_new(), eventfd_new()};

	make("mm", CONFIG_LEVEL);
	unmask(0);
	unmask(1);
	cr_assert_eq(source->ops->notify(source, 0, taker, 2), 0);
	set(1, true);
	cr_assert(!written(taker[0]) && !written(taker[1]), "another unit's");
	set(0, true);
	cr_assert_eq(fired[0], 1);
	cr_assert(written(taker[0]) == 1 && written(taker[1]) == 1);
	turn();
	cr_assert_eq(written(taker[0]), 0, "once an interrupt");
	cr_assert_eq(source->ops->notify(source, 0, taker + 1, 1), 0);
	unmask(0);
	cr_assert(!written(taker[0]) && written(taker[1]) == 1, "the set is replaced");
	cr_assert_eq(source->ops->notify(source, 0, NULL, 0), 0);
	unmask(0);
	cr_assert(!written(taker[1]) && fired[0] == 3);
	close(taker[0]);
	close(taker[1]);
}

static void direct(bool edge)
{
	int wake = eventfd_new(), resample = eventfd_new();
	struct source_level level;
	uint64_t generation;

	edge_poll_assume(edge);
	make("m", CONFIG_LEVEL);
	unmask(0);
	in_operation = true;
	cr_assert_eq(source->ops->promote(source, 0, wake, resample), 0);
	in_operation = false;
	turn();
	generation = source->ops->sample(source, 0).generation;
	for (unsigned int i = 1; i <= 3; i++) {
		set(0, true);
		cr_assert(written(wake) == 1 && !fired[0]);
		level = source->ops->sample(source, 0);
		cr_assert(level.masked == 1 && level.asserted == 1);
		cr_assert_eq(level.generation, generation + i);
		set(0, false);
		eventfd_write(resample, 1);
		turn();
		cr_assert_eq(source->ops->sample(source, 0).masked, 0);
	}
	eventfd_write(resample, 1);
	turn();
	cr_assert_eq(written(wake), 0, "nothing was masked");

	/* Not served: the unmask looks, as for anybody. */
	set(0, true);
	cr_assert_eq(written(wake), 1);
	eventfd_write(resample, 1);
	turn();
	turn();
	cr_assert_eq(written(wake), 1);

	/* Back, and the old resample eventfd means nothing. */
	in_operation = true;
	cr_assert_eq(source->ops->demote(source, 0), 0);
	in_operation = false;
	eventfd_write(resample, 1);
	turn();
	cr_assert(source->ops->sample(source, 0).masked && !written(wake) && !fired[0]);
	unmask(0);
	cr_assert(fired[0] == 1 && !written(wake));
	close(wake);
	close(resample);
}

Test(source_sim, direct_past_the_executor)
{
	direct(true);
}

Test(source_sim, direct_past_the_executor_level_triggered)
{
	direct(false);
}

/* Fired, told from idle, and promoted in between: it goes to the new holder. */
Test(source_sim, promoted_while_it_fires)
{
	int wake = eventfd_new(), resample = eventfd_new();

	make("m", CONFIG_LEVEL);
	set(0, true);
	op(source->ops->unmask, 0);
	cr_assert_eq(source->ops->promote(source, 0, wake, resample), 0);
	turn();
	cr_assert(written(wake) == 1 && !fired[0]);
	source->ops->free(source);
	source = NULL;
	close(wake);
	close(resample);
}

/* T1: an eventfd that blocks is let go, and its holder named. */
Test(source_sim, a_taker_that_holds_up_the_write)
{
	int taker[2] = {eventfd_new(), eventfd_new()};

	cr_assert_eq(watchdog_start(), 0);
	make("m", CONFIG_LEVEL);
	unmask(0);
	cr_assert_eq(source->ops->notify(source, 0, taker, 2), 0);
	eventfd_write(taker[0], UINT64_MAX - 1);
	cr_assert_eq(fcntl(taker[0], F_SETFL, 0), 0);
	set(0, true);
	cr_assert_eq(held_up, taker[0]);
	cr_assert(written(taker[1]) == 1 && fired[0] == 1, "the others do not suffer");
	held_up = -1;
	unmask(0);
	cr_assert(held_up == -1 && written(taker[1]) == 1 && fired[0] == 2);
	watchdog_stop();
	close(taker[0]);
	close(taker[1]);
}

/* ---- grants ------------------------------------------------------------------------------------ */

static struct source_grant grant;

static void granted(void *user, int error, const char *problem, const struct source_grant *what)
{
	cr_assert_eq(user, &loop);
	cr_assert_eq(error, 0, "%s", problem);
	grant = *what;
}

static struct softdev_regs *map(uint8_t device, enum source_grant_kind kind)
{
	struct softdev_regs *regs;

	source->ops->grant(source, device, kind, granted, &loop);
	cr_assert_str_eq(grant.region[0].name, "registers");
	cr_assert_eq(grant.region[0].size, SOFTDEV_SIZE);
	regs = mmap(NULL, SOFTDEV_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, grant.region[0].fd, 0);
	cr_assert_neq(regs, MAP_FAILED);
	return regs;
}

Test(source_sim, registers_are_one_page_that_cannot_shrink)
{
	struct softdev_regs *regs;

	make("m", CONFIG_LEVEL);
	set(0, true);
	regs = map(0, SOURCE_GRANT_REGISTERS);
	cr_assert_eq(grant.n, 1);
	cr_assert_eq(regs->status, 1, "what was asserted before is there");
	cr_assert_eq(regs->mask, 1);
	cr_assert_eq(ftruncate(grant.region[0].fd, 0), -1);
	cr_assert_eq(errno, EPERM);
	unmask(0);
	cr_assert_eq(fired[0], 1);
	regs->status = 0;
	unmask(0);
	cr_assert_eq(fired[0], 1);
	cr_assert_eq(regs->mask, 0);
	op(source->ops->quiet, 0);
	cr_assert_eq(regs->mask, 1);
	map(0, SOURCE_GRANT_REGISTERS)->status = 8;
	cr_assert_eq(regs->status, 8, "the same page for everybody");
}

static void play(bool edge)
{
	struct softdev_regs *regs;
	eventfd_t count;

	edge_poll_assume(edge);
	make("mm", CONFIG_LEVEL);
	regs = map(1, SOURCE_GRANT_SIM_PIN);
	cr_assert_eq(grant.n, 3);
	cr_assert_str_eq(grant.region[1].name, "pin");
	cr_assert_str_eq(grant.region[2].name, "unmasked");
	turn();
	for (unsigned int i = 1; i <= 3; i++) {
		unmask(1);
		cr_assert_eq(eventfd_read(grant.region[2].fd, &count), 0);
		cr_assert_eq(count, 1, "told once of each unmask");
		atomic_fetch_or(&regs->status, 4);
		eventfd_write(grant.region[1].fd, 1);
		turn();
		cr_assert_eq(fired[1], i);
		cr_assert_eq(attribution, 2);
		atomic_fetch_and(&regs->status, ~4u);
	}
	eventfd_write(grant.region[1].fd, 1);
	unmask(1);
	cr_assert_eq(fired[1], 3, "a pin without a status is nothing");
	unmask(0);
	cr_assert_eq(eventfd_read(grant.region[2].fd, &count), 0);
	cr_assert_eq(count, 1, "another device's unmask is not told");

	/* Raised under the mask, without a write of the pin: found at the unmask. */
	op(source->ops->mask, 1);
	atomic_fetch_or(&regs->status, 1);
	unmask(1);
	cr_assert_eq(fired[1], 4);
}

Test(source_sim, the_pin_edge_triggered)
{
	play(true);
}

Test(source_sim, the_pin_level_triggered)
{
	play(false);
}

Test(source_sim, nobody_plays_no_fd)
{
	fd_check_begin(); /* from here on: the loop has fds of its own */
	make("mmm", CONFIG_LEVEL);
	fd_check_end();
	source->ops->free(source);
	source = NULL;
}
