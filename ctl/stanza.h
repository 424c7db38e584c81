/* SPDX-License-Identifier: MIT */
/* What of a machine could be brokered, and the configuration for it. */
#ifndef PTIRQ_CTL_STANZA_H
#define PTIRQ_CTL_STANZA_H

#include "ctl/hw.h"

enum brokerable {
	BROKERABLE_NO,
	BROKERABLE_READY, /* its driver is one that a source takes */
	BROKERABLE_BIND,  /* it is free to be bound */
};

/* @ret_why: for NO what is in the way, in some words that follow its name; else "". */
enum brokerable brokerable(const struct hw_device *device, const char **ret_why);

/* ptirq.conf(5), the caller's to free; "": nothing could. */
char *stanza(const struct hw *hw);

#endif
