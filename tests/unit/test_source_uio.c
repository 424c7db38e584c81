/* SPDX-License-Identifier: MIT */
/*
 * Owns the promises of the uio source that need no real interrupt: which byte is written when, whose
 * event counts, who is told what when devices come and go. tests/vm has the rest.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include "broker/opener_child.h"
#include "broker/source/source.h"
#include "broker/source/uevent.h"
#include "tests/lib/fd_check.h"
#include "tests/unit/fake_sysfs.h"

#define DEV0     "0000:00:05.0"
#define DEV1     "0000:00:09.0"
#define COMMAND  5
#define DISINTX  4
#define STATUS   6
#define ASSERTED 8

static uv_loop_t loop;
static const char *root;
static struct opener *opener;
static struct config config;
static struct source *source;
static struct source_topology topology;
static unsigned int fired[4], again, ups, gones, unit_ups[4], unit_gones[4];
static char said[4][LIMIT_TEXT], said_gone[LIMIT_TEXT];

static void on_fired(void *user, uint8_t unit, uint16_t attribution, bool back_to_back)
{
	cr_assert_eq(user, &loop);
	cr_assert_eq(attribution, 1u << unit);
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
	snprintf(said_gone, sizeof(said_gone), "%s", problem);
}

static void on_unit_up(void *user, uint8_t unit)
{
	(void)user;
	unit_ups[unit]++;
}

static void on_unit_gone(void *user, uint8_t unit, const char *problem)
{
	(void)user;
	cr_assert(ups, "a unit before its line");
	unit_gones[unit]++;
	snprintf(said[unit], sizeof(said[unit]), "%s", problem);
}

static const struct source_events events = {.fired = on_fired,
					    .up = on_up,
					    .gone = on_gone,
					    .unit_up = on_unit_up,
					    .unit_gone = on_unit_gone};

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
	fd_check_end();
}

TestSuite(source_uio, .init = begin, .fini = end);

static void begin_start(const char *devices)
{
	struct opener_request request = {.verb = OPENER_CONFIG};
	char text[1024], path[LIMIT_PATH], problem[LIMIT_TEXT];
	struct opener_reply reply;
	int fd;

	snprintf(text, sizeof(text), "[line a]\nsource = uio\n%s", devices);
	fake_write("ptirq.conf", text);
	snprintf(path, sizeof(path), "%s/ptirq.conf", root);
	cr_assert_eq(config_load(path, &config, problem), 0, "%s", problem);
	cr_assert_eq(opener_start_at(path, root, &opener), 0);
	cr_assert_eq(opener_call(opener, &request, &reply, &fd), 0, "%s", reply.text);
	close(fd);
	cr_assert_eq(opener_attach(opener, &loop), 0);
	cr_assert_eq(source_uio_new(&config.line[0], &loop, opener, &events, &loop, &source), 0);
	cr_assert_eq(source->ops->describe(source, &topology, problem), 0, "%s", problem);
	source->ops->start(source);
}

static void start(const char *devices)
{
	begin_start(devices);
	while (!ups && !gones)
		uv_run(&loop, UV_RUN_ONCE);
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void interrupt(const char *uio)
{
	fake_interrupt(uio, 1);
	turn();
}

static bool masked(const char *address)
{
	return fake_get(address, COMMAND) & DISINTX;
}

static void two(void)
{
	fake_plug_pci(DEV0, "uio_pci_generic", "uio0");
	fake_plug_pci(DEV1, "uio_pci_generic", "uio1");
	fake_set(DEV0, COMMAND, 0x1); /* another bit of the byte */
	start("device = " DEV0 " name=dev0 grant unsafe-dma\ndevice = " DEV1 " status=no\n");
}

Test(source_uio, devices_are_units_and_begin_masked)
{
	two();
	cr_assert(topology.n_units == 2 && topology.n_devices == 2 && !topology.edge);
	cr_assert_str_eq(topology.device[0].name, "dev0");
	cr_assert_str_eq(topology.device[0].location, DEV0);
	cr_assert(topology.device[0].has_mask && topology.device[0].has_status);
	cr_assert(topology.device[0].unsafe_dma && topology.can_sample[0]);
	cr_assert(!topology.device[1].has_status && !topology.can_sample[1]);
	cr_assert_eq(ups, 1);
	cr_assert(!unit_gones[0] && !unit_gones[1] && !unit_ups[0]);
	cr_assert(masked(DEV0) && masked(DEV1));
	cr_assert_eq(fake_get(DEV0, COMMAND), DISINTX | 1);
}

