// SPDX-License-Identifier: MIT
/*
 * Owns the table of users and what each holds. Must not know what the things are that it counts.
 */
#include "broker/session/quota.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* A user is in the table while it holds something: at most one for each client, so a list does. */
struct quota_user {
	struct quota_user *next;
	uid_t uid;
	uint32_t held[QUOTA_N_KINDS];
};

void quota_init(struct quota *quota, uint32_t max_clients)
{
	*quota = (struct quota){.max_clients = max_clients};
}

void quota_deinit(struct quota *quota)
{
	assert(!quota->users && !quota->clients);
}

uint32_t quota_limit(enum quota_kind kind)
{
	static const uint32_t limit[QUOTA_N_KINDS] = {
		[QUOTA_CLIENTS] = LIMIT_CLIENTS_PER_UID,
		[QUOTA_SUBS] = QUOTA_SUBS_PER_UID,
		[QUOTA_FDS] = QUOTA_FDS_PER_UID,
		[QUOTA_WATCHES] = QUOTA_WATCHES_PER_UID,
	};

	return limit[kind];
}

static struct quota_user *find(const struct quota *quota, uid_t uid)
{
	struct quota_user *user = quota->users;

	while (user && user->uid != uid)
		user = user->next;
	return user;
}

uint32_t quota_held(const struct quota *quota, uid_t uid, enum quota_kind kind)
{
	const struct quota_user *user = find(quota, uid);

	return user ? user->held[kind] : 0;
}

int quota_full(const struct quota *quota)
{
	return quota->clients >= quota->max_clients;
}

/* How many clients there may be before this user gets no other. */
static uint32_t clients_for(const struct quota *quota, uid_t uid)
{
	uint32_t reserve = uid == 0 ? 0 : LIMIT_CLIENTS_RESERVED;

	return quota->max_clients > reserve ? quota->max_clients - reserve : 0;
}

int quota_charge(struct quota *quota, uid_t uid, enum quota_kind kind, uint32_t n)
{
	struct quota_user *user = find(quota, uid);
	uint32_t held = user ? user->held[kind] : 0;

	if (uid != 0 && (n > quota_limit(kind) || held > quota_limit(kind) - n))
		return -EDQUOT;
	if (kind == QUOTA_CLIENTS && quota->clients + n > clients_for(quota, uid))
		return -EUSERS;
	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user)
			return -ENOMEM;
		user->uid = uid;
		user->next = quota->users;
		quota->users = user;
	}
	user->held[kind] += n;
	if (kind == QUOTA_CLIENTS)
		quota->clients += n;
	return 0;
}

void quota_release(struct quota *quota, uid_t uid, enum quota_kind kind, uint32_t n)
{
	struct quota_user **link = &quota->users;
	struct quota_user *user;

	while (*link && (*link)->uid != uid)
		link = &(*link)->next;
	user = *link;
	assert(user && user->held[kind] >= n);
	user->held[kind] -= n;
	if (kind == QUOTA_CLIENTS)
		quota->clients -= n;
	for (int k = 0; k < QUOTA_N_KINDS; k++)
		if (user->held[k])
			return;
	*link = user->next;
	free(user);
}
