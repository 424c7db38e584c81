/* SPDX-License-Identifier: MIT */
/*
 * One document, for people or for programs: fields, then tables. As JSON one object, the fields its
 * members and each table an array of objects; for people `title: value` lines and tables.
 *
 *	static const struct column columns[] = {
 *		{ "name", "LINE", CELL_TEXT }, { "max_masked_ns", "MASKED", CELL_NS }, { 0 },
 *	};
 *	output_open(ctl, &output);
 *	output_table(output, "lines", columns);
 *	output_row(output, info.name, stats.max_masked_ns);
 *	output_close(output);
 */
#ifndef PTIRQ_CTL_OUTPUT_H
#define PTIRQ_CTL_OUTPUT_H

#include "ctl/ctl.h"

enum cell {
	CELL_TEXT,   /* const char * */
	CELL_NUMBER, /* uint64_t */
	CELL_ID,     /* uint64_t; UINT32_MAX: not for us to know */
	CELL_NS,     /* uint64_t; for people with a unit that suits it */
	CELL_BOOL,   /* int; for people yes and no */
	CELL_TEXTS,  /* const char *: words between spaces; as JSON an array of strings */
	CELL_LIST,   /* the same, with commas between them */
};

struct column {
	const char *key;   /* in JSON; "": not there; NULL ends the list */
	const char *title; /* NULL: not for people */
	enum cell cell;
};

struct output;

/* Never fails: out of memory ends the program. */
struct output *output_open(const struct ctl *ctl);
/* Prints what has not been printed, and frees. */
void output_close(struct output *output);

/* One value, of the column's kind. */
void output_field(struct output *output, const struct column *column, ...);
/* @columns must live as long as the table. */
void output_table(struct output *output, const char *key, const struct column *columns);
/* The values in the order of the columns. */
void output_row(struct output *output, ...);
/* Some lines as they are, after an empty line. */
void output_text(struct output *output, const char *key, const char *text);

#endif
