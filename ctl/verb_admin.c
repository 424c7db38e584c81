// SPDX-License-Identifier: MIT
/* ptirqctl release CLIENT|LINE, reload, check CONFIG: orders, whose answer is yes or no. */
#include "ctl/output.h"

#include <err.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int verb_release(struct ctl *ctl, int argc, char **argv)
{
	struct ptirq_line_info info;
	uint64_t client = 0;
	struct output *output;
	int r;

	if (!arguments_between(ctl, argc, argv, 1, 1))
		return EXIT_USAGE;
	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	/* A number is a client's, unless somebody named a line so. */
	if (parse_number(argv[1], UINT64_MAX, &client) &&
	    ptirq_line_info(ctl->ptirq, argv[1], &info) == -ENOENT)
		r = ptirq_release_client(ctl->ptirq, client);
	else
		r = ptirq_release_line(ctl->ptirq, argv[1]);
	if (r < 0)
		return refused(ctl, r);
	output = output_open(ctl);
	output_field(output, &(struct column){"released", "released", CELL_TEXT}, argv[1]);
	output_close(output);
	return EXIT_FINE;
}

int verb_reload(struct ctl *ctl, int argc, char **argv)
{
	struct output *output;
	int r;

	if (!arguments_between(ctl, argc, argv, 0, 0))
		return EXIT_USAGE;
	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	r = ptirq_reload(ctl->ptirq);
	if (r < 0)
		return refused(ctl, r);
	output = output_open(ctl);
	output_field(output, &(struct column){"reloaded", "reloaded", CELL_BOOL}, true);
	output_close(output);
	return EXIT_FINE;
}

/* ---- check ---- */

/* The broker of this build or installation, before whatever is in PATH. */
static void exec_broker(char *const argv[])
{
	static const char *const places[] = {"", "/../sbin", "/../libexec", "/../broker"};
	char self[PATH_MAX], path[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = 0;
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			char copy[PATH_MAX];

			strcpy(copy, self);
			snprintf(path, sizeof(path), "%s%s/ptirq-broker", dirname(copy), places[i]);
			execv(path, argv);
		}
	}
	execvp("ptirq-broker", argv);
	dprintf(STDERR_FILENO, "cannot start ptirq-broker, which knows the configuration: %s\n",
		strerror(errno));
	_exit(127);
}

/* What the broker says, without the newlines at its end. */
static int ask_broker(const char *file, char *said, size_t size)
{
	char name[] = "ptirq-broker", option[] = "--check-config";
	char *argv[] = {name, option, (char *)file, NULL};
	int out[2], status;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(out) < 0 || (pid = fork()) < 0)
		err(EXIT_NO, "check");
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		exec_broker(argv);
	}
	close(out[1]);
	while (used < size - 1 && (n = read(out[0], said + used, size - 1 - used)) > 0)
		used += (size_t)n;
	close(out[0]);
	while (used > 0 && said[used - 1] == '\n')
		used--;
	said[used] = 0;
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		err(EXIT_NO, "check");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 127;
}

int verb_check(struct ctl *ctl, int argc, char **argv)
{
	struct output *output;
	char said[4096];
	bool fine;

	if (!arguments_between(ctl, argc, argv, 1, 1))
		return EXIT_USAGE;
	fine = ask_broker(argv[1], said, sizeof(said)) == 0;
	if (!ctl->json && !fine) {
		fprintf(stderr, "ptirqctl: %s\n", said);
		return EXIT_NO;
	}
	output = output_open(ctl);
	output_field(output, &(struct column){"file", "file", CELL_TEXT}, argv[1]);
	output_field(output, &(struct column){"fine", "fine", CELL_BOOL}, (int)fine);
	output_field(output, &(struct column){"message", "message", CELL_TEXT}, said);
	output_close(output);
	return fine ? EXIT_FINE : EXIT_NO;
}
