/* SPDX-License-Identifier: MIT */
/*
 * Grants of registers: sysfs resourceN of a device, through the opener. Owns those that it has not
 * answered yet. Whether one is allowed is not decided here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/source/plug.h"

/* Regions are asked for one after the other. */
struct plug_grant {
	struct plug_grant *next;
	struct plug_device *device;
	uint8_t index;
	struct source_grant grant;
	void (*done)(void *user, int error, const char *problem, const struct source_grant *grant);
	void *user;
};

static void grant_free(struct plug_grant *grant)
{
	for (uint32_t i = 0; i < grant->grant.n; i++)
		close(grant->grant.region[i].fd);
	free(grant);
}

static void grant_end(struct plug_grant *grant, int error, const char *problem)
{
	struct plug_grant **at = &grant->device->plug->grants;

	while (*at != grant)
		at = &(*at)->next;
	*at = grant->next;
	if (error) {
		grant->done(grant->user, error, problem, NULL);
	} else {
		grant->done(grant->user, 0, "", &grant->grant);
		grant->grant.n = 0; /* they are the caller's now */
	}
	grant_free(grant);
}

static void on_resource(void *user, const struct opener_reply *reply, int fd);

static void grant_ask(struct plug_grant *grant)
{
	struct opener_request request = {.verb = OPENER_RESOURCE, .index = grant->index};

	memcpy(request.line, grant->device->plug->config->name, sizeof(request.line));
	memcpy(request.device, grant->device->config->name, sizeof(request.device));
	opener_ask(grant->device->plug->opener, &request, on_resource, grant);
}

static const char *why_absent(const struct plug_device *device, char problem[LIMIT_TEXT])
{
	snprintf(problem, LIMIT_TEXT, "device %s is absent: %.400s", device->config->name,
		 device->problem);
	return problem;
}

static void on_resource(void *user, const struct opener_reply *reply, int fd)
{
	struct plug_grant *grant = user;
	const struct plug_device *device = grant->device;
	uint32_t n = grant->grant.n;
	char problem[LIMIT_TEXT];

	/* It was asked for while the device was being armed, and that has failed: perhaps it is
	 * another broker's. */
	if (!reply->error && device->state == PLUG_ABSENT) {
		close(fd);
		grant_end(grant, -ENODEV, why_absent(device, problem));
		return;
	}
	if (reply->error) {
		grant_end(grant, reply->error, reply->text);
		return;
	}
	snprintf(grant->grant.region[n].name, sizeof(grant->grant.region[n].name), "bar%u",
		 reply->device.resource[grant->index].index);
	grant->grant.region[n].size = reply->size;
	grant->grant.region[n].fd = fd;
	grant->grant.region[n].owned = true;
	grant->grant.n++;
	if (++grant->index < reply->device.n_resources && grant->grant.n < LIMIT_MESSAGE_FDS)
		grant_ask(grant);
	else
		grant_end(grant, 0, "");
}

void plug_grant(struct plug_device *device, enum source_grant_kind kind,
		void (*done)(void *user, int error, const char *problem,
			     const struct source_grant *grant),
		void *user)
{
	struct plug_grant *grant;
	char problem[LIMIT_TEXT];

	if (kind == SOURCE_GRANT_SIM_PIN) {
		done(user, -EOPNOTSUPP, "only a soft device (source=sim) has a pin to play with",
		     NULL);
		return;
	}
	if (device->state == PLUG_ABSENT) {
		done(user, -ENODEV, why_absent(device, problem), NULL);
		return;
	}
	grant = calloc(1, sizeof(*grant));
	if (!grant) {
		done(user, -ENOMEM, "out of memory", NULL);
		return;
	}
	*grant = (struct plug_grant){.next = device->plug->grants,
				     .device = device,
				     .done = done,
				     .user = user};
	device->plug->grants = grant;
	grant_ask(grant);
}

void plug_grants_free(struct plug *plug)
{
	while (plug->grants) {
		struct plug_grant *grant = plug->grants;

		plug->grants = grant->next;
		opener_cancel(plug->opener, grant);
		grant_free(grant);
	}
}
