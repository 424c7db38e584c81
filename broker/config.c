/* SPDX-License-Identifier: MIT */
/*
 * Owns the defaults and what a whole line must be. Must not open anything: reading is config_file.c,
 * single values are config_keys.c.
 */
#include "broker/config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/arb/arb.h"
#include "broker/config_parse.h"
#include "proto/channel.h"

#define DEFAULT_HEDGE_NS UINT64_C(200000)

void config_default(struct config *ret)
{
	/* Only the head: the lines are 5 MB, and none of them counts. */
	memset(ret, 0, offsetof(struct config, line));
	ret->magic = CONFIG_MAGIC;
	snprintf(ret->socket, sizeof(ret->socket), "%s", CHANNEL_DEFAULT_PATH);
	ret->socket_mode = 0666;
	ret->cpu = -1;
	ret->max_clients = LIMIT_CLIENTS;
}

void config_line_default(struct line_config *ret, const char *name)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->policy = ARB_LEARNED;
	ret->max_subscribers = LIMIT_SUBS_PER_LINE;
	ret->round_deadline_ns = UINT64_C(100000000);
	ret->storm_rate = 500000;
	ret->storm_burst = 50000;
}

void config_sim(struct config *ret)
{
	const char *socket = getenv("PTIRQ_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
	struct line_config *line = &ret->line[0];

	config_default(ret);
	if (socket)
		snprintf(ret->socket, sizeof(ret->socket), "%s", socket);
	else if (runtime)
		snprintf(ret->socket, sizeof(ret->socket), "%s/ptirq/broker.sock", runtime);
	config_line_default(line, "demo");
	snprintf(line->origin, sizeof(line->origin), "--sim");
	line->source = CONFIG_SIM;
	line->hedge_ns = DEFAULT_HEDGE_NS;
	line->allow_all = true;
	line->direct = true;
	line->n_devices = 3;
	for (uint8_t d = 0; d < line->n_devices; d++) {
		line->device[d] = (struct device_config){.grant = true,
							 .use_status = true,
							 .has_mask = true,
							 .sim_status = true};
		snprintf(line->device[d].name, sizeof(line->device[d].name), "dev%d", d);
	}
	ret->n_lines = 1;
}

const char *config_source_name(enum config_source source)
{
	static const char *const names[] = {
		[CONFIG_SIM] = "sim", [CONFIG_UIO] = "uio", [CONFIG_HELPER] = "helper"};

	return names[source];
}

/* What the device's own line says, else what the line's keys say, else @otherwise. */
static bool flag(const struct config_section *section, uint8_t device, enum config_flag which,
		 bool otherwise)
{
	int8_t said = section->flag[device][which];

	if (!said)
		said = section->flag[CONFIG_WHOLE_LINE][which];
	return said ? said > 0 : otherwise;
}

static int said(const struct config_section *section, enum config_flag which)
{
	for (uint8_t d = 0; d <= CONFIG_WHOLE_LINE; d++)
		if (section->flag[d][which])
			return section->flag_at[d][which];
	return 0;
}

#define mistake(where, ...) (*ret_at = (where), snprintf(problem, LIMIT_TEXT, __VA_ARGS__), -EINVAL)

bool config_pci_address(const char *text, char ret[LIMIT_NAME])
{
	unsigned int domain = 0, bus, slot, function;
	int end = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1u%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    text[end]) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1u%n", &bus, &slot, &function, &end) != 3 || text[end])
			return false;
	}
	if (slot > 0x1f || function > 7)
		return false;
	snprintf(ret, LIMIT_NAME, "%04x:%02x:%02x.%u", domain, bus, slot, function);
	return true;
}

bool config_broker_differs(const struct config *a, const struct config *b, char ret[LIMIT_TEXT])
{
	const struct {
		const char *key;
		bool differs;
	} keys[] = {
		{"socket=", strcmp(a->socket, b->socket) != 0},
		{"socket-mode=", a->socket_mode != b->socket_mode},
		{"max-clients=", a->max_clients != b->max_clients},
		{"fifo-priority=", a->fifo_priority != b->fifo_priority},
		{"cpu=", a->cpu != b->cpu},
		{"mlock=", a->mlock != b->mlock},
	};
	size_t length = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].differs)
			length += (size_t)snprintf(ret + length, LIMIT_TEXT - length, "%s%s",
						   length ? ", " : "", keys[i].key);
	return length > 0;
}

/* What a path in /sys ends in, if that alone says which device it is. What else its links lead to is
 * not known here: the lock of a device that is taken up (opener_lock()) knows. */
static const char *spelling(const char *address, char pci[LIMIT_NAME])
{
	const char *last;

	if (*address != '/')
		return address;
	last = strrchr(address, '/') + 1;
	if (config_pci_address(last, pci))
		return pci;
	return !strncmp(last, "uio", 3) && isdigit((unsigned char)last[3]) ? last : address;
}

