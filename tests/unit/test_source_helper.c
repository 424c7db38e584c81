/* SPDX-License-Identifier: MIT */
/*
 * Owns the promises of the helper source that need no kernel: which request is made when, whose deferral
 * counts, who is told what when devices come and go. In place of helper_line.c there is a kernel of a
 * few lines here; tests/vm has the real one.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "broker/opener_child.h"
#include "broker/source/helper_line.h"
#include "broker/source/source.h"
#include "tests/lib/fd_check.h"
#include "tests/unit/fake_sysfs.h"

#define DEV0  "0000:00:05.0"
#define DEV1  "0000:00:09.0"
#define WHOLE (PTIRQ_UIO_CAN_MASK | PTIRQ_UIO_HAS_STATUS)

/* ---- a kernel: devices 0 and 1, and what is said of the line as one unit ------------------------- */

static struct {
	char name[32];
	uint32_t caps;
	bool there, asserts, disintx;
	int trigger, resample; /* of its own; 0: none */
	int taker[4];
	struct ptirq_uio_page_device entry;
} dev[3];
#define ONE 2 /* the line's own entry */

static uint32_t line_caps, level;
static int trigger = -1;
static bool stale, fires_at_swap, no_resample;
static char calls[256]; /* what was asked for since the last look */

static unsigned int index_of(uint32_t device)
{
	return device == PTIRQ_UIO_LINE ? ONE : device;
}

__attribute__((format(printf, 1, 2))) static void call(const char *format, ...)
{
	size_t length = strlen(calls);
	va_list args;

	va_start(args, format);
	vsnprintf(calls + length, sizeof(calls) - length, format, args);
	va_end(args);
}

static const char *called(void)
{
	static char copy[sizeof(calls)];

	strcpy(copy, calls);
	*calls = 0;
	return copy;
}

static bool asserts(unsigned int i)
{
	return i == ONE ? dev[0].asserts || dev[1].asserts : dev[i].asserts;
}

static void defer(unsigned int i)
{
	dev[i].entry.state = PTIRQ_UIO_DEFERRED;
	dev[i].entry.generation++;
	if (dev[i].trigger || trigger >= 0)
		eventfd_write(dev[i].trigger ? dev[i].trigger : trigger, 1);
	for (unsigned int t = 0; t < 4 && dev[i].taker[t]; t++)
		eventfd_write(dev[i].taker[t], 1);
}

static void interrupt(unsigned int i)
{
	if (i != ONE)
		dev[i].asserts = true;
	if (dev[i].entry.state != PTIRQ_UIO_IDLE)
		return;
	dev[i].entry.interrupts++;
	defer(i);
}

static void try_unmask(unsigned int i)
{
	if (!asserts(i)) {
		dev[i].entry.state = PTIRQ_UIO_IDLE;
		return;
	}
	dev[i].entry.again++;
	defer(i);
}

int helper_line_info(int fd, uint32_t device, struct ptirq_uio_info *ret_info)
{
	struct ptirq_uio_info info = {.uio_minor = -1, .caps = line_caps};
	unsigned int i = index_of(device);

	if (fd < 0)
		return -EBADF;
	if (device != PTIRQ_UIO_LINE && (device >= ONE || !dev[device].there))
		return -ENODEV;
	info.devices = (uint32_t)dev[0].there | (uint32_t)dev[1].there << 1;
	if (i != ONE) {
		info.caps = dev[i].caps;
		info.uio_minor = (int)i;
		memcpy(info.name, dev[i].name, sizeof(info.name));
	}
	*ret_info = info;
	return 0;
}

int helper_line_ack(int fd, uint32_t device, uint64_t generation, bool keep_masked)
{
	unsigned int i = index_of(device);

	call("%s%u:%d ", keep_masked ? "keep" : "ack", i, (int)generation);
	if (fd < 0 || stale || dev[i].entry.state != PTIRQ_UIO_DEFERRED ||
	    dev[i].entry.generation != generation)
		return -ESTALE;
	if (keep_masked)
		dev[i].entry.state = PTIRQ_UIO_MASKED;
	else
		try_unmask(i);
	return 0;
}

