/* SPDX-License-Identifier: MIT */
/*
 * Owns the files: which are read, in which order, and where in them we are. Must not know the keys.
 *
 * libinih cuts the lines up. It is fed line by line, so that the number of the line and its heading
 * are known, and so that a line longer than its buffer is refused instead of cut.
 */
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/config_parse.h"

/* The lines of a configuration that is read: kept apart from the caller's until all is well. */
struct reader {
	struct config *config;
	struct config_section section;
	struct line_config *line; /* of a [line NAME]; NULL in [broker] and before */
	bool in_section;
	FILE *file;
	const char *path;
	char *text; /* getline()'s */
	size_t size;
	int at;     /* number of the line that was read last */
	int bad_at; /* of the first mistake; 0: none */
	char problem[LIMIT_TEXT];
};

static void mistake(struct reader *reader, int at, const char *problem)
{
	if (reader->bad_at)
		return;
	reader->bad_at = at;
	snprintf(reader->problem, sizeof(reader->problem), "%s", problem);
}

static void section_end(struct reader *reader)
{
	char problem[LIMIT_TEXT];
	int at;

	if (!reader->line || reader->bad_at)
		return;
	if (config_line_finish(reader->config, &reader->section, reader->line, &at, problem) < 0)
		mistake(reader, at, problem);
	else
		reader->config->n_lines++;
	reader->line = NULL;
}

static void line_begin(struct reader *reader, const char *name)
{
	struct config *config = reader->config;
	char problem[LIMIT_TEXT];

	for (uint32_t i = 0; i < config->n_lines; i++)
		if (!strcmp(config->line[i].name, name)) {
			snprintf(problem, sizeof(problem), "line %s is in %s already", name,
				 config->line[i].origin);
			mistake(reader, reader->at, problem);
			return;
		}
	if (!config_name_is_good(name)) {
		snprintf(problem, sizeof(problem),
			 "\"%s\" is no name of a line: letters, digits and ._:@- only, at most %d",
			 name, LIMIT_NAME - 1);
		mistake(reader, reader->at, problem);
		return;
	}
	if (config->n_lines == LIMIT_LINES) {
		snprintf(problem, sizeof(problem), "line %s is one too many: %d are the limit",
			 name, LIMIT_LINES);
		mistake(reader, reader->at, problem);
		return;
	}
	reader->line = &config->line[config->n_lines];
	config_line_default(reader->line, name);
	snprintf(reader->line->origin, sizeof(reader->line->origin), "%.*s:%d", LIMIT_PATH - 16,
		 reader->path, reader->at);
}

/* @heading: what is between the brackets. */
static void section_begin(struct reader *reader, char *heading)
{
	char problem[LIMIT_TEXT];
	char *kind, *name, *more, *rest;

	section_end(reader);
	memset(&reader->section, 0, sizeof(reader->section));
	reader->section.path = reader->path;
	reader->section.at = reader->at;
	reader->in_section = true;
	kind = strtok_r(heading, " \t", &rest);
	name = strtok_r(NULL, " \t", &rest);
	if (kind && !strcmp(kind, "broker") && !name)
		return;
	if (kind && !strcmp(kind, "line") && name) {
		more = strtok_r(NULL, " \t", &rest);
		if (!more) {
			line_begin(reader, name);
			return;
		}
		snprintf(problem, sizeof(problem),
			 "[line %s %s]: a line's name has no blanks, as in [line %s-%s]", name,
			 more, name, more);
	} else {
		snprintf(problem, sizeof(problem),
			 "[%s%s%s] is no section: there are [broker] and [line NAME]",
			 kind ? kind : "", name ? " " : "", name ? name : "");
	}
	mistake(reader, reader->at, problem);
}

/* libinih's source of lines. NULL also ends it at the first mistake. */
static char *next_line(char *buffer, int size, void *stream)
{
	struct reader *reader = stream;
	char *start, *end;
	ssize_t length;

	if (reader->bad_at || (length = getline(&reader->text, &reader->size, reader->file)) < 0)
		return NULL;
	reader->at++;
	start = reader->text + strspn(reader->text, " \t");
	if (length >= size && (*start == '#' || *start == ';'))
		return strcpy(buffer, "\n");
	if (length >= size) {
		char problem[LIMIT_TEXT];

		snprintf(problem, sizeof(problem),
			 "the line is longer than %d bytes, which only a comment on a line of its "
			 "own may be",
			 size - 2);
		mistake(reader, reader->at, problem);
		return NULL;
	}
	if (memchr(reader->text, 0, (size_t)length)) {
		mistake(reader, reader->at, "a zero byte: this is not a text file");
		return NULL;
	}
	memcpy(buffer, reader->text, (size_t)length + 1);
	if (*start != '[')
		return buffer;
	end = strchr(start, ']');
	if (!end) {
		mistake(reader, reader->at, "a section's heading without its ]");
		return NULL;
	}
	*end = 0;
	section_begin(reader, start + 1);
	return buffer;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;
	char problem[LIMIT_TEXT], copy[LIMIT_PATH];

	(void)section; /* libinih cuts it at 50 bytes */
	if (reader->bad_at)
		return 1;
	if (!reader->in_section) {
		mistake(reader, reader->at, "a key before the first [broker] or [line NAME]");
		return 1;
	}
	snprintf(copy, sizeof(copy), "%s", value);
	if (config_key(reader->config, reader->line, &reader->section, reader->at, name, copy,
		       problem) < 0)
		mistake(reader, reader->at, problem);
	return 1;
}

