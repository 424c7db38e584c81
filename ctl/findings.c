// SPDX-License-Identifier: MIT
/* A list that grows. */
#include "ctl/findings.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

/* The same is found again where devices share a wire. */
static bool is_new(const struct findings *findings, const struct finding *finding)
{
	for (size_t i = 0; i < findings->n; i++)
		if (strcmp(findings->list[i].subject, finding->subject) == 0 &&
		    strcmp(findings->list[i].text, finding->text) == 0)
			return false;
	return true;
}

__attribute__((format(printf, 5, 0))) static void add(struct findings *findings, bool problem,
						      const char *code, const char *subject,
						      const char *format, va_list args)
{
	struct finding finding = {.problem = problem, .code = code}, *more;

	snprintf(finding.subject, sizeof(finding.subject), "%s", subject);
	vsnprintf(finding.text, sizeof(finding.text), format, args);
	if (!is_new(findings, &finding))
		return;
	more = realloc(findings->list, (findings->n + 1) * sizeof(*more));
	if (!more)
		err(EXIT_NO, "out of memory");
	findings->list = more;
	more[findings->n++] = finding;
	findings->n_problems += problem;
}

void found_problem(struct findings *findings, const char *code, const char *subject,
		   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(findings, true, code, subject, format, args);
	va_end(args);
}

void found_note(struct findings *findings, const char *code, const char *subject,
		const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(findings, false, code, subject, format, args);
	va_end(args);
}

void findings_free(struct findings *findings)
{
	free(findings->list);
	*findings = (struct findings){0};
}
