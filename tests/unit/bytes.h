/* SPDX-License-Identifier: MIT */
#ifndef PTIRQ_TESTS_BYTES_H
#define PTIRQ_TESTS_BYTES_H

/* Protobuf's encoding by hand: what another implementation, or an attacker, would send. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	size_t n;
	uint8_t b[65536];
};

static inline void put(struct bytes *to, const void *data, size_t size)
{
	assert(size <= sizeof(to->b) - to->n);
	memcpy(to->b + to->n, data, size);
	to->n += size;
}

static inline void put_varint(struct bytes *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put(to, &(uint8_t){(uint8_t)(value | 0x80)}, 1);
	put(to, &(uint8_t){(uint8_t)value}, 1);
}

/* Wire types: 0 varint, 1 64 bits, 2 length and bytes, 3 and 4 a group, 5 32 bits. */
static inline void put_tag(struct bytes *to, uint32_t field, uint32_t type)
{
	put_varint(to, (uint64_t)field << 3 | type);
}

static inline void put_number(struct bytes *to, uint32_t field, uint64_t value)
{
	put_tag(to, field, 0);
	put_varint(to, value);
}

static inline void put_data(struct bytes *to, uint32_t field, const void *data, size_t size)
{
	put_tag(to, field, 2);
	put_varint(to, size);
	put(to, data, size);
}

static inline void put_string(struct bytes *to, uint32_t field, const char *string)
{
	put_data(to, field, string, strlen(string));
}

static inline void put_message(struct bytes *to, uint32_t field, const struct bytes *message)
{
	put_data(to, field, message->b, message->n);
}

#endif
