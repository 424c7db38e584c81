/* SPDX-License-Identifier: MIT */
/*
 * Fixed capacities. Everything the broker allocates for somebody else's sake is bounded by a number
 * on this page; docs/protocol.md lists the ones a client can run into.
 */
#ifndef PTIRQ_LIMITS_H
#define PTIRQ_LIMITS_H

/* One wire message, in bytes; checked before it is decoded (T9). */
#define LIMIT_MESSAGE 4096
/* What one message may unpack to, in bytes: 4 KiB can name 245 kB of empty submessages (T10). */
#define LIMIT_DECODE_ARENA 65536
/* File descriptors attached to one message from the broker. */
#define LIMIT_MESSAGE_FDS 4
/* Bytes queued towards a client that does not read, before it is evicted (T5). */
#define LIMIT_OUTPUT 65536
/* Names of lines, devices and clients, in bytes, with the terminating 0. */
#define LIMIT_NAME 64
/* An error message to a person, in bytes, with the terminating 0. */
#define LIMIT_TEXT 512
/* A path in the configuration, in bytes, with the terminating 0 (libinih's line is 200). */
#define LIMIT_PATH             200

#define LIMIT_LINES            1024
#define LIMIT_DEVICES_PER_LINE 16
/* A unit is the smallest thing that can be masked by itself: never more than there are devices. */
#define LIMIT_UNITS_PER_LINE LIMIT_DEVICES_PER_LINE
/* One bit of a 64-bit set each; docs/arbitration.md, "sets". */
#define LIMIT_SUBS_PER_LINE 64

#define LIMIT_CLIENTS       256
/* Connections of one uid (T6), and how many of LIMIT_CLIENTS only root may use (T8). */
#define LIMIT_CLIENTS_PER_UID  64
#define LIMIT_CLIENTS_RESERVED 8
/* Slots of a client's page: one for each unit of each of its subscriptions. */
#define LIMIT_SLOTS 1024
/* Subscriptions of one client. */
#define LIMIT_SUBS_PER_CLIENT 1024

#endif