int helper_line_mask(int fd, uint32_t device)
{
	unsigned int i = index_of(device);

	call("mask%u ", i);
	if (i != ONE && line_caps & PTIRQ_UIO_ONE_UNIT && !(dev[i].caps & PTIRQ_UIO_CAN_MASK))
		return -EOPNOTSUPP;
	if (i != ONE && line_caps & PTIRQ_UIO_ONE_UNIT)
		dev[i].disintx = true;
	else
		dev[i].entry.state = PTIRQ_UIO_MASKED;
	return fd < 0 ? -EBADF : 0;
}

int helper_line_unmask(int fd, uint32_t device)
{
	unsigned int i = index_of(device);

	call("unmask%u ", i);
	if (i != ONE && line_caps & PTIRQ_UIO_ONE_UNIT)
		dev[i].disintx = false;
	else if (dev[i].entry.state != PTIRQ_UIO_IDLE)
		try_unmask(i);
	return fd < 0 ? -EBADF : 0;
}

int helper_line_sample(int fd, struct ptirq_uio_sample *ret_sample)
{
	*ret_sample = (struct ptirq_uio_sample){.level = level};
	for (unsigned int i = 0; i < ONE; i++)
		if (dev[i].there && dev[i].asserts)
			ret_sample->asserting |= 1u << i;
	return fd < 0 ? -EBADF : 0;
}

int helper_line_set_trigger(int fd, uint32_t device, int eventfd)
{
	if (device == PTIRQ_UIO_LINE)
		trigger = eventfd;
	else
		dev[device].trigger = eventfd < 0 ? 0 : eventfd;
	call("trigger%u:%s ", index_of(device), eventfd < 0 ? "none" : "set");
	if (fires_at_swap) {
		fires_at_swap = false;
		interrupt(index_of(device));
	}
	return fd < 0 ? -EBADF : 0;
}

int helper_line_set_resample(int fd, uint32_t device, int eventfd)
{
	call("resample%u:%s ", index_of(device), eventfd < 0 ? "none" : "set");
	if (no_resample)
		return -EOPNOTSUPP;
	dev[index_of(device)].resample = eventfd < 0 ? 0 : eventfd;
	return fd < 0 ? -EBADF : 0;
}

int helper_line_set_notify(int fd, uint32_t device, const int *eventfds, size_t n)
{
	call("notify%u:%zu ", index_of(device), n);
	for (unsigned int t = 0; t < 4; t++)
		dev[index_of(device)].taker[t] = t < n ? eventfds[t] : 0;
	return fd < 0 ? -EBADF : 0;
}

int helper_line_set_mode(int fd, uint32_t mode, bool stop_dma)
{
	call("mode%u%s ", mode, stop_dma ? "+stop" : "");
	if (mode == PTIRQ_UIO_MODE_CPA && !(line_caps & PTIRQ_UIO_CAN_CPA))
		return -EOPNOTSUPP;
	dev[ONE].entry.state = PTIRQ_UIO_IDLE;
	return fd < 0 ? -EBADF : 0;
}

int helper_line_map(int fd, const struct ptirq_uio_page **ret_page)
{
	static const struct ptirq_uio_page page;

	(void)fd;
	*ret_page = &page;
	return 0;
}

void helper_line_unmap(const struct ptirq_uio_page *page)
{
	(void)page;
	trigger = -1; /* the line is closed next */
}

bool helper_line_entry(const struct ptirq_uio_page *page, uint32_t device,
		       struct ptirq_uio_page_device *ret_entry)
{
	(void)page;
	*ret_entry = dev[index_of(device)].entry;
	return true;
}

