/* SPDX-License-Identifier: MIT */
/*
 * Owns the processes of a measurement and the temporary directory of each broker. Whatever fails here
 * makes the measurement meaningless, so it ends the program with a sentence.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static void set_scheduler(const struct bench_options *options, int policy, int priority)
{
	struct sched_param param = {.sched_priority = priority};

	if (options->fifo && sched_setscheduler(0, policy, &param) < 0)
		err(1, "SCHED_FIFO priority %d", priority);
}

void bench_pin(const struct bench_options *options, enum bench_priority priority)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)options->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		err(1, "cannot run on CPU %d", options->cpu);
	set_scheduler(options, SCHED_FIFO, (int)priority);
}

void bench_unpin(const struct bench_options *options)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
	set_scheduler(options, SCHED_OTHER, 0);
}

static void on_alarm(int signal)
{
	static const char text[] =
		"ptirq-bench: an interrupt has not come back for 5 s: it was lost\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) > 0)
		_exit(1);
	_exit(2);
}

void bench_expect_progress(bool expected)
{
	signal(SIGALRM, on_alarm);
	alarm(expected ? 5 : 0);
}

static void write_config(const struct bench_broker *broker, const char *config)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/ptirq.conf", broker->dir);
	f = fopen(path, "w");
	if (!f)
		err(1, "%s", path);
	fprintf(f, "[broker]\nsocket = %s\n%s", broker->socket, config);
	if (fclose(f))
		err(1, "%s", path);
}

/* The broker says READY=1 on its notify socket when it accepts connections, as under systemd. */
static int notify_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "%s", path);
	return fd;
}

static void await_ready(int fd, const char *broker)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	char text[256];

	for (;;) {
		ssize_t n;

		if (poll(&pollfd, 1, 10000) <= 0)
			errx(1, "%s did not become ready within 10 s", broker);
		n = recv(fd, text, sizeof(text) - 1, 0);
		if (n < 0)
			err(1, "notify socket");
		text[n] = 0;
		if (strstr(text, "READY=1"))
			return;
	}
}

void bench_broker_start(struct bench_broker *broker, const struct bench_options *options,
			const char *config)
{
	char conf[64], notify[64], log[64];
	int fd;

	strcpy(broker->dir, "/tmp/ptirq-bench-XXXXXX");
	if (!mkdtemp(broker->dir))
		err(1, "%s", broker->dir);
	snprintf(broker->socket, sizeof(broker->socket), "%s/socket", broker->dir);
	snprintf(conf, sizeof(conf), "%s/ptirq.conf", broker->dir);
	snprintf(notify, sizeof(notify), "%s/notify", broker->dir);
	snprintf(log, sizeof(log), "%s/log", broker->dir);
	write_config(broker, config);
	fd = notify_socket(notify);

	broker->pid = fork();
	if (broker->pid < 0)
		err(1, "fork");
	if (broker->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("NOTIFY_SOCKET", notify, 1);
		bench_pin(options, BENCH_PRIO_BROKER);
		if (!freopen(log, "w", stderr))
			err(1, "%s", log);
		execl(options->broker, options->broker, "--config", conf, (char *)NULL);
		err(1, "%s", options->broker);
	}
	await_ready(fd, options->broker);
	close(fd);
}

void bench_broker_stop(struct bench_broker *broker)
{
	static const char *const files[] = {"ptirq.conf", "socket", "notify", "log"};
	char path[64];

	kill(broker->pid, SIGTERM);
	waitpid(broker->pid, NULL, 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", broker->dir, files[i]);
		unlink(path);
	}
	rmdir(broker->dir);
}

static void read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n <= 0)
		err(1, "%s", path);
	buf[n] = 0;
	close(fd);
}

uint64_t bench_cpu_ns(pid_t pid)
{
	char text[128];
	uint64_t ns;

	read_proc(pid, "schedstat", text, sizeof(text));
	if (sscanf(text, "%" SCNu64, &ns) != 1)
		errx(1, "schedstat: %s", text);
	return ns;
}

uint64_t bench_rss(pid_t pid)
{
	char text[128];
	uint64_t pages;

	read_proc(pid, "statm", text, sizeof(text));
	if (sscanf(text, "%*s %" SCNu64, &pages) != 1)
		errx(1, "statm: %s", text);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct bench_shared *bench_shared_new(void)
{
	struct bench_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		err(1, "mmap");
	return shared;
}

void bench_shared_free(struct bench_shared *shared)
{
	munmap(shared, sizeof(*shared));
}

pid_t bench_fork(void (*role)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		role(arg);
		_exit(0);
	}
	return pid;
}

void bench_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
