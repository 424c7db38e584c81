/* SPDX-License-Identifier: MIT */
/*
 * Owns a table of configurations, good and bad, with the exact message of each bad one, and the order
 * in which files are read. "@:" in a message stands for the file and a colon.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/arb/arb.h"
#include "broker/config_parse.h"
#include "tests/lib/fd_check.h"

static char dir[] = "/tmp/ptirq-config.XXXXXX";
static struct config config;
static char problem[LIMIT_TEXT];

static void begin(void)
{
	fd_check_begin();
	cr_assert_not_null(mkdtemp(dir));
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
	(void)status;
	(void)kind;
	(void)at;
	return remove(path);
}

static void end(void)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	fd_check_end();
}

TestSuite(config, .init = begin, .fini = end);

static const char *file(const char *name)
{
	static char path[LIMIT_PATH];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *stream = fopen(file(name), "we");

	cr_assert_not_null(stream);
	fputs(text, stream);
	fclose(stream);
}

static int load(const char *text)
{
	write_file("a.conf", text);
	return config_load(file("a.conf"), &config, problem);
}

static const struct {
	const char *text, *problem;
} bad[] = {
	{"[line a]\nsource = sim\n",
	 "@:1: line a has no device=: name at least one, as in device = "
	 "dev0"},
	{"\n[line a]\ndevice = dev0\n", "@:2: line a has no source=: sim, uio or helper"},
	{"[line a]\n[line b]\nsource=sim\ndevice=dev0\n",
	 "@:1: line a has no source=: sim, uio or helper"},
	{"[line a]\nsource = usb\n", "@:2: source=usb: not one of sim, uio, helper"},
	{"[line a]\npolicy = fair\n", "@:2: policy=fair: not one of chain, broadcast, learned"},
	{"[line a]\nsource = sim\ndevcie = dev0\n",
	 "@:3: [line] has no key devcie; the nearest is device"},
	{"[broker]\nsocket_mode = 0600\n",
	 "@:2: [broker] has no key socket_mode; the nearest is socket-mode"},
	{"[broker]\npolicy = chain\n",
	 "@:2: [broker] has no key policy; it belongs to a [line NAME]"},
	{"[line a]\ncpu = 1\n", "@:2: [line] has no key cpu; it belongs to [broker]"},
	{"[line a]\ntimeout = 1s\n", "@:2: [line] has no key timeout; ptirq.conf(5) has them all"},
	{"[broker]\nfifo = 1\n", "@:2: [broker] has no key fifo; the nearest is fifo-priority"},
	{"[line a]\ne = 1\n", "@:2: [line] has no key e; ptirq.conf(5) has them all"},
	{"[lines]\n", "@:1: [lines] is no section: there are [broker] and [line NAME]"},
	{"[line]\n", "@:1: [line] is no section: there are [broker] and [line NAME]"},
	{"[line a b]\n", "@:1: [line a b]: a line's name has no blanks, as in [line a-b]"},
	{"[line a/b]\n",
	 "@:1: \"a/b\" is no name of a line: letters, digits and ._:@- only, at most "
	 "63"},
	{"[line a\nsource = sim\n", "@:1: a section's heading without its ]"},
	{"source = sim\n", "@:1: a key before the first [broker] or [line NAME]"},
	{"[broker]\nhello\n", "@:2: neither KEY = VALUE, nor [SECTION], nor a comment"},
	{"[broker\n", "@:1: a section's heading without its ]"},
	{"[line a]\nsource=sim\ndevice=x\n[line a]\n", "@:4: line a is in @:1 already"},
	{"[line a]\nsource=sim\nsource=uio\n", "@:3: source= was given in line 2 already"},
	{"[line a]\nsource=sim\ndevice=x\ndevice=x\n", "@:4: device x: line a has it already"},
	{"[line a]\nsource=sim\ndevice=\n", "@:3: device= is empty: an address and its options"},
	{"[line a]\ndevice=x granted\n", "@:2: device= has no option granted: name=NAME, grant, "
					 "unsafe-dma, status=no, mask=no"},
	{"[line a]\ndevice=x grant=maybe\n", "@:2: grant=maybe: yes or no"},
	{"[line a]\ndevice=x name=\n", "@:2: device x: \"\" is no name: letters, digits and ._:@- "
				       "only, at most 63; give one with name="},
	{"[line a]\nsource=uio\ndevice=x\nmask=no\n",
	 "@:4: mask is for source=sim and source=helper: without a mask of its own no device works with source=uio"},
	{"[line a]\nsource=uio\ndevice=x\nmode=cpa\n",
	 "@:4: mode and stop-dma are for source=helper: nobody else can do that"},
	{"[line a]\nsource=helper\ndevice=x\nmode=soft\n",
	 "@:4: mode=soft: not one of adaptive, device, cpa"},
	{"[line a]\nsource=helper\ndevice=x\nmode=cpa\ndirect=yes\n",
	 "@:1: line a: mode=cpa masks nothing, so nothing is unmasked by a direct subscriber: "
	 "remove one of mode=cpa and direct=yes"},
	{"[line a]\nsource=helper\ntrigger=edge\ndevice=x\n",
	 "@:1: line a: source=helper knows level-triggered lines only, remove trigger=edge"},
	{"[line a]\nsource=uio\ndevice=00:05.0\n[line b]\nsource=helper\ndevice=0000:00:05.0\n",
	 "@:6: device 0000:00:05.0: line a (@:1) has it, and a device is on one line only"},
	{"[line a]\nsource=sim\ndevice=x unsafe-dma\n",
	 "@:3: unsafe-dma is for real devices: a soft one does no DMA"},
	{"[line a]\nsource=uio\ntrigger=edge\ndevice=x\n",
	 "@:1: line a: source=uio knows level-triggered lines only, remove trigger=edge"},
	{"[line a]\ndeadline = 100\n", "@:2: deadline=100: not a duration from 1us to 1000s; write "
				       "it as 200us, 100ms or 2s"},
	{"[line a]\ndeadline = 100 min\n",
	 "@:2: deadline=100 min: not a duration from 1us to 1000s; "
	 "write it as 200us, 100ms or 2s"},
	{"[line a]\nhedge = 10ns\n", "@:2: hedge=10ns: not a duration from 1us to 1000s; write it "
				     "as 200us, 100ms or 2s"},
	{"[line a]\nhedge = 99999999999999999999s\n",
	 "@:2: hedge=99999999999999999999s: not a duration from 1us to 1000s; write it as 200us, "
	 "100ms or 2s"},
	{"[line a]\nsource=sim\ndevice=x\ndeadline=200ms\n",
	 "@:1: line a: deadline= is longer than round-deadline= (100 ms), which bounds it"},
	{"[line a]\nmax-subscribers = 65\n", "@:2: max-subscribers=65: not a number from 1 to 64"},
	{"[line a]\nmax-subscribers = -1\n", "@:2: max-subscribers=-1: not a number from 1 to 64"},
	{"[line a]\nallow-user = nobody-here\n",
	 "@:2: allow-user=nobody-here: there is no such user"},
	{"[line a]\nallow-group = nobody-here\n",
	 "@:2: allow-group=nobody-here: there is no such group"},
	{"[line a]\nallow-user = 4294967295\n", "@:2: allow-user=4294967295: not a user id"},
	{"[broker]\nsocket = here\n",
	 "@:2: socket=here: not an absolute path of at most 107 bytes"},
	{"[broker]\nsocket-mode = 0999\n", "@:2: socket-mode=0999: not an octal mode as in 0660"},
	{"[broker]\nmlock = perhaps\n", "@:2: mlock=perhaps: yes or no"},
	{"[broker]\ncpu = first\n", "@:2: cpu=first: a CPU's number, or any"},
	{"[line a]\nsource=uio\ndevice=0000:00:zz.0\n",
	 "@:3: device 0000:00:zz.0: not a PCI address as in 0000:00:05.0; `lspci -D` shows them"},
	{"[line a]\ndevice=00:20.0\nsource=uio\n",
	 "@:2: device 00:20.0: not a PCI address as in 0000:00:05.0; `lspci -D` shows them"},
	{"[line a]\nsource=uio\ndevice=00:05.0\ndevice=0000:00:05.0 name=y\n",
	 "@:4: device 0000:00:05.0: it is the one of line 3"},
	{"[line a]\nsource=uio\ndevice=00:0a.0\ndevice=/sys/devices/pci0000:00/0000:00:0A.0 name=y\n",
	 "@:4: device /sys/devices/pci0000:00/0000:00:0A.0: it is the one of line 3"},
	{"[line a]\nsource=uio\ndevice=uio3\n[line b]\nsource=uio\ndevice=x\n"
	 "device=/sys/class/uio/uio3 name=y\n",
	 "@:7: device /sys/class/uio/uio3: line a (@:1) has it, and a device is on one line only"},
	{"[line a]\nsource=sim\ndevice=x\nhedge=99s\n",
	 "@:1: line a: hedge= is longer than round-deadline= (100 ms): nobody else would be asked"},
	{"[line a]\nallow-user = root # me\n",
	 "@:2: allow-user=root # me: one user, or *; again for each; a comment after a value "
	 "begins with a semicolon, not with #"},
	{"[line a]\ndevice = x # the first\n",
	 "@:2: device= has no option #: name=NAME, grant, unsafe-dma, status=no, mask=no; a "
	 "comment after a value begins with a semicolon, not with #"},
	{"[line a]\nallow-user =\n", "@:2: allow-user=: one user, or *; again for each"},
	{"[line a]\nallow-user = root daemon\n",
	 "@:2: allow-user=root daemon: one user, or *; again for each"},
	{"[line a]\nallow-group =\n", "@:2: allow-group=: one group; again for each"},
	{"[broker]\nfifo-priority = 100\n", "@:2: fifo-priority=100: not a number from 0 to 99"},
};

Test(config, each_mistake_has_its_message)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char expected[LIMIT_TEXT] = "";
		size_t length = 0;

		for (const char *c = bad[i].problem; *c; c++) {
			if (!strncmp(c, "@:", 2))
				length += (size_t)sprintf(expected + length, "%s", file("a.conf"));
			else
				expected[length++] = *c;
		}
		memset(&config, 0xa5, sizeof(config.socket));
		cr_expect_eq(load(bad[i].text), -EINVAL, "%s", bad[i].text);
		cr_expect_str_eq(problem, expected);
		cr_expect_eq(((unsigned char *)&config)[0], 0xa5, "touched on failure");
	}
}

Test(config, a_long_line_is_refused_not_cut)
{
	char text[400] = "[broker]\nsocket = /";

	memset(text + strlen(text), 'x', 300);
	cr_assert_eq(load(text), -EINVAL);
	cr_assert_not_null(strstr(problem, "a.conf:2: the line is longer than 198 bytes"));
}

Test(config, a_long_comment_is_a_comment)
{
	char text[400] = "\t# ";

	memset(text + strlen(text), 'x', 300);
	strcat(text, "\n"
		     "[broker]\nmax-clients = 7\n");
	cr_assert_eq(load(text), 0, "%s", problem);
	cr_assert_eq(config.max_clients, 7);
}

Test(config, a_directory_is_no_file)
{
	cr_assert_eq(config_load(dir, &config, problem), -EISDIR);
	cr_assert_not_null(strstr(problem, ": a directory, not a file"), "%s", problem);
	mkdir(file("a.conf.d"), 0755);
	mkdir(file("a.conf.d/10-x.conf"), 0755);
	cr_assert_eq(load("[broker]\n"), -EISDIR);
	cr_assert_not_null(strstr(problem, "10-x.conf: a directory"), "%s", problem);
}

Test(config, a_short_round_bounds_the_hedge)
{
	cr_assert_eq(load("[line a]\nsource=sim\ndevice=x\nround-deadline=50us\n"), 0, "%s",
		     problem);
	cr_assert_eq(config.line[0].hedge_ns, 50000);
	cr_assert_eq(load("[line a]\nsource=sim\ndevice=x\n"), 0, "%s", problem);
	cr_assert_eq(config.line[0].hedge_ns, 200000);
}

Test(config, too_much_of_everything)
{
	static char text[100 * (LIMIT_LINES + 1)];
	char *at = text;

	for (int i = 0; i <= LIMIT_LINES; i++)
		at += sprintf(at, "[line l%d]\nsource=sim\ndevice=x\n", i);
	cr_assert_eq(load(text), -EINVAL);
	cr_assert_not_null(
		strstr(problem, ":3073: line l1024 is one too many: 1024 are the limit"));

	at = text + sprintf(text, "[line a]\nsource=sim\n");
	for (int i = 0; i <= LIMIT_DEVICES_PER_LINE; i++)
		at += sprintf(at, "device=d%d\n", i);
	cr_assert_eq(load(text), -EINVAL);
	cr_assert_not_null(strstr(problem, ":19: device=: a line takes 16 of them"));

	at = text + sprintf(text, "[line a]\n");
	for (int i = 0; i <= CONFIG_ALLOWED; i++)
		at += sprintf(at, "allow-user=%d\n", i);
	cr_assert_eq(load(text), -EINVAL);
	cr_assert_not_null(strstr(problem, ":18: allow-user=16: a line takes 16 of them"));
}

Test(config, everything_that_can_be_said)
{
	const struct line_config *line = &config.line[0];

	cr_assert_eq(load("# all of it\n"
			  "[broker]\n"
			  "socket = /tmp/s\n"
			  "socket-mode = 0660\n"
			  "max-clients = 10\n"
			  "fifo-priority = 50\n"
			  "cpu = 1\n"
			  "mlock = yes\n"
			  "\n"
			  "[line eth0-intx]   ; the first\n"
			  "  source = uio\n"
			  "  device = 0000:00:05.0 name=fpga grant unsafe-dma\n"
			  "  device = 00:09.0 status=no grant=no\n"
			  "  device = /sys/devices/pci0000:00/0000:00:0d.0\n"
			  "  grant = yes\n"
			  "  policy = chain\n"
			  "  allow-user = root\n"
			  "  allow-user = 1000\n"
			  "  allow-group = root\n"
			  "  max-subscribers = 8\n"
			  "  deadline = 50ms\n"
			  "  round-deadline = 1 s\n"
			  "  hedge = 300us\n"
			  "  storm-rate = 1000\n"
			  "  storm-burst = 100\n"
			  "[line soft]\n"
			  "source = sim\n"
			  "trigger = edge\n"
			  "device = dev0\n"
			  "device = dev1 mask=no status=no\n"
			  "allow-user = *\n"),
		     0, "%s", problem);
	cr_assert_str_eq(config.socket, "/tmp/s");
	cr_assert_eq(config.socket_mode, 0660);
	cr_assert_eq(config.max_clients, 10);
	cr_assert_eq(config.fifo_priority, 50);
	cr_assert_eq(config.cpu, 1);
	cr_assert_not_null(strstr(config.cpu_origin, "a.conf:7"));
	cr_assert(config.mlock);
	cr_assert_eq(config.n_lines, 2);

	cr_assert_str_eq(line->name, "eth0-intx");
	cr_assert_not_null(strstr(line->origin, "a.conf:10"));
	cr_assert_eq(line->source, CONFIG_UIO);
	cr_assert_eq(line->policy, ARB_CHAIN);
	cr_assert_eq(line->n_devices, 3);
	cr_assert_str_eq(line->device[0].name, "fpga");
	cr_assert_str_eq(line->device[0].address, "0000:00:05.0");
	cr_assert(line->device[0].grant && line->device[0].unsafe_dma);
	cr_assert(line->device[0].use_status);
	cr_assert_str_eq(line->device[1].name, "00:09.0");
	cr_assert(!line->device[1].grant && !line->device[1].unsafe_dma);
	cr_assert(!line->device[1].use_status);
	cr_assert_str_eq(line->device[2].name, "0000:00:0d.0");
	cr_assert(line->device[2].grant);
	cr_assert_eq(line->n_users, 2);
	cr_assert(line->user[0] == 0 && line->user[1] == 1000);
	cr_assert(line->n_groups == 1 && line->group[0] == 0);
	cr_assert(!line->allow_all);
	cr_assert_eq(line->max_subscribers, 8);
	cr_assert_eq(line->deadline_ns, 50000000);
	cr_assert_eq(line->round_deadline_ns, 1000000000);
	cr_assert_eq(line->hedge_ns, 300000);
	cr_assert(line->storm_rate == 1000 && line->storm_burst == 100);

	cr_assert_eq(config.line[1].trigger, CONFIG_EDGE);
	cr_assert(config.line[1].device[0].has_mask && config.line[1].device[0].sim_status);
	cr_assert(!config.line[1].device[1].has_mask && !config.line[1].device[1].sim_status);
	cr_assert(config.line[1].allow_all);
}

Test(config, defaults)
{
	cr_assert_eq(load("[line a]\nsource=sim\ndevice=x\n"), 0, "%s", problem);
	cr_assert_str_eq(config.socket, "/run/ptirq/broker.sock");
	cr_assert_eq(config.socket_mode, 0666);
	cr_assert_eq(config.cpu, -1);
	cr_assert_eq(config.fifo_priority, 0);
	cr_assert_eq(config.max_clients, LIMIT_CLIENTS);
	cr_assert_eq(config.line[0].policy, ARB_LEARNED);
	cr_assert_eq(config.line[0].n_users + config.line[0].n_groups, 0);
	cr_assert(!config.line[0].allow_all && !config.line[0].device[0].grant);
	cr_assert_eq(config.line[0].round_deadline_ns, 100000000);
	cr_assert_eq(config.line[0].max_subscribers, LIMIT_SUBS_PER_LINE);
}

#define LINE_OF(name) "[line " name "]\nsource=sim\ndevice=x\n"

Test(config, drop_ins_in_name_order_the_first_directory_wins)
{
	char fallback[LIMIT_PATH];

	snprintf(fallback, sizeof(fallback), "%s", file("lib.conf"));
	mkdir(file("a.conf.d"), 0755);
	mkdir(file("lib.conf.d"), 0755);
	write_file("lib.conf", LINE_OF("not-read"));
	write_file("a.conf", LINE_OF("main") "[broker]\nmax-clients=1\n");
	write_file("a.conf.d/20-b.conf", LINE_OF("b") "[broker]\nmax-clients=3\n");
	write_file("a.conf.d/10-a.conf", LINE_OF("a") "[broker]\nmax-clients=2\n");
	write_file("a.conf.d/README", "not a configuration\n");
	write_file("a.conf.d/.hidden.conf", "nor this\n");
	write_file("lib.conf.d/20-b.conf", LINE_OF("overridden"));
	write_file("lib.conf.d/15-lib.conf", LINE_OF("lib"));
	cr_assert_eq(config_load_from(file("a.conf"), fallback, &config, problem), 0, "%s",
		     problem);
	cr_assert_eq(config.n_lines, 4);
	cr_assert_str_eq(config.line[0].name, "main");
	cr_assert_str_eq(config.line[1].name, "a");
	cr_assert_str_eq(config.line[2].name, "lib");
	cr_assert_str_eq(config.line[3].name, "b");
	cr_assert_eq(config.max_clients, 3, "the last word counts");

	unlink(file("a.conf"));
	cr_assert_eq(config_load_from(file("a.conf"), fallback, &config, problem), 0, "%s",
		     problem);
	cr_assert_str_eq(config.line[0].name, "not-read", "the fallback stands in");

	write_file("a.conf.d/30-c.conf", LINE_OF("b"));
	cr_assert_eq(config_load_from(file("a.conf"), fallback, &config, problem), -EINVAL);
	cr_assert_not_null(strstr(problem, "30-c.conf:1: line b is in "));
	cr_assert_not_null(strstr(problem, "20-b.conf:1 already"));
}

Test(config, no_file_at_all)
{
	cr_assert_eq(config_load(file("none.conf"), &config, problem), -ENOENT);
	cr_assert_not_null(strstr(problem, "none.conf: no such file; ptirq.conf(5) has a sample"));
}

Test(config, the_software_line)
{
	setenv("PTIRQ_SOCKET", "/tmp/of-mine", 1);
	config_sim(&config);
	cr_assert_str_eq(config.socket, "/tmp/of-mine");
	unsetenv("PTIRQ_SOCKET");
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	config_sim(&config);
	cr_assert_str_eq(config.socket, "/run/user/1/ptirq/broker.sock");
	cr_assert_eq(config.n_lines, 1);
	cr_assert_str_eq(config.line[0].name, "demo");
	cr_assert_eq(config.line[0].n_devices, 3);
	cr_assert_str_eq(config.line[0].device[2].name, "dev2");
	cr_assert(config.line[0].allow_all && config.line[0].device[2].grant);
	cr_assert(config.line[0].device[0].has_mask && config.line[0].device[0].sim_status);
}

Test(config, which_devices_of_the_helper_can_mask_themselves)
{
	const struct device_config *device = config.line[0].device;

	cr_assert_eq(load("[line a]\nsource = helper\ndevice = 00:05.0\ndevice = 00:06.0 mask=no\n"
			  "device = ptirq-lab.0\ndevice = /sys/devices/pci0000:00/0000:00:07.0\n"),
		     0, "%s", problem);
	cr_assert_eq(config.line[0].source, CONFIG_HELPER);
	cr_assert(device[0].has_mask && !device[1].has_mask);
	cr_assert(!device[2].has_mask, "of a platform device nothing but its interrupt is known");
	cr_assert(device[3].has_mask);
}