static int read_file(struct config *config, const char *path, char problem[LIMIT_TEXT])
{
	struct reader reader = {.config = config, .path = path};
	struct stat status;
	int bad;

	reader.file = fopen(path, "re");
	if (!reader.file) {
		int error = -errno;

		snprintf(problem, LIMIT_TEXT, "%s: %s", path, strerror(-error));
		return error;
	}
	if (fstat(fileno(reader.file), &status) == 0 && S_ISDIR(status.st_mode)) {
		fclose(reader.file);
		snprintf(problem, LIMIT_TEXT,
			 "%s: a directory, not a file; of a directory only FILE.d/*.conf is read, "
			 "with FILE",
			 path);
		return -EISDIR;
	}
	/* An indented key is a key, not the rest of the one above it. */
	ini_allow_multiline = false;
	bad = ini_parse_stream(next_line, &reader, on_key, &reader);
	if (bad > 0)
		mistake(&reader, bad, "neither KEY = VALUE, nor [SECTION], nor a comment");
	else if (bad < 0)
		mistake(&reader, reader.at, "out of memory");
	section_end(&reader);
	if (!reader.bad_at && ferror(reader.file))
		mistake(&reader, reader.at + 1, "cannot be read");
	fclose(reader.file);
	free(reader.text);
	if (!reader.bad_at)
		return 0;
	snprintf(problem, LIMIT_TEXT, "%.*s:%d: %.*s", LIMIT_PATH, path, reader.bad_at,
		 LIMIT_TEXT - LIMIT_PATH - 16, reader.problem);
	return -EINVAL;
}

/* ---- drop-ins ---------------------------------------------------------------------------------- */

static int is_conf(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 &&
	       !strcmp(entry->d_name + length - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The *.conf of @path.d and, where names are not there, of @fallback.d, in name order. */
static int read_drop_ins(struct config *config, const char *path, const char *fallback,
			 unsigned int *files, char problem[LIMIT_TEXT])
{
	const char *base[2] = {path, fallback};
	struct dirent **entry[2] = {NULL, NULL};
	int n[2] = {0, 0}, i[2] = {0, 0}, error = 0;
	char file[2 * LIMIT_PATH + 256];

	for (int b = 0; b < 2; b++) {
		snprintf(file, sizeof(file), "%s.d", base[b]);
		n[b] = *base[b] ? scandir(file, &entry[b], is_conf, by_name) : 0;
		if (n[b] < 0) {
			n[b] = 0;
			if (errno == ENOENT)
				continue;
			error = -errno;
			snprintf(problem, LIMIT_TEXT, "%.*s.d: %s", LIMIT_PATH, base[b],
				 strerror(errno));
		}
	}
	while (!error && (i[0] < n[0] || i[1] < n[1])) {
		int order = i[0] == n[0]   ? 1
			    : i[1] == n[1] ? -1
					   : strcmp(entry[0][i[0]]->d_name, entry[1][i[1]]->d_name);
		int b = order > 0;

		snprintf(file, sizeof(file), "%s.d/%s", base[b], entry[b][i[b]]->d_name);
		error = read_file(config, file, problem);
		++*files;
		if (!order)
			i[1]++;
		i[b]++;
	}
	for (int b = 0; b < 2; b++) {
		while (n[b])
			free(entry[b][--n[b]]);
		free(entry[b]);
	}
	return error;
}

static bool exists(const char *path)
{
	return *path && (access(path, F_OK) == 0 || errno != ENOENT);
}

int config_load_from(const char *path, const char *fallback, struct config *ret,
		     char problem[LIMIT_TEXT])
{
	/* Zero pages, of which only those of lines that exist are ever touched. */
	struct config *config = calloc(1, sizeof(*config));
	unsigned int files = 0;
	int error = 0;

	if (!config) {
		snprintf(problem, LIMIT_TEXT, "%s: out of memory", path);
		return -ENOMEM;
	}
	config_default(config);
	if (exists(path) || exists(fallback)) {
		error = read_file(config, exists(path) ? path : fallback, problem);
		files++;
	}
	if (!error)
		error = read_drop_ins(config, path, fallback, &files, problem);
	if (!error && !files) {
		snprintf(problem, LIMIT_TEXT,
			 "%s: no such file; ptirq.conf(5) has a sample, and ptirq-broker --sim "
			 "needs none",
			 path);
		error = -ENOENT;
	}
	if (!error)
		memcpy(ret, config,
		       offsetof(struct config, line) + config->n_lines * sizeof(config->line[0]));
	free(config);
	return error;
}

int config_load(const char *path, struct config *ret, char problem[LIMIT_TEXT])
{
	bool standard = !strcmp(path, CONFIG_DEFAULT_PATH);

	return config_load_from(path, standard ? CONFIG_INSTALLED_PATH : "", ret, problem);
}
