/* SPDX-License-Identifier: MIT */
/*
 * Interrupt and Ack, the two messages of an interrupt without pages, past the generated code: encoded to
 * the same bytes, and decoded if they are in the form that encoders give them. wire.c only.
 */
#ifndef PTIRQ_WIRE_HOT_H
#define PTIRQ_WIRE_HOT_H

#include "proto/wire.h"

/* A FromBroker with an event, and a Request without an id. The length; they always fit. */
int wire_hot_interrupt_encode(const struct wire_interrupt *interrupt, uint8_t buf[LIMIT_MESSAGE]);
int wire_hot_ack_encode(const struct wire_ack *ack, uint8_t buf[LIMIT_MESSAGE]);

/* False: another message, another form, or none at all; the generated code can tell. @ret is then untouched. */
bool wire_hot_interrupt_decode(const uint8_t *data, size_t size, struct wire_interrupt *ret);
bool wire_hot_ack_decode(const uint8_t *data, size_t size, struct wire_ack *ret);

#endif