/* As ptirq_state_join(): the generation goes on, the counts begin anew. */
static void bind_to(unsigned int i, const char *name)
{
	uint64_t generation = dev[i].entry.generation;

	strcpy(dev[i].name, name);
	dev[i].caps = WHOLE;
	dev[i].there = true;
	dev[i].entry = (struct ptirq_uio_page_device){.state = PTIRQ_UIO_MASKED,
						      .generation = generation + 1};
}

/* ---- the source ---------------------------------------------------------------------------------- */

static uv_loop_t loop;
static const char *root;
static struct opener *opener;
static struct config config;
static struct source *source;
static struct source_topology topology;
static unsigned int fired[2], again, ups, gones, unit_ups[2], unit_gones[2];
static uint16_t attributed;
static char said[LIMIT_TEXT];
static int master[2] = {-1, -1}; /* a pseudo-terminal stands in for each line's node */

static void on_fired(void *user, uint8_t unit, uint16_t attribution, bool back_to_back)
{
	cr_assert_eq(user, &loop);
	attributed = attribution;
	fired[unit]++;
	again += back_to_back;
}

static void on_up(void *user)
{
	(void)user;
	ups++;
}

static void on_gone(void *user, const char *problem)
{
	(void)user;
	gones++;
	snprintf(said, sizeof(said), "%s", problem);
}

static void on_unit_up(void *user, uint8_t unit)
{
	(void)user;
	unit_ups[unit]++;
}

static void on_unit_gone(void *user, uint8_t unit, const char *problem)
{
	(void)user;
	unit_gones[unit]++;
	snprintf(said, sizeof(said), "%s", problem);
}

static const struct source_events events = {.fired = on_fired,
					    .up = on_up,
					    .gone = on_gone,
					    .unit_up = on_unit_up,
					    .unit_gone = on_unit_gone};

static const char *node(unsigned int line)
{
	master[line] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert(master[line] >= 0 && grantpt(master[line]) == 0 && unlockpt(master[line]) == 0);
	return ptsname(master[line]);
}

/* A line that was closed after a hang_up() has no node any more, unless another program gets its number. */
static void replug(const char *address, const char *line, const char *where)
{
	fake_unplug(address, NULL);
	fake_plug_helper(address, line, where);
}

/* The line says that something has changed, which here it does for ever: EPOLLHUP. */
static void hang_up(unsigned int line)
{
	close(master[line]);
	master[line] = -1;
}

static void begin(void)
{
	/* libuv keeps a pipe for signals from its first loop on. */
	cr_assert_eq(uv_loop_init(&loop), 0);
	uv_loop_close(&loop);
	fd_check_begin();
	root = fake_root();
	cr_assert_eq(uv_loop_init(&loop), 0);
}

static void end(void)
{
	if (source)
		source->ops->free(source);
	opener_free(opener);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	fake_remove();
	for (int i = 0; i < 2; i++)
		if (master[i] >= 0)
			close(master[i]);
	fd_check_end();
}

TestSuite(source_helper, .init = begin, .fini = end);

