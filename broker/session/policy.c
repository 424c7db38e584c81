// SPDX-License-Identifier: MIT
/*
 * Owns the rules of access and the words of a denial. Must not open anything: that is why a denial
 * speaks of uids and not of user names (which would read /etc/passwd, or worse, ask a server).
 */
#include "broker/session/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/config.h"

int peer_init(struct peer *peer, int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	gid_t *groups = NULL;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	/* The first call only asks for the size; a peer without supplementary groups is fine. */
	size = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno == ERANGE) {
		groups = malloc(size);
		if (!groups)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
			free(groups);
			return -errno;
		}
	}
	*peer = (struct peer){
		.uid = cred.uid,
		.gid = cred.gid,
		.pid = cred.pid,
		.administrator = cred.uid == 0 || cred.uid == geteuid(),
		.n_groups = groups ? size / sizeof(gid_t) : 0,
		.groups = groups,
	};
	return 0;
}

void peer_deinit(struct peer *peer)
{
	free(peer->groups);
	peer->groups = NULL;
	peer->n_groups = 0;
}

static bool in_group(const struct peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (uint32_t i = 0; i < peer->n_groups; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

bool policy_may_subscribe(const struct line_config *config, const struct peer *peer,
			  char problem[LIMIT_TEXT])
{
	if (peer->administrator || config->allow_all)
		return true;
	for (uint32_t i = 0; i < config->n_users; i++)
		if (config->user[i] == peer->uid)
			return true;
	for (uint32_t i = 0; i < config->n_groups; i++)
		if (in_group(peer, config->group[i]))
			return true;
	snprintf(
		problem, LIMIT_TEXT,
		"line %s does not allow uid %u: add allow-user=%u, or allow-group= with one of its "
		"groups, to [line %s] (%s)",
		config->name, peer->uid, peer->uid, config->name, config->origin);
	return false;
}

bool policy_may_grant(const struct line_config *config, uint32_t index, bool unsafe_dma,
		      char problem[LIMIT_TEXT])
{
	const struct device_config *device = &config->device[index];

	if (!device->grant) {
		snprintf(problem, LIMIT_TEXT,
			 "the registers of %s are not handed out: add grant=yes to [line %s] (%s)",
			 device->name, config->name, config->origin);
		return false;
	}
	if (unsafe_dma && !device->unsafe_dma) {
		snprintf(
			problem, LIMIT_TEXT,
			"no IOMMU is in front of %s: with its registers its driver reaches all memory "
			"by DMA. If you trust it that far, add unsafe-dma=yes to [line %s] (%s)",
			device->name, config->name, config->origin);
		return false;
	}
	return true;
}
