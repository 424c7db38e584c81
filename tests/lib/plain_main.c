/* SPDX-License-Identifier: MIT */
/*
 * Runs the tests of a Criterion program without Criterion: NAME.plain has the objects of NAME, this
 * main() and none of the library. ThreadSanitizer aborts under Criterion, and valgrind would start
 * anew for each test, as Criterion executes the program again; here a test is a fork.
 *
 * Owns the order of fixtures, the verdict on how each process ended, and the few functions that
 * Criterion's macros call. Not here: theories and new/assert.h.
 */
#include <criterion/criterion.h>
#include <criterion/options.h>
#include <criterion/parameterized.h>
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
static void *param;
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

/* In a process of its own. Returns whether it ended as it should. */
static bool run(void)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run_test();
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror(test->name);
		return false;
	}
	if (as_expected(status))
		return true;
	printf("FAIL %s::%s: status %#x\n", test->category, test->name, (unsigned int)status);
	return false;
}

static unsigned int run_with_each_param(unsigned int *n)
{
	struct criterion_test_params params = test->data->param_();
	unsigned int bad = 0;

	for (size_t i = 0; i < params.length; i++, (*n)++) {
		param = (char *)params.params + i * params.size;
		bad += !run();
	}
	if (params.cleanup)
		params.cleanup(&params);
	return bad;
}

int main(void)
{
	unsigned int bad = 0, n = 0;

	for (struct criterion_test **t = __start_cr_tst; t != __stop_cr_tst; t++) {
		if (!*t || (*t)->data->disabled)
			continue;
		test = *t;
		suite = suite_of(test);
		if (test->data->kind_ == CR_TEST_PARAMETERIZED) {
			bad += run_with_each_param(&n);
		} else {
			bad += !run();
			n++;
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
	if (test->data->kind_ == CR_TEST_PARAMETERIZED)
		((void (*)(void *))fn)(param);
	else
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

void *cr_malloc(size_t size)
{
	return malloc(size);
}

void *cr_calloc(size_t nmemb, size_t size)
{
	return calloc(nmemb, size);
}

void *cr_realloc(void *ptr, size_t size)
{
	return realloc(ptr, size);
}

void cr_free(void *ptr)
{
	free(ptr);
}
