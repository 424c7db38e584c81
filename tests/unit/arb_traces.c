/* SPDX-License-Identifier: MIT */
/*
 * Golden traces of the arbitration core: each tests/unit/traces/NAME.trace is a scenario, its events
 * (lines that begin with "> ") and what came of them. The events are replayed and the text is written
 * anew; both must be the same, byte by byte. After an intended change of the rules
 *
 *	PTIRQ_TRACE_WRITE=1 build/dev/tests/unit/arb_traces
 *
 * writes the files, and the difference is for a person to read.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fd_check.h"
#include "tests/unit/arb_script.h"

#define TEXT_MAX      131072
#define PATH_LEN      512
#define SCENARIOS_MIN 20

TestSuite(traces, .init = fd_check_begin, .fini = fd_check_end);

static struct script script;
static char golden[TEXT_MAX], replayed[TEXT_MAX];

static size_t read_trace(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n;

	cr_assert_not_null(f, "%s", path);
	n = fread(golden, 1, sizeof(golden) - 1, f);
	golden[n] = 0;
	fclose(f);
	cr_assert_lt(n, sizeof(golden) - 1, "%s is too long", path);
	return n;
}

static void write_actions(FILE *to)
{
	char text[256];

	for (unsigned int i = 0; i < script.actions.n; i++) {
		arb_action_format(&script.actions.a[i], text, sizeof(text));
		fprintf(to, "  %s\n", text);
	}
}

static void replay(FILE *to)
{
	enum arb_state state[ARB_MAX_UNITS];
	char *rest = golden;

	script_init(&script);
	memset(state, 0, sizeof(state));
	while (*rest) {
		const char *line = strsep(&rest, "\n");

		/* What came of an event is written, not copied. */
		if (line[0] == ' ')
			continue;
		fprintf(to, "%s\n", line);
		if (line[0] == '#' || !line[0])
			continue;
		if (line[0] != '>') {
			cr_assert(script_configure(&script, line), "not understood: %s", line);
			continue;
		}
		int error = script_event(&script, line + 2);
		if (error)
			fprintf(to, "  refused: %s\n", arb_error_name(error));
		write_actions(to);
		for (uint8_t i = 0; i < script.config.n_units; i++) {
			if (state[i] == arb_unit_state(&script.arb, i))
				continue;
			state[i] = arb_unit_state(&script.arb, i);
			fprintf(to, "  = unit %u is %s\n", i, arb_state_name(state[i]));
		}
	}
}

/* The number of the first line that differs. */
static unsigned int first_difference(const char *a, const char *b)
{
	unsigned int line = 1;

	for (; *a == *b && *a; a++, b++)
		line += *a == '\n';
	return line;
}

static bool same_as_golden(const char *path)
{
	static char was[TEXT_MAX];
	size_t n = read_trace(path);
	FILE *to = fmemopen(replayed, sizeof(replayed), "w");
	bool same;

	memcpy(was, golden, n + 1);
	replay(to);
	fclose(to);
	same = strcmp(was, replayed) == 0;
	if (!same && getenv("PTIRQ_TRACE_WRITE")) {
		FILE *f = fopen(path, "w");

		cr_assert_not_null(f, "%s", path);
		fputs(replayed, f);
		fclose(f);
		return true;
	}
	if (!same)
		fprintf(stderr, "%s:%u: not what happened; replayed:\n%s\n", path,
			first_difference(was, replayed), replayed);
	return same;
}

Test(traces, replay)
{
	const char *source = getenv("PTIRQ_SOURCE");
	char pattern[PATH_LEN];
	unsigned int wrong = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/tests/unit/traces/*.trace", source ? source : ".");
	cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "no traces: is PTIRQ_SOURCE set?");
	cr_assert_geq(found.gl_pathc, (size_t)SCENARIOS_MIN);
	for (size_t i = 0; i < found.gl_pathc; i++)
		wrong += !same_as_golden(found.gl_pathv[i]);
	globfree(&found);
	cr_assert_eq(wrong, 0u, "%u traces differ", wrong);
}