static void start(const char *devices)
{
	struct opener_request request = {.verb = OPENER_CONFIG};
	char text[1024], path[LIMIT_PATH], problem[LIMIT_TEXT];
	struct opener_reply reply;
	int fd;

	snprintf(text, sizeof(text), "[line a]\nsource = helper\n%s", devices);
	fake_write("ptirq.conf", text);
	snprintf(path, sizeof(path), "%s/ptirq.conf", root);
	cr_assert_eq(config_load(path, &config, problem), 0, "%s", problem);
	cr_assert_eq(opener_start_at(path, root, &opener), 0);
	cr_assert_eq(opener_call(opener, &request, &reply, &fd), 0, "%s", reply.text);
	close(fd);
	cr_assert_eq(opener_attach(opener, &loop), 0);
	cr_assert_eq(source_helper_new(&config.line[0], &loop, opener, &events, &loop, &source), 0);
	cr_assert_eq(source->ops->describe(source, &topology, problem), 0, "%s", problem);
	source->ops->start(source);
	while (!ups && !gones)
		uv_run(&loop, UV_RUN_ONCE);
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void plug_two(void)
{
	const char *line0 = node(0);

	fake_plug_helper(DEV0, "line0", line0);
	fake_plug_helper(DEV1, "line0", line0);
	bind_to(0, DEV0);
	bind_to(1, DEV1);
}

static void two(void)
{
	plug_two();
	start("device = " DEV0 " name=dev0 grant unsafe-dma\ndevice = " DEV1 " status=no\n");
	cr_assert_eq(ups, 1, "%s", said);
	called();
}

Test(source_helper, devices_are_units_and_begin_masked)
{
	plug_two();
	dev[1].entry.state = PTIRQ_UIO_DEFERRED; /* as a broker before us has left it */
	start("device = " DEV0 " name=dev0 unsafe-dma\ndevice = " DEV1 " status=no\n");
	cr_assert(topology.n_units == 2 && topology.n_devices == 2 && !topology.edge);
	cr_assert_str_eq(topology.device[0].name, "dev0");
	cr_assert_str_eq(topology.device[0].location, DEV0);
	cr_assert(topology.device[0].has_mask && topology.device[0].has_status);
	cr_assert(topology.device[0].unsafe_dma && topology.can_sample[0]);
	cr_assert(topology.device[1].unit == 1 && !topology.can_sample[1]);
	cr_assert_str_eq(called(), "trigger2:set mask0 mask1 ");
	turn();
	cr_assert(ups == 1 && !unit_gones[0] && !unit_gones[1] && !fired[1]);
}

Test(source_helper, what_fired_is_acknowledged_under_its_generation)
{
	two();
	cr_assert_eq(source->ops->unmask(source, 0), 0);
	cr_assert_str_eq(called(), "unmask0 ");
	interrupt(0);
	turn();
	cr_assert(fired[0] == 1 && fired[1] == 0 && attributed == 1 && again == 0);
	eventfd_write(trigger, 1);
	turn();
	cr_assert_eq(fired[0], 1, "there was nothing new to see");
	dev[0].asserts = false;
	cr_assert_eq(source->ops->unmask(source, 0), 0);
	cr_assert_str_eq(called(), "ack0:2 ");
	cr_assert_eq(source->ops->unmask(source, 0), 0);
	cr_assert_str_eq(called(), "", "idempotent");
}

Test(source_helper, an_unmask_that_finds_it_asserting_fires_back_to_back)
{
	two();
	dev[0].asserts = true;
	source->ops->unmask(source, 0);
	cr_assert_eq(fired[0], 0, "not from within");
	turn();
	cr_assert(fired[0] == 1 && again == 1);
	source->ops->unmask(source, 0);
	turn();
	cr_assert(fired[0] == 2 && again == 2);
}

Test(source_helper, a_mask_before_the_signal_was_seen_loses_nothing)
{
	two();
	source->ops->unmask(source, 0);
	interrupt(0);
	source->ops->mask(source, 0);
	turn();
	cr_assert_eq(fired[0], 0, "masked: nobody wants to hear of it");
	source->ops->unmask(source, 0);
	turn();
	cr_assert_eq(fired[0], 1);
}

Test(source_helper, quiet_in_its_round_is_kept_masked_when_that_ends)
{
	two();
	source->ops->unmask(source, 0);
	interrupt(0);
	turn();
	called();
	source->ops->quiet(source, 0);
	cr_assert_str_eq(called(), "", "masked as it is, and the acknowledgment still due");
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "keep0:2 ");
	source->ops->mask(source, 0);
	source->ops->unquiet(source, 0);
	cr_assert_str_eq(called(), "");
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "unmask0 ");
	turn();
	cr_assert_eq(fired[0], 2, "it asserted all the while");
}

