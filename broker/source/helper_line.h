/* SPDX-License-Identifier: MIT */
/*
 * The kernel helper's line, /dev/ptirq/lineN: one function for each of its requests, and its status
 * page. Each is one system call, which does not wait unless said, and gives 0 or -errno; reading the page is none.
 *
 * @device is a device's number or PTIRQ_UIO_LINE, as in ptirq_uio_abi.h, which says what each does.
 */
#ifndef PTIRQ_HELPER_LINE_H
#define PTIRQ_HELPER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kmod-uio-ext/ptirq_uio_abi.h"

int helper_line_info(int fd, uint32_t device, struct ptirq_uio_info *ret_info);
int helper_line_ack(int fd, uint32_t device, uint64_t generation, bool keep_masked);
int helper_line_mask(int fd, uint32_t device);
int helper_line_unmask(int fd, uint32_t device);
int helper_line_sample(int fd, struct ptirq_uio_sample *ret_sample);
/* Of the line. CPA may take tens of milliseconds: it is tried whether the interrupt controller can. */
int helper_line_set_mode(int fd, uint32_t mode, bool stop_dma);
/* @eventfd -1: none any more. */
int helper_line_set_trigger(int fd, uint32_t device, int eventfd);
int helper_line_set_resample(int fd, uint32_t device, int eventfd);
int helper_line_set_notify(int fd, uint32_t device, const int *eventfds, size_t n);

/* Maps the page. -EPROTO: it is not one that we can read. */
int helper_line_map(int fd, const struct ptirq_uio_page **ret_page);
void helper_line_unmap(const struct ptirq_uio_page *page);

/* A consistent copy of a device's entry, or of the line's own. False: it is being written just now. */
bool helper_line_entry(const struct ptirq_uio_page *page, uint32_t device,
		       struct ptirq_uio_page_device *ret_entry);

#endif
