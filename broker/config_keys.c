/* SPDX-License-Identifier: MIT */
/*
 * Owns the table of keys, and turns one value into one member of the configuration. Must not look at
 * other keys: what they mean together is config.c's.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/config_parse.h"

struct place {
	struct config *config;
	struct line_config *line; /* NULL in [broker] */
	struct config_section *section;
	int at;
	char *problem;
};

struct key {
	const char *name;
	int (*set)(const struct place *place, const struct key *key, char *value);
	size_t offset; /* of the member, in struct config or struct line_config */
	uint64_t min, max;
	const char *words[4]; /* the choices, or what a number counts */
	bool repeats;
};

#define BROKER(member)      offsetof(struct config, member)
#define LINE(member)        offsetof(struct line_config, member)

#define problem(place, ...) (snprintf((place)->problem, LIMIT_TEXT, __VA_ARGS__), -EINVAL)

static void *member(const struct place *place, const struct key *key)
{
	return (place->line ? (char *)place->line : (char *)place->config) + key->offset;
}

/* ---- kinds of values --------------------------------------------------------------------------- */

static bool parse_number(const char *text, int base, uint64_t *ret)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	number = strtoull(text, &end, base);
	if (errno || *end)
		return false;
	*ret = number;
	return true;
}

static int set_number(const struct place *place, const struct key *key, char *value)
{
	uint64_t number;

	if (!parse_number(value, 10, &number) || number < key->min || number > key->max)
		return problem(place, "%s=%s: not a number from %llu to %llu", key->name, value,
			       (unsigned long long)key->min, (unsigned long long)key->max);
	*(uint32_t *)member(place, key) = (uint32_t)number;
	return 0;
}

static int set_mode(const struct place *place, const struct key *key, char *value)
{
	uint64_t mode;

	if (!parse_number(value, 8, &mode) || mode > 0777)
		return problem(place, "%s=%s: not an octal mode as in 0660", key->name, value);
	*(uint32_t *)member(place, key) = (uint32_t)mode;
	return 0;
}

static bool parse_flag(const char *text, bool *ret)
{
	static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(text, words[i])) {
			*ret = i % 2;
			return true;
		}
	return false;
}

static int set_bool(const struct place *place, const struct key *key, char *value)
{
	if (!parse_flag(value, member(place, key)))
		return problem(place, "%s=%s: yes or no", key->name, value);
	return 0;
}

static int set_duration(const struct place *place, const struct key *key, char *value)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
	size_t digits = strspn(value, "0123456789");
	const char *unit = value + digits + strspn(value + digits, " ");
	uint64_t number = strtoull(value, NULL, 10), ns = 0;

	for (size_t i = 0; digits && digits < 12 && i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(unit, units[i].unit) && number <= key->max / units[i].ns)
			ns = number * units[i].ns;
	if (ns < key->min)
		return problem(place,
			       "%s=%s: not a duration from 1us to 1000s; write it as 200us, 100ms "
			       "or 2s",
			       key->name, value);
	*(uint64_t *)member(place, key) = ns;
	return 0;
}

static int choice(const struct place *place, const struct key *key, const char *value)
{
	char words[LIMIT_TEXT / 2] = "";
	size_t length = 0;

	for (int i = 0; key->words[i]; i++) {
		if (!strcmp(value, key->words[i]))
			return i;
		length += (size_t)snprintf(words + length, sizeof(words) - length, "%s%s",
					   i ? ", " : "", key->words[i]);
	}
	return problem(place, "%s=%s: not one of %s", key->name, value, words);
}

static int set_source(const struct place *place, const struct key *key, char *value)
{
	int which = choice(place, key, value);

	if (which < 0)
		return which;
	place->line->source = (enum config_source)which;
	place->section->source_given = true;
	return 0;
}