Test(source_uio, fires_once_an_unmask)
{
	two();
	cr_assert_eq(source->ops->unmask(source, 0), 0);
	cr_assert_eq(fake_get(DEV0, COMMAND), 1, "only its bit is cleared");
	cr_assert(masked(DEV1));
	interrupt("uio0");
	cr_assert(fired[0] == 1 && fired[1] == 0);
	interrupt("uio0");
	cr_assert_eq(fired[0], 1, "misattributed: it is held masked");
	cr_assert_eq(source->ops->unmask(source, 0), 0);
	turn();
	cr_assert_eq(fired[0], 1);
	interrupt("uio0");
	cr_assert_eq(fired[0], 2);
}

Test(source_uio, a_neighbours_event_is_not_kept_for_after_the_unmask)
{
	two();
	source->ops->unmask(source, 0);
	interrupt("uio0");
	fake_interrupt("uio0", 2); /* counted before the unmask, not read yet */
	source->ops->unmask(source, 0);
	turn();
	cr_assert_eq(fired[0], 1);
}

Test(source_uio, masked_by_either)
{
	two();
	source->ops->unmask(source, 0);
	cr_assert(!masked(DEV0));
	source->ops->quiet(source, 0);
	cr_assert(masked(DEV0));
	source->ops->mask(source, 0);
	source->ops->unquiet(source, 0);
	cr_assert(masked(DEV0));
	source->ops->unmask(source, 0);
	cr_assert(!masked(DEV0));
	source->ops->free(source);
	source = NULL;
	cr_assert(masked(DEV0) && masked(DEV1), "left masked");
}

Test(source_uio, level_and_refires)
{
	struct source_level level;

	two();
	level = source->ops->sample(source, 0);
	cr_assert(level.asserted == 0 && level.status == 0 && level.known == 1);
	level = source->ops->sample(source, 1);
	cr_assert(level.asserted == -1 && level.known == 0, "its status is not believed");
	fake_set(DEV0, STATUS, ASSERTED);
	level = source->ops->sample(source, 0);
	cr_assert(level.asserted == 1 && level.status == 1);
	source->ops->unmask(source, 0);
	interrupt("uio0");
	cr_assert_eq(again, 1, "it was up at the unmask");
	fake_set(DEV0, STATUS, 0);
	source->ops->sample(source, 0);
	source->ops->unmask(source, 0);
	interrupt("uio0");
	cr_assert_eq(again, 1, "it was down");
	source->ops->quiet(source, 0);
	fake_set(DEV0, STATUS, ASSERTED);
	level = source->ops->sample(source, 0);
	cr_assert(level.asserted == 0 && level.known == 1, "quiet: it does not pull the wire");
}

Test(source_uio, ones_are_unknown_and_ask_for_presence)
{
	two();
	fake_set(DEV0, STATUS, 0xff);
	cr_assert_eq(source->ops->sample(source, 0).asserted, -1);
	turn();
	cr_assert_eq(unit_gones[0], 0, "it still has a vendor");
	fake_set(DEV0, 0, 0xff);
	fake_set(DEV0, 1, 0xff);
	cr_assert_eq(source->ops->sample(source, 0).asserted, -1);
	cr_assert_eq(unit_gones[0], 0, "called from within");
	turn();
	cr_assert_eq(unit_gones[0], 1);
	cr_assert_not_null(strstr(said[0], DEV0 " was unplugged"));
	cr_assert(!gones && !unit_gones[1]);
	cr_assert_eq(source->ops->unmask(source, 0), 0, "nothing to do");
	source->ops->unmask(source, 1);
	interrupt("uio1");
	cr_assert_eq(fired[1], 1, "the other one goes on");
}

Test(source_uio, one_of_two_is_missing_and_comes)
{
	fake_plug_pci(DEV0, "uio_pci_generic", "uio0");
	start("device = " DEV0 "\ndevice = " DEV1 "\n");
	cr_assert(ups == 1 && unit_gones[1] == 1 && !unit_gones[0]);
	cr_assert_not_null(strstr(said[1], DEV1 " is not there"));
	fake_plug_pci(DEV1, "uio_pci_generic", "uio1");
	while (!unit_ups[1]) /* it is tried again by itself */
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(masked(DEV1));
	cr_assert(ups == 1 && !unit_ups[0] && !gones);
}

Test(source_uio, all_are_missing_and_one_comes)
{
	start("device = " DEV0 "\ndevice = " DEV1 "\n");
	cr_assert(!ups && gones == 1);
	cr_assert_not_null(strstr(said_gone, DEV0 " is not there"));
	fake_plug_pci(DEV1, "uio_pci_generic", "uio1");
	while (!ups)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(unit_gones[0] == 1 && !unit_gones[1] && !unit_ups[1]);
}

static void stop_timer(uv_handle_t *handle, void *user)
{
	(void)user;
	if (handle->type == UV_TIMER)
		uv_timer_stop((uv_timer_t *)handle);
}

