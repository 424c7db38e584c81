/* SPDX-License-Identifier: MIT */
/* Doctor's knowledge, of the machine and of the broker's lines. */
#ifndef PTIRQ_CTL_DIAGNOSE_H
#define PTIRQ_CTL_DIAGNOSE_H

#include "ctl/ctl.h"
#include "ctl/findings.h"
#include "ctl/hw.h"

/* Why @device cannot be brokered, or what is wrong although it can. */
void diagnose_device(const struct hw *hw, const struct hw_device *device, struct findings *ret);
/* What no binding could change: false, after the problem. */
bool diagnose_pci(const struct hw_device *device, struct findings *ret);
/* What is wrong with the wire. */
void diagnose_irq(const struct hw *hw, const struct hw_irq *irq, struct findings *ret);
/* Of a line of the broker that ctl->ptirq is connected to: 0, or -errno as the library gives it. */
int diagnose_line(struct ctl *ctl, const struct ptirq_line_info *info, struct findings *ret);

/* Is the kernel locked down (kernel_lockdown(7)), so that config space may not be written? */
bool locked_down(void);
/* The module is loaded, or built in. */
bool helper_loaded(void);

#endif
