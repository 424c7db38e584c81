// SPDX-License-Identifier: MIT
/*
 * ptirq-broker: the order in which things start and end. Owns nothing that outlives main().
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "broker/config.h"
#include "broker/edge_poll.h"
#include "broker/exec.h"
#include "broker/log.h"
#include "broker/opener.h"
#include "broker/session/listener.h"
#include "broker/systemd.h"
#include "broker/watchdog.h"
#include "proto/channel.h"

struct options {
	const char *config; /* NULL: the default path */
	const char *socket; /* NULL: the configuration's */
	bool sim;
	bool check;
};

struct broker {
	uv_loop_t loop;
	struct opener *opener;
	struct exec *exec;
	struct listener *listener;
	uv_signal_t sighup, sigterm, sigint;
	struct edge_poll feed; /* a timerfd: a uv_timer would time every wait of the loop */
	char *socket_path;     /* to be removed at the end; NULL: not ours */
};

/* ---- options ------------------------------------------------------------------------------------- */

static void usage(FILE *out)
{
	fprintf(out,
		"ptirq-broker [--config FILE] [--socket PATH]   share interrupt lines between drivers\n"
		"ptirq-broker --sim [--socket PATH]             one software line, no root, no hardware\n"
		"ptirq-broker --check-config [FILE]             read the configuration and say what is wrong\n"
		"\n"
		"  -c, --config FILE    default: " CONFIG_DEFAULT_PATH " and " CONFIG_DEFAULT_PATH
		".d/*.conf,\n"
		"                       else the same of " CONFIG_INSTALLED_PATH "\n"
		"  -s, --socket PATH    default: the configuration's socket=; with --sim $PTIRQ_SOCKET,\n"
		"                       else $XDG_RUNTIME_DIR/ptirq/broker.sock\n"
		"  -h, --help           this\n"
		"      --version\n"
		"\n"
		"SIGHUP reads the configuration again, SIGTERM ends. PTIRQ_DEBUG=wire,arb,source logs more.\n");
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv, struct options *ret)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'},
		{"sim", no_argument, NULL, 'S'},
		{"check-config", no_argument, NULL, 'C'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:s:h", options, NULL)) != -1) {
		switch (c) {
		case 'c': ret->config = optarg; break;
		case 's': ret->socket = optarg; break;
		case 'S': ret->sim = true; break;
		case 'C': ret->check = true; break;
		case 'h': usage(stdout); return 0;
		case 'V': puts("ptirq-broker " PTIRQ_VERSION); return 0;
		default: usage(stderr); return 2;
		}
	}
	if (ret->check && optind < argc)
		ret->config = argv[optind++];
	if (optind < argc || (ret->sim && (ret->config || ret->check))) {
		fprintf(stderr, "ptirq-broker: %s\n",
			optind < argc
				? "too many arguments"
				: "--sim takes no configuration; a file may have lines with source=sim");
		return 2;
	}
	return -1;
}

/* ---- configuration ------------------------------------------------------------------------------- */

/* -EINVAL: @problem. */
static int take_cpu(const struct config *config, char problem[LIMIT_TEXT])
{
	cpu_set_t cpus;

	if (config->cpu < 0)
		return 0;
	CPU_ZERO(&cpus);
	CPU_SET(config->cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) == 0)
		return 0;
	snprintf(problem, LIMIT_TEXT,
		 "%s: cpu=%d: %s; the processors of this machine are 0 to %ld, or write cpu=any",
		 config->cpu_origin, config->cpu, strerror(errno),
		 sysconf(_SC_NPROCESSORS_CONF) - 1);
	return -EINVAL;
}

static int check_config(const struct options *options)
{
	struct config *config = calloc(1, sizeof(*config));
	char problem[LIMIT_TEXT];
	int error = config ? config_load(options->config ? options->config : CONFIG_DEFAULT_PATH,
					 config, problem)
			   : -ENOMEM;

	if (!error)
		error = take_cpu(config, problem);
	if (error)
		fprintf(stderr, "%s\n", config ? problem : strerror(ENOMEM));
	else
		printf("%u line%s, nothing wrong\n", config->n_lines,
		       config->n_lines == 1 ? "" : "s");
	free(config);
	return error ? 1 : 0;
}