/* Of a device whose plug nobody has seen, long after the last retry: here its timer is gone. */
Test(source_uio, a_rescan_finds_what_has_come)
{
	fake_plug_pci(DEV0, "uio_pci_generic", "uio0");
	start("device = " DEV0 "\ndevice = " DEV1 "\n");
	cr_assert(ups == 1 && unit_gones[1] == 1);
	uv_walk(&loop, stop_timer, NULL);
	fake_plug_pci(DEV1, "uio_pci_generic", "uio1");
	source->ops->rescan(source);
	while (!unit_ups[1])
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(ups == 1 && !unit_ups[0] && unit_gones[1] == 1,
		  "what is known is not told again");
}

Test(source_uio, a_better_known_problem_is_told)
{
	fake_plug_pci(DEV0, "e1000", NULL);
	start("device = " DEV0 "\n");
	cr_assert_not_null(strstr(said_gone, "belongs to the driver e1000"));
	cr_assert_eq(gones, 1);
	fake_unplug(DEV0, NULL);
	while (gones < 2)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert_not_null(strstr(said_gone, "is not there"));
}

/* ---- grants ------------------------------------------------------------------------------------ */

static int grant_error = 1;
static char grant_problem[LIMIT_TEXT];
static struct source_grant granted;

static void on_grant(void *user, int error, const char *problem, const struct source_grant *grant)
{
	cr_assert_eq(user, &granted);
	grant_error = error;
	snprintf(grant_problem, sizeof(grant_problem), "%s", problem);
	if (grant)
		granted = *grant;
}

static int grant(uint8_t device, enum source_grant_kind kind)
{
	grant_error = 1;
	source->ops->grant(source, device, kind, on_grant, &granted);
	while (grant_error > 0)
		uv_run(&loop, UV_RUN_ONCE);
	return grant_error;
}

Test(source_uio, registers_are_files_of_sysfs_never_the_node)
{
	char link[64], target[256];

	two();
	cr_assert_eq(grant(0, SOURCE_GRANT_REGISTERS), 0, "%s", grant_problem);
	cr_assert_eq(granted.n, 2);
	cr_assert_str_eq(granted.region[0].name, "bar0");
	cr_assert_str_eq(granted.region[1].name, "bar2");
	cr_assert_eq(granted.region[0].size, 4096);
	for (uint32_t i = 0; i < granted.n; i++) {
		cr_assert(granted.region[i].owned);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", granted.region[i].fd);
		target[readlink(link, target, sizeof(target) - 1)] = 0;
		cr_assert_not_null(strstr(target, DEV0 "/resource"), "%s", target);
		close(granted.region[i].fd);
	}
	cr_assert_eq(grant(1, SOURCE_GRANT_REGISTERS), -EACCES);
	cr_assert_eq(grant(0, SOURCE_GRANT_SIM_PIN), -EOPNOTSUPP);
}

Test(source_uio, a_grant_under_way_does_not_outlive_the_source)
{
	two();
	source->ops->grant(source, 0, SOURCE_GRANT_REGISTERS, on_grant, &granted);
	uv_run(&loop, UV_RUN_ONCE);
	source->ops->free(source);
	source = NULL;
	turn();
	cr_assert_eq(grant_error, 1);
}

Test(source_uio, a_grant_may_come_while_the_device_is_armed)
{
	fake_plug_pci(DEV0, "uio_pci_generic", "uio0");
	begin_start("device = " DEV0 " grant unsafe-dma\n");
	cr_assert_eq(grant(0, SOURCE_GRANT_REGISTERS), 0, "%s", grant_problem);
	for (uint32_t i = 0; i < granted.n; i++)
		close(granted.region[i].fd);
	while (!ups)
		uv_run(&loop, UV_RUN_ONCE);
}

/* Here arming fails after the registers were asked for, as with a device that another broker has. */
Test(source_uio, a_grant_of_a_device_that_cannot_be_armed)
{
	char node[LIMIT_PATH];

	fake_plug_pci(DEV0, "uio_pci_generic", "uio0");
	snprintf(node, sizeof(node), "%s/run/ptirq/lock", root);
	symlink("/nowhere", node);
	begin_start("device = " DEV0 " name=d grant unsafe-dma\n");
	cr_assert_eq(grant(0, SOURCE_GRANT_REGISTERS), -ENODEV);
	cr_assert_not_null(strstr(grant_problem, "device d is absent: "), "%s", grant_problem);
}

Test(source_uio, absent_devices_grant_nothing)
{
	fake_plug_pci(DEV0, "uio_pci_generic", "uio0");
	start("device = " DEV0 "\ndevice = " DEV1 " name=dev1 grant\n");
	cr_assert_eq(grant(1, SOURCE_GRANT_REGISTERS), -ENODEV);
	cr_assert_not_null(strstr(grant_problem, "device dev1 is absent: " DEV1 " is not there"));
}