Test(source_helper, a_stale_acknowledgment_is_an_unmask)
{
	two();
	source->ops->unmask(source, 0);
	interrupt(0);
	turn();
	stale = true;
	dev[0].asserts = false;
	called();
	cr_assert_eq(source->ops->unmask(source, 0), 0);
	cr_assert_str_eq(called(), "ack0:2 unmask0 ");
	cr_assert_eq(dev[0].entry.state, PTIRQ_UIO_IDLE);
}

Test(source_helper, level)
{
	struct source_level now;

	two();
	now = source->ops->sample(source, 0);
	cr_assert(now.asserted == 0 && now.known == 1 && now.masked == 1);
	dev[0].asserts = dev[1].asserts = true;
	now = source->ops->sample(source, 0);
	cr_assert(now.asserted == 1 && now.status == 1 && now.known == 1);
	cr_assert_eq(source->ops->sample(source, 1).asserted, -1, "its status is not believed");
	source->ops->quiet(source, 0);
	now = source->ops->sample(source, 0);
	cr_assert(now.asserted == 0 && now.known == 1, "quiet: it does not pull the wire");
}

/* ---- coming and going ---------------------------------------------------------------------------- */

Test(source_helper, a_device_on_another_line)
{
	fake_plug_helper(DEV0, "line0", node(0));
	fake_plug_helper(DEV1, "line1", node(1));
	bind_to(0, DEV0);
	start("device = " DEV0 "\ndevice = " DEV1 "\n");
	cr_assert(ups == 1 && unit_gones[1] == 1 && !unit_gones[0]);
	cr_assert_not_null(strstr(said, DEV1 " is on line1, and the devices before it on line0"));
}

Test(source_helper, a_uio_program_has_it)
{
	plug_two();
	dev[1].caps |= PTIRQ_UIO_UIO_OPEN;
	start("device = " DEV0 "\ndevice = " DEV1 "\n");
	cr_assert(ups == 1 && unit_gones[1] == 1);
	cr_assert_not_null(strstr(said, DEV1 ": a UIO program has it open (`fuser /dev/uio1`)"));
	dev[1].caps = WHOLE;
	while (!unit_ups[1])
		uv_run(&loop, UV_RUN_ONCE);
}

Test(source_helper, what_one_unit_is_must_be_configured)
{
	plug_two();
	line_caps = PTIRQ_UIO_ONE_UNIT;
	dev[1].caps = 0;
	start("device = " DEV1 "\n");
	cr_assert(!ups && gones == 1);
	cr_assert_not_null(strstr(said, DEV1 " cannot mask its own interrupt, or not tell"));
}

Test(source_helper, what_is_not_one_unit_must_not_be)
{
	plug_two();
	start("device = " DEV1 " mask=no\n");
	cr_assert(!ups && gones == 1);
	cr_assert_not_null(strstr(said, "each device of line0 can be masked by itself"));
}

Test(source_helper, a_device_that_was_bound_anew_begins_anew)
{
	two();
	source->ops->unmask(source, 0);
	source->ops->unmask(source, 1);
	bind_to(0, DEV0);
	hang_up(0);
	while (!unit_ups[0]) /* it is tried again by itself */
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(unit_gones[0] == 1 && !unit_gones[1] && ups == 1 && !gones);
	called();
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "unmask0 ");
	interrupt(1);
	turn();
	cr_assert_eq(fired[1], 1, "the other one goes on");
}

Test(source_helper, the_line_goes_and_comes_back_as_another)
{
	const char *line1;

	two();
	source->ops->unmask(source, 0);
	dev[0].there = dev[1].there = false;
	hang_up(0);
	while (!gones)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert_eq(trigger, -1, "closed");
	cr_assert_not_null(strstr(said, DEV0 " was unplugged or its driver unbound"));
	cr_assert_eq(source->ops->unmask(source, 0), 0, "nothing to do");
	line1 = node(1);
	replug(DEV0, "line1", line1);
	replug(DEV1, "line1", line1);
	bind_to(0, DEV1); /* other numbers */
	bind_to(1, DEV0);
	source->ops->rescan(source);
	while (ups < 2)
		uv_run(&loop, UV_RUN_ONCE);
	called();
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "unmask1 ");
	interrupt(1);
	turn();
	cr_assert_eq(fired[0], 1);
}

