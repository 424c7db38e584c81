// SPDX-License-Identifier: MIT
/*
 * Documents as text or as JSON. Owns the json-c and the libsmartcols objects; must not know what a
 * line is.
 */
#include "ctl/output.h"

#include <err.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct output {
	bool json;
	struct json_object *root;
	struct json_object *array; /* of the table */
	struct libscols_table *table;
	const struct column *columns;
	bool printed; /* fields have been: a table begins after an empty line */
};

static void *sure(void *pointer)
{
	if (!pointer)
		err(EXIT_NO, "out of memory");
	return pointer;
}

struct output *output_open(const struct ctl *ctl)
{
	struct output *output = sure(calloc(1, sizeof(*output)));
	char schema[64];

	output->json = ctl->json;
	if (!output->json)
		return output;
	output->root = sure(json_object_new_object());
	snprintf(schema, sizeof(schema), "ptirq.%s.v1", ctl->verb);
	json_object_object_add(output->root, "schema", sure(json_object_new_string(schema)));
	return output;
}

static void table_end(struct output *output)
{
	if (!output->table)
		return;
	/* An empty one would be printed as an empty line. */
	if (scols_table_get_nlines(output->table)) {
		if (output->printed)
			putchar('\n');
		scols_print_table(output->table);
		output->printed = true;
	}
	scols_unref_table(output->table);
	output->table = NULL;
}

void output_close(struct output *output)
{
	table_end(output);
	if (output->json) {
		puts(json_object_to_json_string_ext(output->root,
						    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(output->root);
	}
	/* One document a time, also for who reads from a pipe. */
	fflush(stdout);
	free(output);
}

static void ns_text(uint64_t ns, char *buf, size_t size)
{
	static const struct {
		uint64_t ns;
		const char *unit;
	} units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (ns >= units[i].ns) {
			snprintf(buf, size, "%.3g %s", (double)ns / (double)units[i].ns,
				 units[i].unit);
			/* %.3g turns 999.9 into 1e+03. */
			if (strchr(buf, 'e'))
				snprintf(buf, size, "%.0f %s", (double)ns / (double)units[i].ns,
					 units[i].unit);
			return;
		}
	snprintf(buf, size, ns ? "%" PRIu64 " ns" : "-", ns);
}

static struct json_object *texts(const char *words, const char *between)
{
	struct json_object *array = sure(json_object_new_array());
	size_t n;

	for (; *words; words += n) {
		words += strspn(words, between);
		n = strcspn(words, between);
		if (n)
			json_object_array_add(array,
					      sure(json_object_new_string_len(words, (int)n)));
	}
	return array;
}

/* Takes one value: as JSON the object, else its text in @buf or the text itself. */
static struct json_object *to_json(enum cell cell, va_list *args)
{
	uint64_t id;

	switch (cell) {
	case CELL_TEXT: return sure(json_object_new_string(va_arg(*args, const char *)));
	case CELL_NUMBER:
	case CELL_NS: return sure(json_object_new_uint64(va_arg(*args, uint64_t)));
	case CELL_ID:
		id = va_arg(*args, uint64_t);
		return id == UINT32_MAX ? NULL : sure(json_object_new_uint64(id));
	case CELL_BOOL: return sure(json_object_new_boolean(va_arg(*args, int)));
	case CELL_TEXTS: return texts(va_arg(*args, const char *), " ");
	case CELL_LIST: return texts(va_arg(*args, const char *), ",");
	}
	return NULL;
}

static const char *to_text(enum cell cell, va_list *args, char *buf, size_t size)
{
	uint64_t id;

	switch (cell) {
	case CELL_TEXT:
	case CELL_LIST:
	case CELL_TEXTS: return va_arg(*args, const char *);
	case CELL_ID:
		id = va_arg(*args, uint64_t);
		if (id == UINT32_MAX)
			return "-";
		snprintf(buf, size, "%" PRIu64, id);
		return buf;
	case CELL_NUMBER: snprintf(buf, size, "%" PRIu64, va_arg(*args, uint64_t)); return buf;
	case CELL_NS: ns_text(va_arg(*args, uint64_t), buf, size); return buf;
	case CELL_BOOL: return va_arg(*args, int) ? "yes" : "no";
	}
	return "";
}

void output_field(struct output *output, const struct column *column, ...)
{
	char buf[64];
	const char *text;
	va_list args;

	va_start(args, column);
	if (output->json) {
		json_object_object_add(output->root, column->key, to_json(column->cell, &args));
	} else if (column->title) {
		text = to_text(column->cell, &args, buf, sizeof(buf));
		if (*text)
			printf("%14s: %s\n", column->title, text);
		output->printed = true;
	}
	va_end(args);
}

void output_table(struct output *output, const char *key, const struct column *columns)
{
	table_end(output);
	output->columns = columns;
	if (output->json) {
		output->array = sure(json_object_new_array());
		json_object_object_add(output->root, key, output->array);
		return;
	}
	output->table = sure(scols_new_table());
	/* A pipe gets whole lines; a terminal as much as it shows. */
	scols_table_enable_maxout(output->table, 0);
	if (!isatty(STDOUT_FILENO))
		scols_table_set_termforce(output->table, SCOLS_TERMFORCE_NEVER);
	for (; columns->key; columns++)
		if (columns->title)
			sure(scols_table_new_column(output->table, columns->title, 0,
						    columns->cell == CELL_NUMBER ||
								    columns->cell == CELL_NS
							    ? SCOLS_FL_RIGHT
							    : 0));
}

void output_row(struct output *output, ...)
{
	struct json_object *object = NULL;
	struct libscols_line *line = NULL;
	char buf[64];
	va_list args;
	size_t n = 0;

	if (output->json) {
		object = sure(json_object_new_object());
		json_object_array_add(output->array, object);
	} else {
		line = sure(scols_table_new_line(output->table, NULL));
	}
	va_start(args, output);
	for (const struct column *c = output->columns; c->key; c++) {
		if (object) {
			struct json_object *value = to_json(c->cell, &args);

			if (*c->key)
				json_object_object_add(object, c->key, value);
			else
				json_object_put(value);
			continue;
		}
		const char *text = to_text(c->cell, &args, buf, sizeof(buf));

		if (c->title)
			scols_line_set_data(line, n++, text);
	}
	va_end(args);
}

void output_text(struct output *output, const char *key, const char *text)
{
	table_end(output);
	if (output->json) {
		json_object_object_add(output->root, key, sure(json_object_new_string(text)));
		return;
	}
	if (*text)
		printf("%s%s", output->printed ? "\n" : "", text);
	output->printed = output->printed || *text;
}