static int set_trigger(const struct place *place, const struct key *key, char *value)
{
	int which = choice(place, key, value);

	if (which < 0)
		return which;
	place->line->trigger = (enum config_trigger)which;
	return 0;
}

static int set_mask_mode(const struct place *place, const struct key *key, char *value)
{
	int which = choice(place, key, value);

	if (which < 0)
		return which;
	place->line->mode = (enum config_mode)which;
	place->section->helper_at = place->at;
	return 0;
}

static int set_stop_dma(const struct place *place, const struct key *key, char *value)
{
	place->section->helper_at = place->at;
	return set_bool(place, key, value);
}

static int set_policy(const struct place *place, const struct key *key, char *value)
{
	int which = choice(place, key, value);

	if (which < 0)
		return which;
	place->line->policy = (uint8_t)which;
	return 0;
}

static int set_socket(const struct place *place, const struct key *key, char *value)
{
	/* sun_path holds 108 bytes with its 0. */
	if (*value != '/' || strlen(value) >= 108)
		return problem(place, "%s=%s: not an absolute path of at most 107 bytes", key->name,
			       value);
	strcpy(place->config->socket, value);
	return 0;
}

/* -1 any, else a CPU's number. */
static int set_cpu(const struct place *place, const struct key *key, char *value)
{
	if (!strcmp(value, "any")) {
		place->config->cpu = -1;
		return 0;
	}
	if (set_number(place, key, value) < 0)
		return problem(place, "%s=%s: a CPU's number, or any", key->name, value);
	snprintf(place->config->cpu_origin, LIMIT_PATH, "%.*s:%d", LIMIT_PATH - 16,
		 place->section->path, place->at);
	return 0;
}

/* ---- who may subscribe ------------------------------------------------------------------------- */

static int set_user(const struct place *place, const struct key *key, char *value)
{
	struct line_config *line = place->line;
	const struct passwd *entry;
	uint64_t uid;

	if (strcspn(value, " \t") < strlen(value) || !*value)
		return problem(place, "%s=%s: one user, or *; again for each", key->name, value);
	if (!strcmp(value, "*")) {
		line->allow_all = true;
		return 0;
	}
	if (line->n_users == CONFIG_ALLOWED)
		return problem(place, "%s=%s: a line takes %d of them; use allow-group=", key->name,
			       value, CONFIG_ALLOWED);
	if (!parse_number(value, 10, &uid)) {
		entry = getpwnam(value);
		if (!entry)
			return problem(place, "%s=%s: there is no such user", key->name, value);
		uid = entry->pw_uid;
	}
	if (uid >= UINT32_MAX)
		return problem(place, "%s=%s: not a user id", key->name, value);
	line->user[line->n_users++] = (uid_t)uid;
	return 0;
}

static int set_group(const struct place *place, const struct key *key, char *value)
{
	struct line_config *line = place->line;
	const struct group *entry;
	uint64_t gid;

	if (strcspn(value, " \t") < strlen(value) || !*value)
		return problem(place, "%s=%s: one group; again for each", key->name, value);
	if (line->n_groups == CONFIG_ALLOWED)
		return problem(place, "%s=%s: a line takes %d of them", key->name, value,
			       CONFIG_ALLOWED);
	if (!parse_number(value, 10, &gid)) {
		entry = getgrnam(value);
		if (!entry)
			return problem(place, "%s=%s: there is no such group", key->name, value);
		gid = entry->gr_gid;
	}
	if (gid >= UINT32_MAX)
		return problem(place, "%s=%s: not a group id", key->name, value);
	line->group[line->n_groups++] = (gid_t)gid;
	return 0;
}

/* ---- devices ----------------------------------------------------------------------------------- */

static const char *const flag_names[CONFIG_N_FLAGS] = {
	[CONFIG_FLAG_GRANT] = "grant",
	[CONFIG_FLAG_UNSAFE_DMA] = "unsafe-dma",
	[CONFIG_FLAG_STATUS] = "status",
	[CONFIG_FLAG_MASK] = "mask",
};

