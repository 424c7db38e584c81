/* SPDX-License-Identifier: MIT */
/*
 * Owns the opener's conversation, verb by verb, and the sentence of each refusal, against a fake tree.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "broker/opener_child.h"
#include "tests/lib/fd_check.h"
#include "tests/unit/fake_sysfs.h"

static const char *root;
static char path[LIMIT_PATH];
static struct opener *opener;
static struct opener_reply reply;

static void begin(void)
{
	uv_loop_t loop;

	/* libuv keeps a pipe for signals from its first loop on. */
	cr_assert_eq(uv_loop_init(&loop), 0);
	uv_loop_close(&loop);
	fd_check_begin();
	root = fake_root();
	snprintf(path, sizeof(path), "%s/ptirq.conf", root);
}

static void end(void)
{
	opener_free(opener);
	fake_remove();
	fd_check_end();
}

TestSuite(opener, .init = begin, .fini = end);

static int call(enum opener_verb verb, const char *device, int *ret_fd)
{
	struct opener_request request = {.verb = (uint8_t)verb};
	int fd, r;

	strcpy(request.line, "a");
	strcpy(request.device, device);
	r = opener_call(opener, &request, &reply, &fd);
	if (ret_fd)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	return r;
}

static void start(const char *config)
{
	int fd;

	fake_write("ptirq.conf", config);
	cr_assert_eq(opener_start_at(path, root, &opener), 0);
	cr_assert_eq(call(OPENER_CONFIG, "", &fd), 0, "%s", reply.text);
	close(fd);
}

/* The verb fails with @error, and says @text. */
static void refused(enum opener_verb verb, const char *device, int error, const char *text)
{
	int fd;

	cr_assert_eq(call(verb, device, &fd), error, "%s: %d %s", device, reply.error, reply.text);
	cr_assert_eq(fd, -1);
	cr_assert_not_null(strstr(reply.text, text), "\"%s\" has no \"%s\"", reply.text, text);
}

#define PCI(options) "[line a]\nsource = uio\ndevice = 0000:00:05.0 name=d " options "\n"

Test(opener, config_is_a_sealed_copy)
{
	const struct config *config;
	int fd;

	fake_write("ptirq.conf", PCI("grant"));
	cr_assert_eq(opener_start_at(path, root, &opener), 0);
	cr_assert_eq(call(OPENER_CONFIG, "", &fd), 0, "%s", reply.text);
	config = mmap(NULL, sizeof(*config), PROT_READ, MAP_SHARED, fd, 0);
	cr_assert_neq(config, MAP_FAILED);
	cr_assert_eq(config->n_lines, 1);
	cr_assert_str_eq(config->line[0].device[0].name, "d");
	cr_assert_eq(ftruncate(fd, 0), -1);
	cr_assert_eq(pwrite(fd, "x", 1, 0), -1);
	munmap((void *)config, sizeof(*config));
	close(fd);
}

Test(opener, a_mistake_in_the_configuration_leaves_the_old_one)
{
	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio0");
	start(PCI(""));
	fake_write("ptirq.conf", "[line b]\n");
	refused(OPENER_CONFIG, "", -EINVAL, "ptirq.conf:1: line b has no source=");
	cr_assert_eq(call(OPENER_IDENTIFY, "d", NULL), 0, "%s", reply.text);
	/* One that the broker could not take up as it runs is such a mistake. */
	fake_write("ptirq.conf", "[broker]\ncpu = 1\nmax-clients = 9\n"
				 "[line a]\nsource = uio\ndevice = 0000:00:05.0 name=other\n");
	refused(OPENER_CONFIG, "", -EINVAL,
		"[broker] max-clients=, cpu=: a change takes a restart");
	cr_assert_eq(call(OPENER_IDENTIFY, "d", NULL), 0, "%s", reply.text);
}

Test(opener, sim_opens_nothing)
{
	struct opener_request request = {.verb = OPENER_LOCK, .line = "demo", .device = "dev0"};
	int fd;

	cr_assert_eq(opener_start_at(NULL, root, &opener), 0);
	cr_assert_eq(call(OPENER_CONFIG, "", NULL), 0);
	cr_assert_eq(opener_call(opener, &request, &reply, &fd), 0);
	cr_assert_eq(fd, -1);
}

Test(opener, what_is_not_in_the_configuration)
{
	start(PCI(""));
	refused(OPENER_UIO, "other", -EINVAL, "device other of line a is not in the configuration");
	refused(OPENER_N_VERBS, "d", -EOPNOTSUPP, "");
	refused(255, "d", -EOPNOTSUPP, "");
}