/* Read by the opener: this process may not be able to open the files for long. */
static const struct config *first_config(struct opener *opener)
{
	struct opener_request request = {.verb = OPENER_CONFIG};
	struct opener_reply reply;
	void *map;
	int fd, r;

	r = opener_call(opener, &request, &reply, &fd);
	if (r != 0) {
		log_error(NULL, "%s", reply.text[0] ? reply.text : strerror(-r));
		return NULL;
	}
	map = mmap(NULL, sizeof(struct config), PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		log_error(NULL, "the configuration: %s", strerror(errno));
	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

static const struct config *sim_config(void)
{
	struct config *config = mmap(NULL, sizeof(*config), PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (config == MAP_FAILED)
		return NULL;
	config_sim(config);
	return config;
}

/* ---- the process --------------------------------------------------------------------------------- */

static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * A closed stderr would be the number of the next socket, and a client would get the log. Nobody reading
 * it is no reason to die.
 */
static void secure_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	signal(SIGPIPE, SIG_IGN);
}

/* What is asked for and refused is said, and is no reason not to serve. */
static void make_prompt(const struct config *config)
{
	struct sched_param param = {.sched_priority = config->fifo_priority};
	char problem[LIMIT_TEXT];

	if (take_cpu(config, problem) < 0)
		log_warn(NULL, "%s", problem);
	if (config->fifo_priority > 0 && sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		log_warn(NULL, "fifo-priority=%d: %s (CAP_SYS_NICE or LimitRTPRIO= is needed)",
			 config->fifo_priority, strerror(errno));
	if (config->mlock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		log_warn(NULL, "mlock=yes: %s (CAP_IPC_LOCK or LimitMEMLOCK= is needed)",
			 strerror(errno));
}

/* ---- listening ----------------------------------------------------------------------------------- */

/* Only the last directory: the one above belongs to somebody else. */
static void make_directory(const char *socket)
{
	char path[LIMIT_PATH];
	char *slash;

	snprintf(path, sizeof(path), "%s", socket);
	slash = strrchr(path, '/');
	if (!slash || slash == path)
		return;
	*slash = 0;
	mkdir(path, 0755);
}

static const char *listen_remark(int error)
{
	switch (error) {
	case -EADDRINUSE:
		return " (another broker is running there: stop it, or say --socket PATH)";
	case -EEXIST: return " (and is no socket: say --socket PATH)";
	case -EACCES:
	case -ENOENT: return " (--socket PATH or PTIRQ_SOCKET names another place)";
	default: return "";
	}
}

static int start_listening(struct broker *broker, const struct options *options,
			   const struct config *config)
{
	const char *path = options->socket ? options->socket : config->socket;
	int fd, r;

	r = systemd_listen_fds(&fd);
	if (r > 1)
		log_warn(NULL, "%d sockets were passed, only the first is used", r);
	if (r <= 0) {
		make_directory(path);
		r = channel_listen(path, config->socket_mode, &fd);
		if (r < 0) {
			log_error(NULL, "cannot listen on %s: %s%s", path, strerror(-r),
				  listen_remark(r));
			return r;
		}
		broker->socket_path = strdup(path);
		log_info(NULL, "listening on %s", path);
	}
	r = listener_start(&broker->exec->sessions, fd, &broker->listener);
	if (r < 0)
		close(fd);
	return r;
}

/* ---- signals and the manager --------------------------------------------------------------------- */

static void on_sighup(uv_signal_t *handle, int signum)
{
	struct broker *broker = handle->data;

	(void)signum;
	exec_reload(broker->exec, NULL, 0);
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Everything that keeps the loop alive goes; the loop then ends by itself. */
static void stop(struct broker *broker, const char *text)
{
	/* As long as we listen nobody else takes the path: it is ours to remove. */
	if (broker->socket_path)
		unlink(broker->socket_path);
	listener_stop(broker->listener);
	broker->listener = NULL;
	if (broker->exec)
		exec_stop(broker->exec, text);
	opener_free(broker->opener);
	broker->opener = NULL;
	close_handle((uv_handle_t *)&broker->sighup);
	close_handle((uv_handle_t *)&broker->sigterm);
	close_handle((uv_handle_t *)&broker->sigint);
	if (broker->feed.fd >= 0) {
		int fd = broker->feed.fd;

		edge_poll_stop(&broker->feed, NULL);
		close(fd);
	}
}

static void on_sigterm(uv_signal_t *handle, int signum)
{
	(void)signum;
	systemd_notify("STOPPING=1");
	log_info(NULL, "stopping");
	stop(handle->data, "the broker is stopping");
}

/* Twice as often as the manager wants to hear. */
static void arm_feed(int fd)
{
	uint64_t usec = systemd_watchdog_usec() / 2;
	struct itimerspec spec = {.it_value = {usec / 1000000, usec % 1000000 * 1000}};

	timerfd_settime(fd, 0, &spec, NULL);
}

/* The manager is told that all is well only if it is (promise 1). */
static void on_feed(void *user, bool abused)
{
	struct broker *broker = user;

	(void)abused;
	arm_feed(broker->feed.fd);
	if (exec_healthy(broker->exec))
		systemd_notify("WATCHDOG=1");
	else
		log_error(NULL, "a unit has been in one round for far too long");
}

static int start_feeding(struct broker *broker)
{
	int fd, r;

	if (!systemd_watchdog_usec())
		return 0;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	arm_feed(fd);
	r = edge_poll_start(&broker->feed, &broker->loop, fd, on_feed, broker);
	if (r < 0)
		close(fd);
	return r;
}

static void start_handles(struct broker *broker)
{
	uv_signal_init(&broker->loop, &broker->sighup);
	uv_signal_init(&broker->loop, &broker->sigterm);
	uv_signal_init(&broker->loop, &broker->sigint);
	broker->sighup.data = broker->sigterm.data = broker->sigint.data = broker;
	uv_signal_start(&broker->sighup, on_sighup, SIGHUP);
	uv_signal_start(&broker->sigterm, on_sigterm, SIGTERM);
	uv_signal_start(&broker->sigint, on_sigterm, SIGINT);
}

/* ---- main ---------------------------------------------------------------------------------------- */

static uint64_t new_epoch(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static int start(struct broker *broker, const struct options *options, const struct config *config)
{
	int r;

	make_prompt(config);
	if (broker->opener) {
		r = opener_attach(broker->opener, &broker->loop);
		if (r < 0)
			return r;
	}
	r = exec_new(&broker->loop, broker->opener, new_epoch(), config->max_clients,
		     &broker->exec);
	if (r < 0)
		return r;
	r = start_listening(broker, options, config);
	if (r < 0)
		return r;
	r = watchdog_start();
	if (r < 0)
		return r;
	r = exec_apply(broker->exec, config);
	if (r < 0)
		return r;
	systemd_notify("READY=1");
	return start_feeding(broker);
}

static int run(const struct options *options)
{
	struct broker broker = {.feed.fd = -1};
	const struct config *config;
	int r = 0;

	if (!options->sim)
		r = opener_start(options->config ? options->config : CONFIG_DEFAULT_PATH,
				 &broker.opener);
	if (r < 0)
		return r;
	config = options->sim ? sim_config() : first_config(broker.opener);
	r = config ? uv_loop_init(&broker.loop) : -EINVAL;
	if (r < 0) {
		opener_free(broker.opener);
		return r;
	}
	start_handles(&broker);
	r = start(&broker, options, config);
	/* Each line has its own copy: 4.6 KiB of each would be resident here too. */
	munmap((void *)config, sizeof(*config));
	if (r < 0) {
		log_error(NULL, "cannot start: %s", strerror(-r));
		stop(&broker, "the broker could not start");
	}
	uv_run(&broker.loop, UV_RUN_DEFAULT);
	watchdog_stop();
	exec_free(broker.exec);
	uv_loop_close(&broker.loop);
	if (broker.socket_path)
		unlink(broker.socket_path);
	free(broker.socket_path);
	return r;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	int r = parse(argc, argv, &options);

	if (r >= 0)
		return r;
	if (options.check)
		return check_config(&options);
	secure_stdio();
	raise_nofile();
	log_init();
	systemd_notify_open();
	r = run(&options);
	systemd_notify_close();
	log_deinit();
	return r < 0 ? 1 : 0;
}
