/* SPDX-License-Identifier: MIT */
/*
 * What each user holds of the broker: charged before the object is visible, released in its destructor.
 * The sum of a user's charges is within its limits at every step (promise 8).
 */
#ifndef PTIRQ_QUOTA_H
#define PTIRQ_QUOTA_H

#include <stdint.h>
#include <sys/types.h>

#include "proto/limits.h"

enum quota_kind {
	QUOTA_CLIENTS, /* connections */
	QUOTA_SUBS,    /* subscriptions */
	QUOTA_FDS,     /* eventfds of subscriptions of their own */
	QUOTA_WATCHES, /* connections that watch */
	QUOTA_N_KINDS,
};

/* Of one user; root has none. */
#define QUOTA_SUBS_PER_UID 4096
#define QUOTA_FDS_PER_UID  1024
/* Each of them is a message for each thing that happens. */
#define QUOTA_WATCHES_PER_UID 4

struct quota_user;

struct quota {
	uint32_t max_clients; /* LIMIT_CLIENTS_RESERVED of them are root's (T8) */
	uint32_t clients;
	struct quota_user *users;
};

void quota_init(struct quota *quota, uint32_t max_clients);
/* Everything must have been released. */
void quota_deinit(struct quota *quota);

/* 0; -EDQUOT: this user's limit; -EUSERS: the broker's own limit of clients; -ENOMEM. */
int quota_charge(struct quota *quota, uid_t uid, enum quota_kind kind, uint32_t n);
void quota_release(struct quota *quota, uid_t uid, enum quota_kind kind, uint32_t n);

/* No further client will be accepted, root or not, before one has gone. */
int quota_full(const struct quota *quota);

uint32_t quota_held(const struct quota *quota, uid_t uid, enum quota_kind kind);
uint32_t quota_limit(enum quota_kind kind);

#endif