/* ---- one unit ------------------------------------------------------------------------------------ */

static void begin_one_unit(const char *keys)
{
	char text[256];

	plug_two();
	line_caps |= PTIRQ_UIO_ONE_UNIT;
	dev[1].caps = 0;
	dev[ONE].entry.state = PTIRQ_UIO_MASKED;
	snprintf(text, sizeof(text),
		 "%sdevice = " DEV0 " name=dev0\ndevice = " DEV1 " mask=no status=no\n", keys);
	start(text);
	cr_assert_eq(ups, 1, "%s", said);
}

static void one_unit(void)
{
	begin_one_unit("");
}

/* Mode cpa: the kernel tells each change of the wire, and masks nothing. */
static void wire(bool up)
{
	dev[ONE].entry.status = up ? PTIRQ_UIO_STATUS_ASSERTED : PTIRQ_UIO_STATUS_CLEAR;
	dev[ONE].entry.generation++;
	level = dev[ONE].entry.status;
	eventfd_write(trigger, 1);
	turn();
}

Test(source_helper, where_both_edges_are_told_nothing_is_masked)
{
	line_caps = PTIRQ_UIO_CAN_CPA;
	begin_one_unit("mode = cpa\n");
	cr_assert(!topology.can_notify[0] && !topology.can_direct[0]);
	cr_assert_str_eq(called(), "trigger2:set mode2 mask2 mask2 ");
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "unmask2 ", "as a new life begins");
	wire(true);
	cr_assert(fired[0] == 1 && source->ops->sample(source, 0).asserted == 1);
	wire(false);
	cr_assert(fired[0] == 1 && source->ops->sample(source, 0).asserted == 0);
	source->ops->unmask(source, 0);
	turn();
	cr_assert_eq(fired[0], 1);
	wire(true);
	wire(false);
	wire(true);
	cr_assert_eq(fired[0], 2, "in its round nobody is told again");
	source->ops->unmask(source, 0);
	cr_assert_eq(fired[0], 2, "not from within");
	turn();
	cr_assert(fired[0] == 3 && again, "it asserts still");
	cr_assert_str_eq(called(), "", "not one request");
}

Test(source_helper, a_wire_that_flutters_is_masked_after_all)
{
	line_caps = PTIRQ_UIO_CAN_CPA;
	begin_one_unit("mode = cpa\n");
	source->ops->unmask(source, 0);
	called();
	interrupt(ONE);
	turn();
	cr_assert_eq(fired[0], 1);
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "ack2:1 ");
	dev[ONE].entry.status = PTIRQ_UIO_STATUS_ASSERTED; /* as of then */
	eventfd_write(trigger, 1);
	turn();
	cr_assert_eq(fired[0], 1);
}

Test(source_helper, a_mode_that_there_is_not)
{
	begin_one_unit("mode = cpa\nstop-dma = yes\n");
	cr_assert_str_eq(called(), "trigger2:set mode2+stop mode0+stop mask2 mask2 ");
	source->ops->unmask(source, 0);
	interrupt(ONE);
	turn();
	source->ops->unmask(source, 0);
	cr_assert(fired[0] == 1);
	cr_assert_str_eq(called(), "unmask2 ack2:1 ");
}

