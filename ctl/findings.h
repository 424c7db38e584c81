/* SPDX-License-Identifier: MIT */
/* What doctor has found: sentences, each with its cause and what to do. */
#ifndef PTIRQ_CTL_FINDINGS_H
#define PTIRQ_CTL_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

struct finding {
	bool problem;     /* false: it is good to know, and no fault */
	const char *code; /* "no-driver": for programs; a literal */
	char subject[64]; /* a device's address, a line, "interrupt 22", "broker" */
	char text[1024];
};

struct findings {
	struct finding *list;
	size_t n;
	size_t n_problems;
};

__attribute__((format(printf, 4, 5))) void found_problem(struct findings *findings,
							 const char *code, const char *subject,
							 const char *format, ...);
__attribute__((format(printf, 4, 5))) void found_note(struct findings *findings, const char *code,
						      const char *subject, const char *format, ...);
void findings_free(struct findings *findings);

#endif
