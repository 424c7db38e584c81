/* SPDX-License-Identifier: MIT */
/* What the files of the configuration's reader share. Nobody else includes this. */
#ifndef PTIRQ_CONFIG_PARSE_H
#define PTIRQ_CONFIG_PARSE_H

#include "broker/config.h"

#define CONFIG_MAGIC      0x31636670 /* "pfc1"; the size of struct config is checked too */
#define CONFIG_WHOLE_LINE LIMIT_DEVICES_PER_LINE

/* Options of a device, given on its device= line or, for all of them, as a key of the line. */
enum config_flag {
	CONFIG_FLAG_GRANT,
	CONFIG_FLAG_UNSAFE_DMA,
	CONFIG_FLAG_STATUS,
	CONFIG_FLAG_MASK,
	CONFIG_N_FLAGS,
};

/* A section while it is being read. */
struct config_section {
	const char *path; /* of its file */
	int at;           /* the number of its heading's line */
	bool source_given;
	int helper_at; /* where a key was given that only the kernel helper has; 0: none was */
	int device_at[LIMIT_DEVICES_PER_LINE];              /* where it was given */
	int given_at[32];                                   /* by index of the key */
	int8_t flag[CONFIG_WHOLE_LINE + 1][CONFIG_N_FLAGS]; /* 0 not said, 1 yes, -1 no */
	int flag_at[CONFIG_WHOLE_LINE + 1][CONFIG_N_FLAGS]; /* where it was said */
};

void config_line_default(struct line_config *ret, const char *name);

/* The section has been read: is it whole? Fills in what depends on several keys. -EINVAL: @problem
 * belongs to line *@ret_at of the file. @config: the lines before it, no two may have one device. */
int config_line_finish(const struct config *config, struct config_section *section,
		       struct line_config *line, int *ret_at, char problem[LIMIT_TEXT]);

/*
 * One KEY = VALUE, in line @at of its file. @line NULL: of [broker]. @value is cut up.
 * -EINVAL: @problem.
 */
int config_key(struct config *config, struct line_config *line, struct config_section *section,
	       int at, const char *key, char *value, char problem[LIMIT_TEXT]);

/* Letters, digits and ._:@- only, and it fits LIMIT_NAME. */
bool config_name_is_good(const char *name);

/* config_load() with its two directories by name: "" for @fallback means none. */
int config_load_from(const char *path, const char *fallback, struct config *ret,
		     char problem[LIMIT_TEXT]);

#endif
