/* SPDX-License-Identifier: MIT */
/* The part of hw.h that only its own files use. */
#ifndef PTIRQ_CTL_HW_IRQ_H
#define PTIRQ_CTL_HW_IRQ_H

#include "ctl/hw.h"

#define HELPER_LINK "ptirq_line" /* in the directory of a device of the helper's */

/* The interrupts, when the devices are there; tells platform devices which is theirs. */
void hw_load_irqs(struct hw *hw);

#endif