Test(source_helper, a_line_that_is_one_unit)
{
	struct source_level now;

	one_unit();
	cr_assert(topology.n_units == 1 && topology.device[1].unit == 0);
	cr_assert(topology.device[0].has_mask && !topology.device[1].has_mask);
	cr_assert_str_eq(called(), "trigger2:set mask2 mask2 ");
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "unmask2 ");
	dev[0].asserts = true;
	interrupt(ONE);
	turn();
	cr_assert(fired[0] == 1 && attributed == 1);
	now = source->ops->sample(source, 0);
	cr_assert(now.asserted == 1 && now.status == 1 && now.known == 1);
	dev[0].asserts = false;
	cr_assert_eq(source->ops->sample(source, 0).asserted, -1, "it may be the other one");
	level = PTIRQ_UIO_STATUS_CLEAR;
	cr_assert_eq(source->ops->sample(source, 0).asserted, 0, "but the wire is down");
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "ack2:1 ");
	dev[1].asserts = true;
	interrupt(ONE);
	turn();
	cr_assert(fired[0] == 2 && attributed == 0);
}

Test(source_helper, a_mask_of_its_own_on_a_line_that_is_one_unit)
{
	one_unit();
	source->ops->unmask(source, 0);
	called();
	cr_assert_eq(source->ops->quiet(source, 0), 0);
	cr_assert_str_eq(called(), "mask0 ");
	cr_assert(dev[0].disintx);
	cr_assert_eq(source->ops->quiet(source, 1), -EOPNOTSUPP);
	cr_assert_eq(source->ops->unquiet(source, 0), 0);
	cr_assert_str_eq(called(), "unmask0 ");
}

Test(source_helper, a_strangers_device_on_a_line_that_is_one_unit)
{
	plug_two();
	line_caps = PTIRQ_UIO_ONE_UNIT;
	dev[1].caps = 0;
	start("device = " DEV1 " mask=no\n");
	cr_assert_eq(ups, 1, "%s", said);
	cr_assert(dev[0].disintx, "nobody serves it: it is held by its own mask");
}

Test(source_helper, one_unit_begins_anew_when_a_device_leaves)
{
	one_unit();
	dev[1].there = false;
	hang_up(0);
	while (!unit_ups[0])
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(unit_gones[0] == 1 && ups == 1 && !gones);
	cr_assert_not_null(strstr(said, DEV1 " was unplugged"));
}

/* ---- past the broker ----------------------------------------------------------------------------- */

static int wake = -1, resample = -1;

static eventfd_t count(int fd)
{
	eventfd_t n = 0;

	return eventfd_read(fd, &n) < 0 ? 0 : n;
}

static void eventfds(void)
{
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cr_assert(wake >= 0 && resample >= 0);
}

static void close_eventfds(void)
{
	close(wake);
	close(resample);
}

Test(source_helper, takers_are_told_besides_the_broker)
{
	two();
	eventfds();
	cr_assert(topology.can_notify[0] && topology.can_notify[1]);
	cr_assert_eq(source->ops->notify(source, 0, (int[]){wake, resample}, 2), 0);
	source->ops->unmask(source, 0);
	interrupt(0);
	turn();
	cr_assert(fired[0] == 1 && count(wake) == 1 && count(resample) == 1);
	cr_assert_eq(source->ops->notify(source, 0, NULL, 0), 0);
	dev[0].asserts = false;
	source->ops->unmask(source, 0);
	interrupt(0);
	turn();
	cr_assert(fired[0] == 2 && count(wake) == 0);
	close_eventfds();
}

Test(source_helper, what_has_fired_can_be_asked_for_before_its_signal_is_read)
{
	two();
	eventfds();
	cr_assert_eq(source->ops->notify(source, 0, &wake, 1), 0);
	source->ops->unmask(source, 0);
	turn();
	source->ops->look(source);
	cr_assert_eq(fired[0], 0, "nothing asserts");
	interrupt(0);
	cr_assert(count(wake) == 1 && fired[0] == 0, "a taker knows, we do not");
	source->ops->look(source);
	cr_assert(fired[0] == 1 && fired[1] == 0 && attributed == 1);
	turn();
	cr_assert_eq(fired[0], 1, "told twice");
	close_eventfds();
}