static int say_flag(const struct place *place, uint8_t device, const char *name, const char *value)
{
	bool yes = true;

	for (int f = 0; f < CONFIG_N_FLAGS; f++) {
		if (strcmp(name, flag_names[f]))
			continue;
		if (value && !parse_flag(value, &yes))
			return problem(place, "%s=%s: yes or no", name, value);
		place->section->flag[device][f] = yes ? 1 : -1;
		place->section->flag_at[device][f] = place->at;
		return 0;
	}
	return problem(place,
		       "device= has no option %s: name=NAME, grant, unsafe-dma, status=no, mask=no",
		       name);
}

static int set_flag(const struct place *place, const struct key *key, char *value)
{
	return say_flag(place, CONFIG_WHOLE_LINE, key->name, value);
}

/* ADDRESS [name=NAME] [OPTION[=yes|no]]... */
static int set_device(const struct place *place, const struct key *key, char *value)
{
	struct line_config *line = place->line;
	struct device_config *device = &line->device[line->n_devices];
	const char *name = NULL, *address, *slash;
	char *rest, *word;
	int error;

	if (line->n_devices == LIMIT_DEVICES_PER_LINE)
		return problem(place, "%s=: a line takes %d of them", key->name,
			       LIMIT_DEVICES_PER_LINE);
	address = strtok_r(value, " \t", &rest);
	if (!address)
		return problem(place, "device= is empty: an address and its options");
	while ((word = strtok_r(NULL, " \t", &rest))) {
		char *option = strsep(&word, "=");

		if (!strcmp(option, "name")) {
			name = word ? word : "";
			continue;
		}
		error = say_flag(place, line->n_devices, option, word);
		if (error)
			return error;
	}
	slash = strrchr(address, '/');
	if (!name)
		name = slash ? slash + 1 : address;
	if (!config_name_is_good(name))
		return problem(place,
			       "device %s: \"%s\" is no name: letters, digits and ._:@- only, at "
			       "most %d; give one with name=",
			       address, name, LIMIT_NAME - 1);
	for (uint8_t d = 0; d < line->n_devices; d++)
		if (!strcmp(line->device[d].name, name) ||
		    !strcmp(line->device[d].address, address))
			return problem(place, "device %s: line %s has it already", name,
				       line->name);
	snprintf(device->name, sizeof(device->name), "%s", name);
	snprintf(device->address, sizeof(device->address), "%s", address);
	place->section->device_at[line->n_devices++] = place->at;
	return 0;
}

/* ---- the table --------------------------------------------------------------------------------- */

#define LONGEST   UINT64_C(1000000000000) /* 1000 s */
#define DURATIONS .set = set_duration, .min = 1000, .max = LONGEST

/* In the order of ptirq.conf(5). */
static const struct key broker_keys[] = {
	{"socket", .set = set_socket},
	{"socket-mode", .set = set_mode, .offset = BROKER(socket_mode)},
	{"max-clients", .set = set_number, .offset = BROKER(max_clients), .min = 1,
	 .max = LIMIT_CLIENTS},
	{"fifo-priority", .set = set_number, .offset = BROKER(fifo_priority), .max = 99},
	{"cpu", .set = set_cpu, .offset = BROKER(cpu), .max = 1023},
	{"mlock", .set = set_bool, .offset = BROKER(mlock)},
};

