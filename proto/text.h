/* SPDX-License-Identifier: MIT */
#ifndef PTIRQ_TEXT_H
#define PTIRQ_TEXT_H

#include <stddef.h>

/* The offset of the first byte of @s that is no UTF-8 or belongs to a control character; else @size. */
size_t text_good_prefix(const char *s, size_t size);

#endif