/* ---- irqcontrol: a pseudo-terminal stands in for the node, for its two ends ---------------------- */

static int driver;

static int32_t written(void)
{
	int32_t word = -1;

	return read(driver, &word, sizeof(word)) == sizeof(word) ? word : -1;
}

static void irqcontrol(void)
{
	struct termios raw;

	driver = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	cr_assert_geq(driver, 0);
	grantpt(driver);
	unlockpt(driver);
	tcgetattr(driver, &raw);
	cfmakeraw(&raw);
	tcsetattr(driver, TCSANOW, &raw);
	fake_plug_uio("uio3", "adc", ptsname(driver));
	start("device = adc grant unsafe-dma\n");
}

Test(source_uio, irqcontrol_is_a_word_written_to_the_node)
{
	uint32_t count = 1;

	irqcontrol();
	cr_assert_eq(ups, 1);
	cr_assert_eq(written(), 0);
	source->ops->unmask(source, 0);
	cr_assert_eq(written(), 1);
	source->ops->unmask(source, 0);
	cr_assert_eq(written(), -1, "one masked bit, no nesting");
	cr_assert_eq(write(driver, &count, sizeof(count)), sizeof(count));
	while (!fired[0])
		uv_run(&loop, UV_RUN_ONCE);
	source->ops->mask(source, 0);
	cr_assert_eq(written(), -1, "its driver has masked it");
	source->ops->unmask(source, 0);
	cr_assert_eq(written(), 1);
	cr_assert_eq(source->ops->sample(source, 0).asserted, -1);
	cr_assert_eq(grant(0, SOURCE_GRANT_REGISTERS), -ENOENT);
	cr_assert_not_null(strstr(grant_problem, "no registers that can be handed out"));
	close(driver);
	while (!gones)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert_not_null(strstr(said_gone, "uio3 was unplugged"));
}

/* ---- uevents ----------------------------------------------------------------------------------- */

#define PARSE(text, ret) uevent_parse(text, sizeof(text), ret)

Test(uevent, forms)
{
	struct uevent uevent;

	cr_assert(
		PARSE("add@/devices/pci0000:00/0000:00:05.0\0ACTION=add\0SUBSYSTEM=pci", &uevent));
	cr_assert(!uevent.leaving);
	cr_assert_str_eq(uevent.name, DEV0);
	cr_assert(
		PARSE("remove@/devices/pci0000:00/0000:00:05.0/uio/uio3\0SUBSYSTEM=uio", &uevent));
	cr_assert(uevent.leaving);
	cr_assert_str_eq(uevent.name, "uio3");
	cr_assert(PARSE("unbind@/devices/0000:00:05.0\0SUBSYSTEM=pci", &uevent) && uevent.leaving);
	cr_assert(!PARSE("add@/devices/x\0SUBSYSTEM=block", &uevent));
	cr_assert(!PARSE("libudev", &uevent));
	cr_assert(!uevent_parse("add@/a/b\0SUBSYSTEM=pci!", 22, &uevent), "no 0 at its end");
	cr_assert(!uevent_parse("", 0, &uevent));
}

Test(source_uio, what_keeps_each_device_away_is_said)
{
	char problem[LIMIT_TEXT];

	start("device = " DEV0 "\ndevice = uio7\n");
	cr_assert_eq(gones, 1);
	cr_assert_not_null(strstr(said_gone, DEV0 " is not there"), "%s", said_gone);
	cr_assert_not_null(strstr(said_gone, "; uio7 is not there"), "%s", said_gone);
	source->ops->problem(source, problem);
	cr_assert_str_eq(problem, said_gone);
}

Test(source_uio, one_that_is_there_does_not_hide_why_another_is_not)
{
	char problem[LIMIT_TEXT];

	fake_plug_pci(DEV1, "uio_pci_generic", "uio1");
	start("device = " DEV0 "\ndevice = " DEV1 "\n");
	cr_assert_eq(ups, 1);
	source->ops->problem(source, problem);
	cr_assert_str_eq(problem, said[0]);
	cr_assert_not_null(strstr(problem, DEV0 " is not there"));
}

Test(source_uio, of_many_that_are_absent_the_last_ones_are_only_named)
{
	char devices[1024], *at = devices;

	for (int d = 0; d < LIMIT_DEVICES_PER_LINE; d++)
		at += sprintf(at, "device = 00:%02x.0 name=dev%d\n", d, d);
	start(devices);
	cr_assert_not_null(strstr(said_gone, "0000:00:00.0 is not there"), "%s", said_gone);
	cr_assert_not_null(strstr(said_gone, "; absent too: dev"), "%s", said_gone);
	cr_assert_not_null(strstr(said_gone, ", dev15"), "%s", said_gone);
}