static const struct key line_keys[] = {
	{"source", .set = set_source, .words = {"sim", "uio", "helper"}},
	{"device", .set = set_device, .repeats = true},
	{"grant", .set = set_flag},
	{"unsafe-dma", .set = set_flag},
	{"status", .set = set_flag},
	{"mask", .set = set_flag},
	{"trigger", .set = set_trigger, .words = {"level", "edge"}},
	{"mode", .set = set_mask_mode, .words = {"adaptive", "device", "cpa"}},
	{"stop-dma", .set = set_stop_dma, .offset = LINE(stop_dma)},
	{"policy", .set = set_policy, .words = {"chain", "broadcast", "learned"}},
	{"direct", .set = set_bool, .offset = LINE(direct)},
	{"allow-user", .set = set_user, .repeats = true},
	{"allow-group", .set = set_group, .repeats = true},
	{"max-subscribers", .set = set_number, .offset = LINE(max_subscribers), .min = 1,
	 .max = LIMIT_SUBS_PER_LINE},
	{"deadline", DURATIONS, .offset = LINE(deadline_ns)},
	{"round-deadline", DURATIONS, .offset = LINE(round_deadline_ns)},
	{"hedge", DURATIONS, .offset = LINE(hedge_ns)},
	{"storm-rate", .set = set_number, .offset = LINE(storm_rate), .min = 1, .max = 100000000},
	{"storm-burst", .set = set_number, .offset = LINE(storm_burst), .min = 1, .max = 100000000},
};

#define N_KEYS(table) (sizeof(table) / sizeof((table)[0]))

/* Levenshtein's distance of two short words. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[LIMIT_NAME];
	size_t length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= length; j++) {
			unsigned int best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[length];
}

bool config_name_is_good(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789._:@-");

	return length && length < LIMIT_NAME && !name[length];
}

static const struct key *find_key(const struct key *table, size_t n, const char *name)
{
	for (const struct key *key = table; key < table + n; key++)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

/* The one that @name may have been meant to be: it is a part of it, or mistyped. NULL: none is near. */
static const struct key *nearest_key(const struct key *table, size_t n, const char *name)
{
	size_t length = strlen(name);
	unsigned int least = (unsigned int)length / 3 + 2, here;
	const struct key *nearest = NULL;

	for (const struct key *key = table; key < table + n; key++) {
		here = length > 2 && strstr(key->name, name) ? 1 : distance(name, key->name);
		if (here < least) {
			least = here;
			nearest = key;
		}
	}
	return nearest;
}

static int no_key(const struct place *place, const char *name)
{
	const struct key *nearest = place->line
					    ? nearest_key(line_keys, N_KEYS(line_keys), name)
					    : nearest_key(broker_keys, N_KEYS(broker_keys), name);
	const char *section = place->line ? "line" : "broker";

	if (find_key(line_keys, N_KEYS(line_keys), name))
		return problem(place, "[%s] has no key %s; it belongs to a [line NAME]", section,
			       name);
	if (find_key(broker_keys, N_KEYS(broker_keys), name))
		return problem(place, "[%s] has no key %s; it belongs to [broker]", section, name);
	if (!nearest)
		return problem(place, "[%s] has no key %s; ptirq.conf(5) has them all", section,
			       name);
	return problem(place, "[%s] has no key %s; the nearest is %s", section, name,
		       nearest->name);
}

int config_key(struct config *config, struct line_config *line, struct config_section *section,
	       int at, const char *name, char *value, char problem[LIMIT_TEXT])
{
	const struct key *table = line ? line_keys : broker_keys;
	const struct key *key =
		find_key(table, line ? N_KEYS(line_keys) : N_KEYS(broker_keys), name);
	const struct place place = {config, line, section, at, problem};
	bool hash = strstr(value, " #") != NULL;
	size_t length;
	int error;

	_Static_assert(N_KEYS(line_keys) <= 32, "given_at");
	if (!key)
		return no_key(&place, name);
	if (section->given_at[key - table] && !key->repeats)
		return problem(&place, "%s= was given in line %d already", name,
			       section->given_at[key - table]);
	section->given_at[key - table] = at;
	error = key->set(&place, key, value);
	if (error && hash) {
		length = strlen(problem);
		snprintf(problem + length, LIMIT_TEXT - length,
			 "; a comment after a value begins with a semicolon, not with #");
	}
	return error;
}