Test(opener, a_pci_device)
{
	struct opener_device *device = &reply.device;
	int fd;

	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	start(PCI("grant unsafe-dma"));
	cr_assert_eq(call(OPENER_IDENTIFY, "d", NULL), 0, "%s", reply.text);
	cr_assert_str_eq(device->location, "0000:00:05.0");
	cr_assert_str_eq(device->driver, "uio_pci_generic");
	cr_assert_str_eq(device->uio, "uio7");
	cr_assert(device->pci && !device->irqcontrol && !device->iommu);
	cr_assert_eq(device->n_resources, 2);
	cr_assert(device->resource[1].index == 2 && device->resource[1].size == 256);

	cr_assert_eq(call(OPENER_UIO, "d", &fd), 0, "%s", reply.text);
	cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	cr_assert_eq(call(OPENER_PCI_CONFIG, "d", &fd), 0, "%s", reply.text);
	close(fd);
	cr_assert_eq(call(OPENER_RESOURCE, "d", &fd), 0, "%s", reply.text);
	cr_assert_eq(reply.size, 4096);
	close(fd);
}

Test(opener, each_way_to_name_a_device)
{
	char text[1024];
	static const char *const names[] = {"00:05.0", "uio7", "uio_pci_generic",
					    "/sys/bus/pci/devices/0000:00:05.0",
					    "/sys/class/uio/uio7"};

	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "[line a]\nsource=uio\ndevice=%s name=d\n", names[i]);
		start(text);
		cr_expect_eq(call(OPENER_IDENTIFY, "d", NULL), 0, "%s: %s", names[i], reply.text);
		cr_expect_str_eq(reply.device.location, "0000:00:05.0");
		cr_expect_str_eq(reply.device.uio, "uio7");
		cr_expect(reply.device.pci);
		opener_free(opener);
	}
	opener = NULL;
}

Test(opener, refusals_name_cause_and_fix)
{
	start("[line a]\nsource=uio\ndevice=0000:00:01.0\ndevice=0000:00:02.0\n"
	      "device=0000:00:03.0\ndevice=0000:00:04.0\ndevice=uio9\ndevice=adc\n"
	      "device=/sys/devices/x\ndevice=twin\n");
	fake_plug_pci("0000:00:02.0", NULL, NULL);
	fake_plug_pci("0000:00:03.0", "e1000", NULL);
	fake_plug_pci("0000:00:04.0", "uio_pci_generic", "uio4");
	fake_write("sys/bus/pci/devices/0000:00:04.0/irq", "0\n");
	fake_plug_uio("uio1", "twin", "/dev/null");
	fake_plug_uio("uio2", "twin", "/dev/null");
	refused(OPENER_IDENTIFY, "0000:00:01.0", -ENODEV, "0000:00:01.0 is not there");
	refused(OPENER_UIO, "0000:00:02.0", -ENXIO,
		"has no driver: `echo uio_pci_generic "
		">/sys/bus/pci/devices/0000:00:02.0/driver_override`");
	refused(OPENER_UIO, "0000:00:03.0", -ENXIO,
		"belongs to the driver e1000, not to a UIO driver");
	refused(OPENER_UIO, "0000:00:04.0", -ENXIO, "has no interrupt (its sysfs irq is 0)");
	refused(OPENER_UIO, "uio9", -ENODEV, "uio9 is not there");
	refused(OPENER_UIO, "adc", -ENODEV, "no UIO device is called adc");
	refused(OPENER_UIO, "x", -ENODEV, "/sys/devices/x is not there");
	refused(OPENER_UIO, "twin", -EINVAL, "2 UIO devices are called twin");
}

Test(opener, a_missing_node)
{
	char node[LIMIT_PATH];

	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	snprintf(node, sizeof(node), "%s/dev/uio7", root);
	unlink(node);
	start(PCI(""));
	refused(OPENER_UIO, "d", -ENOENT, "/dev/uio7 is not there though /sys/class/uio/uio7 is");
}

Test(opener, config_space_that_reads_ones)
{
	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	fake_set("0000:00:05.0", 5, 0xff);
	start(PCI(""));
	refused(OPENER_PCI_CONFIG, "d", -ENODEV, "does not answer");
}