/* Elsewhere no device can mask itself: of a platform device nothing is known but its interrupt. */
static bool on_pci(const struct device_config *device)
{
	char pci[LIMIT_NAME];

	return config_pci_address(spelling(device->address, pci), pci);
}

static bool same_device(const char *spelled, const struct device_config *other)
{
	char pci[LIMIT_NAME];

	return !strcmp(spelled, spelling(other->address, pci));
}

/* PCI addresses are written in full from here on. */
static int devices_finish(const struct config *config, const struct config_section *section,
			  struct line_config *line, int *ret_at, char problem[LIMIT_TEXT])
{
	for (uint8_t d = 0; d < line->n_devices; d++) {
		struct device_config *device = &line->device[d];
		char pci[LIMIT_NAME], last[LIMIT_NAME];
		const char *spelled;
		int at = section->device_at[d];

		if (config_pci_address(device->address, pci))
			snprintf(device->address, sizeof(device->address), "%s", pci);
		else if (*device->address != '/' && strchr(device->address, ':'))
			return mistake(
				at,
				"device %s: not a PCI address as in 0000:00:05.0; `lspci -D` "
				"shows them",
				device->address);
		spelled = spelling(device->address, last);
		for (uint8_t e = 0; e < d; e++)
			if (same_device(spelled, &line->device[e]))
				return mistake(at, "device %s: it is the one of line %d",
					       device->address, section->device_at[e]);
		for (uint32_t i = 0; i < config->n_lines; i++)
			for (uint8_t e = 0; e < config->line[i].n_devices; e++)
				if (config->line[i].source != CONFIG_SIM &&
				    same_device(spelled, &config->line[i].device[e]))
					return mistake(
						at,
						"device %.64s: line %s (%.256s) has it, and a device is on "
						"one line only",
						device->address, config->line[i].name,
						config->line[i].origin);
	}
	return 0;
}

int config_line_finish(const struct config *config, struct config_section *section,
		       struct line_config *line, int *ret_at, char problem[LIMIT_TEXT])
{
	int mask_at = said(section, CONFIG_FLAG_MASK);
	int unsafe_at = said(section, CONFIG_FLAG_UNSAFE_DMA);
	bool sim = line->source == CONFIG_SIM;

	if (!section->source_given)
		return mistake(section->at, "line %s has no source=: sim, uio or helper",
			       line->name);
	if (!line->n_devices)
		return mistake(section->at,
			       "line %s has no device=: name at least one, as in device = %s",
			       line->name, sim ? "dev0" : "0000:00:05.0");
	if (!sim && line->trigger == CONFIG_EDGE)
		return mistake(
			section->at,
			"line %s: source=%s knows level-triggered lines only, remove trigger=edge",
			line->name, config_source_name(line->source));
	if (line->source != CONFIG_HELPER && section->helper_at)
		return mistake(section->helper_at,
			       "mode and stop-dma are for source=helper: nobody else can do that");
	if (line->source == CONFIG_UIO && mask_at)
		return mistake(
			mask_at,
			"mask is for source=sim and source=helper: without a mask of its own "
			"no device works with source=uio");
	if (sim && unsafe_at)
		return mistake(unsafe_at, "unsafe-dma is for real devices: a soft one does no DMA");
	if (line->deadline_ns > line->round_deadline_ns)
		return mistake(
			section->at,
			"line %s: deadline= is longer than round-deadline= (%.6g ms), which bounds it",
			line->name, (double)line->round_deadline_ns / 1e6);
	if (line->hedge_ns > line->round_deadline_ns)
		return mistake(
			section->at,
			"line %s: hedge= is longer than round-deadline= (%.6g ms): nobody else would "
			"be asked",
			line->name, (double)line->round_deadline_ns / 1e6);
	if (!line->hedge_ns)
		line->hedge_ns = DEFAULT_HEDGE_NS < line->round_deadline_ns
					 ? DEFAULT_HEDGE_NS
					 : line->round_deadline_ns;
	if (line->mode == CONFIG_CPA && line->direct)
		return mistake(
			section->at,
			"line %s: mode=cpa masks nothing, so nothing is unmasked by a direct "
			"subscriber: remove one of mode=cpa and direct=yes",
			line->name);
	if (!sim && devices_finish(config, section, line, ret_at, problem) < 0)
		return -EINVAL;
	for (uint8_t d = 0; d < line->n_devices; d++) {
		struct device_config *device = &line->device[d];

		device->grant = flag(section, d, CONFIG_FLAG_GRANT, false);
		device->unsafe_dma = flag(section, d, CONFIG_FLAG_UNSAFE_DMA, false);
		device->use_status = flag(section, d, CONFIG_FLAG_STATUS, true);
		device->sim_status = sim && device->use_status;
		device->has_mask =
			(sim || on_pci(device)) && flag(section, d, CONFIG_FLAG_MASK, true);
	}
	return 0;
}
