/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mode cpa: of a line that is one unit, the interrupt controller's polarity is inverted at each
 * interrupt, so that the next one is the end of what this one began.
 */
#ifndef PTIRQ_CPA_H
#define PTIRQ_CPA_H

#include <linux/types.h>

#include "ptirq_uio_abi.h"

struct ptirq_line;

enum ptirq_cpa_phase {
	PTIRQ_CPA_OFF,
	PTIRQ_CPA_PROVING, /* the handler masks and notes it, nobody is told */
	PTIRQ_CPA_ON,
};

/* Of a line, under line->lock. */
struct ptirq_cpa {
	enum ptirq_cpa_phase phase;
	bool inverted; /* ON: it waits for the end */
	bool fired;    /* PROVING */
	bool refused;  /* the controller cannot: not tried again */
	unsigned int burst;
	u64 burst_began;
};

/* As far as can be told without trying. */
bool ptirq_cpa_is_possible(struct ptirq_line *line);

/* What is known of the wire by this mode: UNKNOWN unless it is on. */
enum ptirq_uio_status ptirq_cpa_status(struct ptirq_line *line);

/* These two need line->mutex, and wait. */
int ptirq_cpa_start(struct ptirq_line *line);
void ptirq_cpa_stop(struct ptirq_line *line);

/* Called by the handler, unless OFF; needs line->lock. The units that are to be signalled. */
u32 ptirq_cpa_fired(struct ptirq_line *line, u64 now);

#endif