Test(opener, registers_only_as_the_configuration_says)
{
	struct opener_request request = {.verb = OPENER_RESOURCE,
					 .line = "a",
					 .device = "d",
					 .index = 2};
	int fd;

	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	start(PCI("grant"));
	refused(OPENER_RESOURCE, "d", -EACCES, "no IOMMU is in front of it");
	fake_write("ptirq.conf", PCI("unsafe-dma"));
	cr_assert_eq(call(OPENER_CONFIG, "", NULL), 0);
	refused(OPENER_RESOURCE, "d", -EACCES, "grant=yes is not in the configuration");
	fake_write("ptirq.conf", PCI("grant unsafe-dma"));
	cr_assert_eq(call(OPENER_CONFIG, "", NULL), 0);
	cr_assert_eq(call(OPENER_RESOURCE, "d", NULL), 0, "%s", reply.text);
	cr_assert_eq(opener_call(opener, &request, &reply, &fd), -ENOENT);
	cr_assert_not_null(strstr(reply.text, "no register region 2: there are 2"));
}

Test(opener, the_second_broker_is_told_of_the_first)
{
	struct opener *second;
	char holder[64];
	int lock, fd;
	struct opener_request request = {.verb = OPENER_LOCK, .line = "a", .device = "d"};

	/* By another name, it is the same device. */
	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	start(PCI(""));
	cr_assert_eq(call(OPENER_LOCK, "d", &lock), 0, "%s", reply.text);
	fake_write("ptirq.conf", "[line a]\nsource=uio\ndevice=uio7 name=d\n");
	cr_assert_eq(opener_start_at(path, root, &second), 0);
	cr_assert_eq(opener_call(second, &(struct opener_request){.verb = OPENER_CONFIG}, &reply,
				 &fd),
		     0);
	close(fd);
	cr_assert_eq(opener_call(second, &request, &reply, &fd), -EBUSY);
	snprintf(holder, sizeof(holder), "(pid %d)", (int)getpid());
	cr_assert_not_null(strstr(reply.text, "0000:00:05.0 is in use by "), "%s", reply.text);
	cr_assert_not_null(strstr(reply.text, holder), "%s", reply.text);
	close(lock);
	cr_assert_eq(opener_call(second, &request, &reply, &fd), 0, "%s", reply.text);
	close(fd);
	opener_free(second);
}

/* Whoever can open it can hold it. */
Test(opener, the_lock_is_nobody_elses_to_take)
{
	char node[LIMIT_PATH + 40];
	struct stat st;
	int fd;

	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	start(PCI(""));
	snprintf(node, sizeof(node), "%s/run/ptirq/lock/0000:00:05.0", root);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(call(OPENER_LOCK, "d", &fd), 0, "%s", reply.text);
		close(fd);
		cr_assert_eq(stat(node, &st), 0);
		cr_assert_eq(st.st_mode & 0777, 0600, "%o", st.st_mode);
		chmod(node, 0644); /* as one was left from before */
	}
}

/* ---- from a loop ------------------------------------------------------------------------------- */

static unsigned int answers;
static int errors[8];

static void on_answer(void *user, const struct opener_reply *answer, int fd)
{
	cr_assert_eq(user, &errors[answers]);
	errors[answers++] = answer->error;
	if (fd >= 0)
		close(fd);
}

static void ask(enum opener_verb verb, unsigned int nth)
{
	struct opener_request request = {.verb = (uint8_t)verb, .line = "a", .device = "d"};

	opener_ask(opener, &request, on_answer, &errors[nth]);
}

