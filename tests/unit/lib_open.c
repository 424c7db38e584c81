// SPDX-License-Identifier: MIT
/*
 * libptirq: opening, refusals and their sentences, subscribing and its options, what a fork means,
 * lines and devices, orders. Against a fake broker.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/channel.h"
#include "ptirq-admin.h"
#include "tests/lib/fake_broker.h"
#include "tests/lib/fd_check.h"

static struct fake *fake;
static struct ptirq *p;

static void begin(void)
{
	unsetenv("PTIRQ_SOCKET");
	unsetenv("XDG_RUNTIME_DIR");
	fd_check_begin();
	fake = fake_new();
	p = NULL;
}

static void end(void)
{
	ptirq_close(p);
	fake_free(fake);
	fd_check_end();
}

TestSuite(lib_open, .init = begin, .fini = end, .timeout = 20);

#define says(words)                                               \
	cr_assert_not_null(strstr(ptirq_error(p), words), "%s\n", \
			   ptirq_error(p)) /* the sentence names it */

static void open_it(void)
{
	cr_assert_eq(ptirq_open(&p, fake_path(fake)), 0, "%s", ptirq_error(p));
}

Test(lib_open, greets)
{
	struct wire_request hello;

	open_it();
	hello = fake_last(fake, WIRE_REQ_HELLO);
	cr_assert_eq(hello.hello.version_min, WIRE_VERSION);
	cr_assert_eq(hello.hello.features, WIRE_FEATURE_PAGES | WIRE_FEATURE_OWN_EVENTFDS);
	cr_assert_str_eq(hello.hello.name, program_invocation_short_name);
	cr_assert_eq(ptirq_epoch(p), 1);
	cr_assert_eq(ptirq_dispatch(p), 0);
	says("");
}

Test(lib_open, path_from_environment)
{
	setenv("PTIRQ_SOCKET", fake_path(fake), 1);
	cr_assert_eq(ptirq_open(&p, NULL), 0);
}

