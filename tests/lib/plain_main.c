/* SPDX-License-Identifier: MIT */
/*
 * Runs the tests of a Criterion program without Criterion: NAME.plain has the objects of NAME, this
 * main() and none of the library. ThreadSanitizer aborts under Criterion, and valgrind would start
 * anew for each test, as Criterion executes the program again; here a test is a fork.
 *
 * Owns the order of fixtures, the verdict on how each process ended, and the few functions that
 * Criterion's macros call. Not here: parameterized tests, theories, new/assert.h.
 */
#include <criterion/criterion.h>
#include <criterion/options.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_SECONDS 120

extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak));
extern struct criterion_suite *__stop_cr_sts[] __attribute__((weak));

/* Of the child that runs one test. */
static const struct criterion_test *test;
static const struct criterion_test_extra_data *suite;
static bool failed;

static const struct criterion_test_extra_data *suite_of(const struct criterion_test *t)
{
	static const struct criterion_test_extra_data none;

	for (struct criterion_suite **s = __start_cr_sts; s != __stop_cr_sts; s++)
		if (*s && strcmp((*s)->name, t->category) == 0 && (*s)->data)
			return (*s)->data;
	return &none;
}

/* exit() and not _exit(): leak checkers look when a process ends. */
static _Noreturn void run_test(void)
{
	alarm(TEST_SECONDS);
	test->test();
	exit(failed);
}

static bool as_expected(int status)
{
	const struct criterion_test_extra_data *t = test->data;
	int signal = t->signal ? t->signal : suite->signal;
	int code = t->exit_code ? t->exit_code : suite->exit_code;

	if (signal)
		return WIFSIGNALED(status) && WTERMSIG(status) == signal;
	return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

int main(void)
{
	unsigned int bad = 0, n = 0;

	for (struct criterion_test **t = __start_cr_tst; t != __stop_cr_tst; t++) {
		pid_t pid;
		int status;

		if (!*t || (*t)->data->disabled)
			continue;
		test = *t;
		suite = suite_of(test);
		fflush(NULL);
		pid = fork();
		if (pid == 0)
			run_test();
		if (pid < 0 || waitpid(pid, &status, 0) < 0) {
			perror(test->name);
			return 1;
		}
		n++;
		if (!as_expected(status)) {
			printf("FAIL %s::%s: status %#x\n", test->category, test->name,
			       (unsigned)status);
			bad++;
		}
	}
	printf("%u tests, %u failed\n", n, bad);
	return bad > 0 || n == 0;
}

/* ---- what Criterion's macros call --------------------------------------------------------------- */

struct criterion_options criterion_options;

void criterion_internal_test_setup(void)
{
	if (suite->init)
		suite->init();
	if (test->data->init)
		test->data->init();
}

void criterion_internal_test_main(void (*fn)(void))
{
	fn();
}

void criterion_internal_test_teardown(void)
{
	if (test->data->fini)
		test->data->fini();
	if (suite->fini)
		suite->fini();
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
	if (stats->passed)
		return;
	fprintf(stderr, "%s:%u: %s\n", stats->file, stats->line,
		stats->message ? stats->message : "?");
	failed = true;
}

void criterion_abort_test(void)
{
	exit(1);
}

void criterion_continue_test(void)
{
}

__attribute__((format(printf, 1, 2))) void criterion_skip_test(const char *format, ...)
{
	va_list args;

	printf("[SKIP] %s::%s: ", test->category, test->name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(0);
}

void cri_asserts_passed_incr(void)
{
}

char *cr_translate_assert_msg(int msg_index, ...)
{
	(void)msg_index;
	return strdup("assertion failed");
}

int cr_asprintf(char **strp, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(strp, fmt, args);
	va_end(args);
	return n;
}

void cr_asprintf_free(char *buf)
{
	free(buf);
}
