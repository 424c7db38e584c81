/* SPDX-License-Identifier: MIT */
/*
 * What the broker tells people: to the journal with structured fields if stderr is the journal, else
 * plain lines on stderr. Never blocks; what cannot be written is dropped and counted.
 */
#ifndef PTIRQ_LOG_H
#define PTIRQ_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* PTIRQ_DEBUG=wire,arb,source */
enum log_topic { LOG_WIRE = 1 << 0, LOG_ARB = 1 << 1, LOG_SOURCE = 1 << 2 };
extern unsigned int log_topics;

/* PTIRQ_LINE=, PTIRQ_CLIENT= of the journal. */
struct log_about {
	const char *line; /* NULL: none */
	uint64_t client;  /* 0: none */
};

/* Reads PTIRQ_DEBUG, looks whether stderr is the journal. */
void log_init(void);
void log_deinit(void);

void log_write(int priority, const struct log_about *about, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* @about may be NULL. */
#define log_error(about, ...) log_write(3, about, __VA_ARGS__)
#define log_warn(about, ...)  log_write(4, about, __VA_ARGS__)
#define log_info(about, ...)  log_write(6, about, __VA_ARGS__)
#define log_debug(topic, ...)                                  \
	do {                                                   \
		if (__builtin_expect(log_topics & (topic), 0)) \
			log_write(7, NULL, __VA_ARGS__);       \
	} while (0)

#endif
