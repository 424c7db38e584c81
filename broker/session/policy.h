/* SPDX-License-Identifier: MIT */
/*
 * Who may do what: decided by the kernel's word about the peer (SO_PEERCRED at accept) and the line's
 * configuration, never by anything the client says.
 */
#ifndef PTIRQ_POLICY_H
#define PTIRQ_POLICY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/limits.h"

struct line_config; /* config.h */

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;          /* for people; 0 if it lives in a pid namespace we cannot see */
	bool administrator; /* root, or the user that the broker runs as */
	uint32_t n_groups;  /* supplementary ones */
	gid_t *groups;
};

/* Asks the kernel about the peer of the connected socket @fd. 0 or -errno. */
int peer_init(struct peer *peer, int fd);
void peer_deinit(struct peer *peer);

/* May it subscribe to and watch this line? If not, @problem names the setting that would let it. */
bool policy_may_subscribe(const struct line_config *config, const struct peer *peer,
			  char problem[LIMIT_TEXT]);

/*
 * May it, being allowed on the line, have the registers of device @index? @unsafe_dma: there is no
 * IOMMU in front of it (T34).
 */
bool policy_may_grant(const struct line_config *config, uint32_t index, bool unsafe_dma,
		      char problem[LIMIT_TEXT]);

#endif