Test(opener, answers_come_in_order_from_the_loop)
{
	uv_loop_t loop;

	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	start(PCI(""));
	uv_loop_init(&loop);
	cr_assert_eq(opener_attach(opener, &loop), 0);
	ask(OPENER_IDENTIFY, 0);
	ask(OPENER_RESOURCE, 1);
	ask(OPENER_UIO, 2);
	cr_assert_eq(answers, 0);
	while (answers < 3)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(errors[0] == 0 && errors[1] == -EACCES && errors[2] == 0);
	opener_free(opener);
	opener = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

Test(opener, cancelled_answers_are_dropped_with_their_fds)
{
	uv_loop_t loop;

	fake_plug_pci("0000:00:05.0", "uio_pci_generic", "uio7");
	start(PCI(""));
	uv_loop_init(&loop);
	cr_assert_eq(opener_attach(opener, &loop), 0);
	ask(OPENER_UIO, 7); /* under way */
	ask(OPENER_UIO, 0);
	ask(OPENER_UIO, 7);
	opener_cancel(opener, &errors[7]);
	while (answers < 1)
		uv_run(&loop, UV_RUN_ONCE);
	ask(OPENER_IDENTIFY, 1);
	while (answers < 2)
		uv_run(&loop, UV_RUN_ONCE);
	opener_free(opener);
	opener = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

static pid_t child_of(pid_t parent)
{
	char name[64];
	FILE *stream;
	int child = 0;

	snprintf(name, sizeof(name), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	stream = fopen(name, "re");
	cr_assert_not_null(stream);
	cr_assert_eq(fscanf(stream, "%d", &child), 1);
	fclose(stream);
	return child;
}

Test(opener, a_dead_opener_says_so_to_everybody)
{
	uv_loop_t loop;

	start(PCI(""));
	uv_loop_init(&loop);
	cr_assert_eq(opener_attach(opener, &loop), 0);
	cr_assert_str_eq(opener_problem(opener), "");
	kill(child_of(getpid()), SIGKILL);
	ask(OPENER_IDENTIFY, 0);
	ask(OPENER_IDENTIFY, 1);
	while (answers < 2)
		uv_run(&loop, UV_RUN_ONCE);
	ask(OPENER_IDENTIFY, 2);
	cr_assert_eq(answers, 2, "called from within");
	while (answers < 3)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert(errors[0] == -EPIPE && errors[1] == -EPIPE && errors[2] == -EPIPE);
	/* Nobody is left to be told. */
	ask(OPENER_IDENTIFY, 7);
	opener_cancel(opener, &errors[7]);
	uv_run(&loop, UV_RUN_NOWAIT);
	cr_assert_eq(answers, 3);
	cr_assert_not_null(strstr(opener_problem(opener), "has ended"));
	opener_free(opener);
	opener = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
}

Test(opener, one_that_hangs_holds_nobody_up, .timeout = 60)
{
	pid_t child;

	start(PCI(""));
	child = child_of(getpid());
	kill(child, SIGSTOP);
	opener_free(opener);
	opener = NULL;
	cr_assert_eq(kill(child, 0), -1, "it is still there");
}

#define HELPER "[line a]\nsource = helper\n"

Test(opener, a_device_of_the_kernel_helper)
{
	int fd;

	fake_plug_helper("0000:00:05.0", "line3", "/dev/null");
	start(HELPER "device = 00:05.0 name=d grant unsafe-dma\n");
	cr_assert_eq(call(OPENER_LOCK, "d", &fd), 0, "%s", reply.text);
	close(fd);
	cr_assert_str_eq(reply.device.location, "0000:00:05.0");
	cr_assert_str_eq(reply.device.driver, "ptirq_uio");
	cr_assert_str_eq(reply.device.line, "line3");
	cr_assert_eq(reply.device.n_resources, 2);
	cr_assert_eq(call(OPENER_HELPER, "d", &fd), 0, "%s", reply.text);
	cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	close(fd);
	cr_assert_eq(call(OPENER_RESOURCE, "d", NULL), 0, "%s", reply.text);
}

Test(opener, why_a_device_is_not_the_helpers)
{
	fake_plug_pci("0000:00:02.0", NULL, NULL);
	fake_plug_pci("0000:00:03.0", "e1000", NULL);
	fake_plug_pci("0000:00:04.0", "ptirq_uio", NULL);
	fake_plug_helper("0000:00:05.0", "line3", "/nowhere");
	start(HELPER "device = 00:02.0\ndevice = 00:03.0\ndevice = 00:04.0\ndevice = 00:05.0\n"
		     "device = 00:1f.0\ndevice = adc.0\n");
	refused(OPENER_LOCK, "00:1f.0", -ENODEV, "0000:00:1f.0 is not there: is it plugged in?");
	refused(OPENER_LOCK, "adc.0", -ENODEV, "`ls /sys/bus/platform/devices` shows what is");
	refused(OPENER_LOCK, "00:02.0", -ENXIO,
		"has no driver: `modprobe ptirq_uio`, then `ptirqctl bind 0000:00:02.0`");
	refused(OPENER_LOCK, "00:03.0", -ENXIO, "belongs to the driver e1000, not to the kernel");
	refused(OPENER_LOCK, "00:04.0", -ENXIO, "is being bound");
	refused(OPENER_HELPER, "00:05.0", -ENOENT,
		"/dev/ptirq/line3 is not there though 0000:00:05.0 is bound");
}
