// SPDX-License-Identifier: MIT
/* Which bytes may stand in a string of the protocol. Must not know what the string is for. */
#include "proto/text.h"

#include <stdint.h>

/*
 * The length of the character at @s, or 0: not UTF-8 (Unicode 15, table 3-7), or a control character,
 * which has no place in a name or a sentence and would get as far as somebody's terminal.
 */
static size_t character(const uint8_t *s, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return s[0] >= ' ' && s[0] != 0x7f;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
		if (s[0] == 0xc2)
			low = 0xa0;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		if (s[0] == 0xe0)
			low = 0xa0;
		if (s[0] == 0xed)
			high = 0x9f;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		if (s[0] == 0xf0)
			low = 0x90;
		if (s[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	if (n > left || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

size_t text_good_prefix(const char *s, size_t size)
{
	size_t i = 0, n;

	while (i < size && (n = character((const uint8_t *)s + i, size - i)) > 0)
		i += n;
	return i;
}
