/* SPDX-License-Identifier: MIT */
/* Owns the table of who may do what, and that a denial names the setting. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/config.h"
#include "broker/session/policy.h"
#include "broker/session/quota.h"
#include "tests/lib/fd_check.h"

static const struct line_config line = {
	.name = "eth0-intx",
	.origin = "/etc/ptirq/ptirq.conf:7",
	.n_devices = 3,
	.n_users = 2,
	.n_groups = 1,
	.user = {1000, 1001},
	.group = {44},
	.device = {{.name = "plain"},
		   {.name = "granted", .grant = true},
		   {.name = "dma", .grant = true, .unsafe_dma = true}},
};

TestSuite(policy, .init = fd_check_begin, .fini = fd_check_end);

static gid_t groups[] = {7, 44};

static const struct {
	struct peer peer;
	bool allow_all;
	bool allowed;
} subscribers[] = {
	{{.uid = 0, .administrator = true}, false, true},
	{{.uid = 1000, .gid = 5}, false, true},
	{{.uid = 1001, .gid = 5}, false, true},
	{{.uid = 1002, .gid = 44}, false, true},
	{{.uid = 1002, .gid = 5, .n_groups = 2, .groups = groups}, false, true},
	{{.uid = 1002, .gid = 5, .n_groups = 1, .groups = groups}, false, false},
	{{.uid = 1002, .gid = 5}, false, false},
	{{.uid = 1002, .gid = 5}, true, true},
	/* The broker's own user is an administrator, another one of number 0 elsewhere is not. */
	{{.uid = 65534, .administrator = true}, false, true},
};

Test(policy, subscribe)
{
	for (size_t i = 0; i < sizeof(subscribers) / sizeof(subscribers[0]); i++) {
		struct line_config config = line;
		char problem[LIMIT_TEXT] = "";

		config.allow_all = subscribers[i].allow_all;
		cr_expect_eq(policy_may_subscribe(&config, &subscribers[i].peer, problem),
			     subscribers[i].allowed, "row %zu", i);
		if (!subscribers[i].allowed)
			cr_expect_str_eq(problem,
					 "line eth0-intx does not allow uid 1002: add "
					 "allow-user=1002, or allow-group= with one of its groups, "
					 "to [line eth0-intx] (/etc/ptirq/ptirq.conf:7)");
	}
}

