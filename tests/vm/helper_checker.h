/* SPDX-License-Identifier: MIT */
/*
 * What the checkers of the kernel helper's interface have in common: three quiet edu devices of one
 * line, held, and a line "pass|fail NAME DETAIL" per promise on stdout. The detail of a failure is
 * the first thing that was not as expected.
 */
#ifndef PTIRQ_TESTS_VM_HELPER_CHECKER_H
#define PTIRQ_TESTS_VM_HELPER_CHECKER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/vm/edu.h"
#include "tests/vm/helper.h"

enum { DEVICES = 3 };

struct checker {
	const char *path;
	int line;
	const struct ptirq_uio_page *page;
	const char *address[DEVICES];
	uint32_t nr[DEVICES];
	struct edu edu[DEVICES];
	int config[DEVICES];
	int trigger[DEVICES]; /* the devices' own */
	int line_trigger;
};

extern struct checker c;
extern char wrong[256];

#define EXPECT(condition)                                                                          \
	do {                                                                                       \
		if (!(condition) && !wrong[0])                                                     \
			snprintf(wrong, sizeof(wrong), "%s, line %d: %s", __FILE_NAME__, __LINE__, \
				 #condition);                                                      \
	} while (0)

/* LINE ADDRESS ADDRESS ADDRESS; ends the program if there is no such line to hold. */
void checker_start(int argc, char **argv);

/* Holds the line, with all triggers; checker_let_go() closes it. */
void checker_hold(void);
void checker_let_go(void);

void report(const char *name, const char *detail);

/* The status page's entry of device i. */
struct ptirq_uio_page_device entry(unsigned int i);

/* A new eventfd, non-blocking. */
int event(void);

/* How often the eventfd was signalled since the last call; waits until it is as expected, not 0. */
uint64_t signals(int fd, uint64_t expected);

void signal_event(int fd);

/* Whether DisINTx of device i is set. */
bool masked(unsigned int i);

/* Everything served, unmasked and read. */
void quiet(void);

#endif