Test(source_helper, a_direct_unit_and_back)
{
	struct source_level now;

	two();
	eventfds();
	cr_assert(topology.can_direct[0] && !topology.can_direct[1], "without status, no level");
	source->ops->unmask(source, 0);
	called();
	cr_assert_eq(source->ops->promote(source, 0, wake, resample), 0);
	cr_assert_str_eq(called(), "trigger0:set resample0:set ");
	interrupt(0);
	turn();
	cr_assert(fired[0] == 0 && count(wake) == 1);
	now = source->ops->sample(source, 0);
	cr_assert(now.masked == 1 && now.asserted == 1 && now.generation == 2);
	eventfd_write(trigger, 1); /* of another device */
	turn();
	cr_assert_eq(fired[0], 0, "not ours");
	called();
	cr_assert_eq(source->ops->demote(source, 0), 0);
	cr_assert_str_eq(called(), "resample0:none mask0 trigger0:none ");
	turn();
	cr_assert_eq(fired[0], 0, "masked");
	source->ops->unmask(source, 0);
	cr_assert_str_eq(called(), "unmask0 ");
	turn();
	cr_assert(fired[0] == 1 && count(wake) == 0);
	close_eventfds();
}

Test(source_helper, what_fires_while_it_becomes_direct_is_signalled)
{
	two();
	eventfds();
	source->ops->unmask(source, 0);
	interrupt(0); /* the broker's trigger has it, and nobody has looked */
	cr_assert_eq(source->ops->promote(source, 0, wake, resample), 0);
	cr_assert_eq(count(wake), 1);
	turn();
	cr_assert_eq(fired[0], 0, "one of the two is told, not both");
	close_eventfds();
}

Test(source_helper, what_cannot_be_direct_is_as_before)
{
	two();
	eventfds();
	source->ops->unmask(source, 0);
	no_resample = fires_at_swap = true;
	cr_assert_eq(source->ops->promote(source, 0, wake, resample), -EOPNOTSUPP);
	turn();
	cr_assert_eq(fired[0], 1, "only the client was signalled");
	cr_assert_eq(dev[0].trigger, 0);
	close_eventfds();
}

Test(source_helper, a_device_that_was_direct_comes_back_without)
{
	const char *line0;

	two();
	eventfds();
	source->ops->unmask(source, 0);
	source->ops->notify(source, 1, &wake, 1);
	source->ops->promote(source, 0, wake, resample);
	bind_to(0, DEV0);
	bind_to(1, DEV1);
	hang_up(0);
	while (!gones)
		uv_run(&loop, UV_RUN_ONCE);
	line0 = node(1);
	replug(DEV0, "line0", line0);
	replug(DEV1, "line0", line0);
	source->ops->rescan(source);
	while (ups < 2)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(!dev[0].trigger && !dev[0].resample && !dev[1].taker[0]);
	source->ops->unmask(source, 0);
	interrupt(0);
	turn();
	cr_assert(fired[0] == 1);
	cr_assert_eq(source->ops->demote(source, 1), 0, "as if it had been");
	close_eventfds();
}

Test(source_helper, a_line_that_is_one_unit_can_be_direct)
{
	one_unit();
	eventfds();
	source->ops->unmask(source, 0);
	called();
	cr_assert_eq(source->ops->promote(source, 0, wake, resample), 0);
	cr_assert_str_eq(called(), "trigger2:set resample2:set ");
	interrupt(ONE);
	turn();
	cr_assert(fired[0] == 0 && count(wake) == 1);
	cr_assert_eq(source->ops->demote(source, 0), 0);
	cr_assert_str_eq(called(), "resample2:none mask2 trigger2:set ");
	dev[1].asserts = true;
	source->ops->unmask(source, 0);
	turn();
	cr_assert_eq(fired[0], 1);
	close_eventfds();
}