Test(policy, grant)
{
	static const struct {
		uint32_t device;
		bool unsafe;
		const char *problem; /* NULL: allowed */
	} rows[] = {
		{0, false, "grant=yes to [line eth0-intx] (/etc/ptirq/ptirq.conf:7)"},
		{0, true, "grant=yes to [line eth0-intx] (/etc/ptirq/ptirq.conf:7)"},
		{1, false, NULL},
		{1, true, "unsafe-dma=yes to [line eth0-intx] (/etc/ptirq/ptirq.conf:7)"},
		{2, false, NULL},
		{2, true, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char problem[LIMIT_TEXT] = "";

		cr_expect_eq(policy_may_grant(&line, rows[i].device, rows[i].unsafe, problem),
			     rows[i].problem == NULL, "row %zu", i);
		if (rows[i].problem)
			cr_expect_not_null(strstr(problem, rows[i].problem), "row %zu: %s", i,
					   problem);
	}
}

/* The longest names fit without being cut off: the file and line come last. */
Test(policy, long_names_keep_the_end)
{
	struct line_config config = line;
	struct peer peer = {.uid = UINT32_MAX - 1};
	char problem[LIMIT_TEXT];
	size_t n;

	memset(config.name, 'n', sizeof(config.name) - 1);
	memset(config.origin, 'o', sizeof(config.origin) - 1);
	memset(config.device[1].name, 'd', sizeof(config.device[1].name) - 1);
	cr_assert(!policy_may_subscribe(&config, &peer, problem));
	n = strlen(problem);
	cr_expect_str_eq(problem + n - 2, "o)");
	cr_assert(!policy_may_grant(&config, 1, true, problem));
	n = strlen(problem);
	cr_expect_str_eq(problem + n - 2, "o)");
}

Test(policy, the_kernel_says_who_it_is)
{
	struct peer peer;
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	cr_assert_eq(peer_init(&peer, pair[0]), 0);
	cr_expect_eq(peer.uid, getuid());
	cr_expect_eq(peer.pid, getpid());
	cr_expect(peer.administrator);
	cr_expect_eq((int)peer.n_groups, getgroups(0, NULL));
	peer_deinit(&peer);
	close(pair[0]);
	close(pair[1]);
}

TestSuite(quota, .init = fd_check_begin, .fini = fd_check_end);

Test(quota, of_one_user)
{
	struct quota quota;

	quota_init(&quota, LIMIT_CLIENTS);
	for (unsigned int i = 0; i < LIMIT_CLIENTS_PER_UID; i++)
		cr_assert_eq(quota_charge(&quota, 1000, QUOTA_CLIENTS, 1), 0);
	cr_assert_eq(quota_charge(&quota, 1000, QUOTA_CLIENTS, 1), -EDQUOT);
	cr_assert_eq(quota_held(&quota, 1000, QUOTA_CLIENTS), LIMIT_CLIENTS_PER_UID);
	cr_assert_eq(quota_charge(&quota, 1001, QUOTA_CLIENTS, 1), 0);
	quota_release(&quota, 1000, QUOTA_CLIENTS, 1);
	cr_assert_eq(quota_charge(&quota, 1000, QUOTA_CLIENTS, 1), 0);
	quota_release(&quota, 1000, QUOTA_CLIENTS, LIMIT_CLIENTS_PER_UID);
	quota_release(&quota, 1001, QUOTA_CLIENTS, 1);
	quota_deinit(&quota);
}

Test(quota, root_has_a_reserve)
{
	struct quota quota;

	quota_init(&quota, LIMIT_CLIENTS_RESERVED + 2);
	cr_assert_eq(quota_charge(&quota, 1000, QUOTA_CLIENTS, 1), 0);
	cr_assert_eq(quota_charge(&quota, 1001, QUOTA_CLIENTS, 1), 0);
	cr_assert_eq(quota_charge(&quota, 1002, QUOTA_CLIENTS, 1), -EUSERS);
	cr_assert(!quota_full(&quota));
	for (unsigned int i = 0; i < LIMIT_CLIENTS_RESERVED; i++)
		cr_assert_eq(quota_charge(&quota, 0, QUOTA_CLIENTS, 1), 0);
	cr_assert(quota_full(&quota));
	cr_assert_eq(quota_charge(&quota, 0, QUOTA_CLIENTS, 1), -EUSERS);
	quota_release(&quota, 0, QUOTA_CLIENTS, LIMIT_CLIENTS_RESERVED);
	quota_release(&quota, 1000, QUOTA_CLIENTS, 1);
	quota_release(&quota, 1001, QUOTA_CLIENTS, 1);
	quota_deinit(&quota);
}

Test(quota, sums_do_not_wrap)
{
	struct quota quota;

	quota_init(&quota, LIMIT_CLIENTS);
	cr_assert_eq(quota_charge(&quota, 1000, QUOTA_FDS, 2), 0);
	cr_assert_eq(quota_charge(&quota, 1000, QUOTA_FDS, UINT32_MAX - 1), -EDQUOT);
	cr_assert_eq(quota_charge(&quota, 1000, QUOTA_FDS, QUOTA_FDS_PER_UID - 2), 0);
	cr_assert_eq(quota_charge(&quota, 1000, QUOTA_FDS, 1), -EDQUOT);
	quota_release(&quota, 1000, QUOTA_FDS, QUOTA_FDS_PER_UID);
	quota_deinit(&quota);
}