Test(lib_open, path_from_runtime_directory)
{
	char directory[64], socket[128];

	strcpy(directory, "/tmp/ptirq-run-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
	setenv("XDG_RUNTIME_DIR", directory, 1);
	/* None there: the system's, whether or not a broker runs on this machine. */
	if (ptirq_open(&p, NULL) < 0)
		says(CHANNEL_DEFAULT_PATH);
	else
		cr_assert_neq(ptirq_epoch(p), 1, "the fake one was found");
	ptirq_close(p);

	snprintf(socket, sizeof(socket), "%s/ptirq", directory);
	cr_assert_eq(mkdir(socket, 0700), 0);
	strcat(socket, "/broker.sock");
	cr_assert_eq(symlink(fake_path(fake), socket), 0);
	cr_assert_eq(ptirq_open(&p, NULL), 0, "%s", ptirq_error(p));
	unlink(socket);
	*strrchr(socket, '/') = 0;
	rmdir(socket);
	rmdir(directory);
}

Test(lib_open, nobody_there)
{
	cr_assert_eq(ptirq_open(&p, "/tmp/ptirq-no-such-socket"), -ENOENT);
	says("/tmp/ptirq-no-such-socket");
	says("start ptirq-broker");
	/* A failed handle is good for its sentence and for nothing else. */
	cr_assert_eq(ptirq_dispatch(p), -ENOENT);
	cr_assert_eq(ptirq_reload(p), -ENOENT);
}

Test(lib_open, path_too_long)
{
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	cr_assert_eq(ptirq_open(&p, path), -ENAMETOOLONG);
	says("longer than");
}

Test(lib_open, refusals)
{
	static const struct {
		enum wire_code code;
		int err;
	} cases[] = {
		{WIRE_VERSION_MISMATCH, -EPROTONOSUPPORT},
		{WIRE_LIMIT, -EDQUOT},
		{WIRE_DENIED, -EACCES},
		{WIRE_INTERNAL, -EREMOTEIO},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_refuse(fake, WIRE_REQ_HELLO, cases[i].code, "for this reason");
		cr_assert_eq(ptirq_open(&p, fake_path(fake)), cases[i].err, "%zu", i);
		says("for this reason");
		ptirq_close(p);
	}
	p = NULL;
}

/* Before a word was exchanged: a limit on connections. */
Test(lib_open, farewell)
{
	struct wire_event event = {
		.kind = WIRE_EV_EVICTED,
		.evicted.reason = {.code = WIRE_LIMIT, .message = "64 connections of one user"},
	};

	fake_interject(fake, &event);
	fake_mute(fake, WIRE_REQ_HELLO);
	fake_asleep(fake);
	fake_hang_up(fake);
	cr_assert_eq(ptirq_open(&p, fake_path(fake)), -EDQUOT);
	says("64 connections of one user");
}

Test(lib_open, strange_name)
{
	program_invocation_short_name = (char *)"dr\303\274ver\n";
	open_it();
	cr_assert_str_eq(fake_last(fake, WIRE_REQ_HELLO).hello.name, "dr\303\274ver?");
}

Test(lib_open, mute_broker)
{
	fake_mute(fake, WIRE_REQ_HELLO);
	cr_assert_eq(ptirq_open(&p, fake_path(fake)), -ETIMEDOUT);
	says("does not answer");
}

Test(lib_open, pages_of_another_major)
{
	fake_bad_pages(fake);
	cr_assert_eq(ptirq_open(&p, fake_path(fake)), -EPROTONOSUPPORT);
	says("pages");
}

Test(lib_open, subscribe)
{
	struct ptirq_options options = PTIRQ_OPTIONS_INIT;
	struct wire_request request;
	struct ptirq_sub *sub;

	open_it();
	options.device = "dev1";
	options.priority = 7;
	options.deadline_ns = 5000000;
	options.flags = PTIRQ_OPT_RESAMPLE;
	cr_assert_eq(ptirq_subscribe(p, "demo", &options, &sub), 0);
	cr_assert_str_eq(ptirq_sub_line(sub), "demo");
	ptirq_set_userdata(sub, &request);
	cr_assert_eq(ptirq_get_userdata(sub), &request);
	request = fake_last(fake, WIRE_REQ_SUBSCRIBE);
	cr_assert_str_eq(request.subscribe.line, "demo");
	cr_assert_str_eq(request.subscribe.device, "dev1");
	cr_assert_eq(request.subscribe.priority, 7);
	cr_assert_eq(request.subscribe.deadline_ns, 5000000);
	cr_assert(request.subscribe.resample);
	cr_assert_not(request.subscribe.messages || request.subscribe.own_eventfds);

	cr_assert_eq(ptirq_park(sub), 0);
	cr_assert_eq(fake_last(fake, WIRE_REQ_PARK).park.subscription, 1);
	cr_assert_eq(ptirq_unpark(sub), 0);
	cr_assert_eq(fake_last(fake, WIRE_REQ_UNPARK).unpark.subscription, 1);
	cr_assert_lt(ptirq_wake_fd(sub), 0);
	says("PTIRQ_OPT_EVENTFDS");

	ptirq_unsubscribe(sub);
	cr_assert_eq(fake_last(fake, WIRE_REQ_UNSUBSCRIBE).unsubscribe.subscription, 1);
	ptirq_unsubscribe(NULL);
}

Test(lib_open, subscribe_refused)
{
	struct ptirq_sub *sub = NULL;

	open_it();
	fake_refuse(fake, WIRE_REQ_SUBSCRIBE, WIRE_DENIED, "set allow-user= for line demo");
	cr_assert_eq(ptirq_subscribe(p, "demo", NULL, &sub), -EACCES);
	says("set allow-user= for line demo");
	cr_assert_null(sub);
}

Test(lib_open, options_are_checked)
{
	struct {
		struct ptirq_options options;
		uint64_t later;
	} newer = {.options.size = sizeof(newer)};
	struct ptirq_options options = {0};
	struct ptirq_sub *sub;
	char name[LIMIT_NAME + 1];

	open_it();
	cr_assert_eq(ptirq_subscribe(p, "demo", &options, &sub), -EINVAL);
	says("sizeof");
	options.size = sizeof(options);
	options.flags = 1u << 31;
	cr_assert_eq(ptirq_subscribe(p, "demo", &options, &sub), -EINVAL);
	says("0x80000000");
	options.flags = PTIRQ_OPT_EVENTFDS | PTIRQ_OPT_MESSAGES;
	cr_assert_eq(ptirq_subscribe(p, "demo", &options, &sub), -EINVAL);
	options.flags = 0;
	options.priority = 256;
	cr_assert_eq(ptirq_subscribe(p, "demo", &options, &sub), -EINVAL);
	says("priority 256");
	memset(name, 'x', LIMIT_NAME);
	name[LIMIT_NAME] = 0;
	cr_assert_eq(ptirq_subscribe(p, name, NULL, &sub), -EINVAL);
	cr_assert_eq(ptirq_subscribe(p, "", NULL, &sub), -EINVAL);
	cr_assert_eq(fake_count(fake, WIRE_REQ_SUBSCRIBE), 0);

	/* A program of a later version that asks for nothing new is welcome. */
	cr_assert_eq(ptirq_subscribe(p, "demo", &newer.options, &sub), 0);
	newer.later = 1;
	cr_assert_eq(ptirq_subscribe(p, "demo", &newer.options, &sub), -EINVAL);
}

static void ignore(int signal)
{
	(void)signal;
}

Test(lib_open, no_answer_begins_a_new_life)
{
	struct sigaction action = {.sa_handler = ignore};
	struct ptirq_sub *sub, *lost;

	open_it();
	cr_assert_eq(ptirq_subscribe(p, "demo", NULL, &sub), 0);
	fake_mute(fake, WIRE_REQ_SUBSCRIBE);
	/* A signal does not end the wait for an answer. */
	sigaction(SIGUSR1, &action, NULL);
	fake_asleep(fake);
	fake_kill_me(fake, SIGUSR1);
	cr_assert_eq(ptirq_subscribe(p, "late", NULL, &lost), -ETIMEDOUT);
	/* What the broker may still do for it is gone with the connection. */
	cr_assert_eq(ptirq_reload(p), 0);
	cr_assert_eq(fake_count(fake, WIRE_REQ_HELLO), 2);
	cr_assert_str_eq(fake_last(fake, WIRE_REQ_SUBSCRIBE).subscribe.line, "demo");
	cr_assert_eq(ptirq_epoch(p), 2);
}

Test(lib_open, fork_leaves_the_parent_alone)
{
	struct ptirq_sub *sub;
	struct ptirq_irq irq;
	int status;
	pid_t pid;

	open_it();
	cr_assert_eq(ptirq_subscribe(p, "demo", NULL, &sub), 0);
	pid = fork();
	if (pid == 0) {
		int bad = ptirq_wait(sub, &irq, 0) != -EPERM || ptirq_take(sub, &irq) != -EPERM ||
			  ptirq_dispatch(p) != -EPERM || ptirq_reload(p) != -EPERM ||
			  ptirq_park(sub) != -EPERM || !strstr(ptirq_error(p), "fork");

		ptirq_unsubscribe(sub);
		ptirq_close(p);
		_exit(bad);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	/* The parent's epoll set, connection and subscription are as they were. */
	fake_asleep(fake);
	fake_ask(fake, 0, 5, 0);
	cr_assert_eq(ptirq_wait(sub, &irq, 5000), 0);
	cr_assert_eq(irq.round, 5);
	cr_assert_eq(fake_count(fake, WIRE_REQ_UNSUBSCRIBE), 0);
	cr_assert_eq(fake_count(fake, WIRE_REQ_HELLO), 1);
}

Test(lib_open, close_ends_it_though_a_child_lives)
{
	int hold[2], status;
	pid_t pid;

	open_it();
	cr_assert_eq(pipe(hold), 0);
	pid = fork();
	if (pid == 0) {
		char c;

		close(hold[1]);
		_exit(read(hold[0], &c, 1) != 0);
	}
	close(hold[0]);
	cr_assert(fake_connected(fake));
	ptirq_close(p);
	p = NULL;
	cr_assert_not(fake_connected(fake));
	close(hold[1]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
}

static int collect_line(const struct ptirq_line_info *info, void *userdata)
{
	char *names = userdata;

	strcat(names, info->name);
	cr_assert_eq(info->n_devices, 2);
	return strcmp(info->name, "line4") == 0 ? 42 : 0;
}

Test(lib_open, lines)
{
	struct ptirq_line_info info;
	char names[100] = "";

	open_it();
	cr_assert_eq(ptirq_line_info(p, "demo", &info), 0);
	cr_assert_str_eq(info.name, "demo");
	cr_assert_str_eq(info.device[1].name, "dev1");
	cr_assert_eq(info.device[0].flags, 0);
	cr_assert_eq(info.device[1].flags, PTIRQ_DEV_MASK);
	fake_refuse(fake, WIRE_REQ_GET_LINE, WIRE_NOT_FOUND, "no line nosuch");
	cr_assert_eq(ptirq_line_info(p, "nosuch", &info), -ENOENT);

	/* Over both pages, until the callback has enough. */
	cr_assert_eq(ptirq_list_lines(p, collect_line, names), 42);
	cr_assert_str_eq(names, "line0line1line2line3line4");
}

static int collect_stats(const struct ptirq_stats *stats, void *userdata)
{
	unsigned int *n = userdata;

	cr_assert_str_eq(stats->line, "line0");
	cr_assert_eq(stats->unit, *n);
	cr_assert_eq(stats->handled, 100 + *n / 2);
	cr_assert_eq(stats->response_p99_ns, 9000);
	(*n)++;
	return 0;
}

Test(lib_open, stats)
{
	unsigned int n = 0;

	open_it();
	cr_assert_eq(ptirq_get_stats(p, PTIRQ_STATS_UNITS, "line0", collect_stats, &n), 0);
	cr_assert_eq(n, 4);
	cr_assert_eq(fake_last(fake, WIRE_REQ_GET_STATS).get_stats.scope, WIRE_STATS_UNITS);
	cr_assert_eq(ptirq_get_stats(p, (enum ptirq_stats_scope)9, NULL, collect_stats, &n),
		     -EINVAL);
}

Test(lib_open, devices)
{
	struct ptirq_sim_pin pin;
	struct ptirq_map map;

	open_it();
	cr_assert_eq(ptirq_map_device(p, "demo", "dev0", 0, &map), 0);
	cr_assert_str_eq(map.name, "registers");
	cr_assert_eq(map.size, 4096);
	cr_assert_eq(memcmp(map.addr, "ptirq", 5), 0);
	ptirq_unmap_device(&map);
	cr_assert_eq(ptirq_map_device(p, "demo", "dev0", 1, &map), -ENOENT);
	says("no region number 1: it has 1");
	cr_assert_eq(ptirq_sim_open(p, "demo", "dev0", &pin), 0);
	cr_assert_eq(memcmp(pin.registers.addr, "ptirq", 5), 0);
	cr_assert_geq(pin.pin_fd, 0);
	cr_assert_neq(pin.pin_fd, pin.unmasked_fd);
	ptirq_sim_close(&pin);
}

Test(lib_open, orders)
{
	struct wire_request request;

	open_it();
	cr_assert_eq(ptirq_release_line(p, "demo"), 0);
	cr_assert_str_eq(fake_last(fake, WIRE_REQ_RELEASE).release.line, "demo");
	cr_assert_eq(ptirq_release_client(p, 9), 0);
	cr_assert_eq(fake_last(fake, WIRE_REQ_RELEASE).release.client, 9);
	cr_assert_eq(ptirq_release_client(p, 0), -EINVAL);
	cr_assert_eq(ptirq_sim_assert(p, "demo", "dev2", 6, true), 0);
	request = fake_last(fake, WIRE_REQ_SIM_ASSERT);
	cr_assert_eq(request.sim_assert.bits, 6);
	cr_assert(request.sim_assert.deassert);
	fake_refuse(fake, WIRE_REQ_RELOAD, WIRE_INVALID, "ptirq.conf:3: unknown key");
	cr_assert_eq(ptirq_reload(p), -EINVAL);
	says("ptirq.conf:3");
}
