/* SPDX-License-Identifier: MIT */
/*
 * Owns the behaviour of both ends of a socket: what comes through, what is a violation, and that no
 * fd is ever installed in the broker (T2, T3, T23). The suite counts fds before and after.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/channel.h"
#include "tests/lib/fd_check.h"

static int pair[2]; /* the broker's end, the client's */
static uint8_t buf[LIMIT_MESSAGE + 1];
static char directory[32], path[64];

static void begin(void)
{
	fd_check_begin();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
		     0);
	strcpy(directory, "/tmp/ptirq-test-XXXXXX");
	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
}

static void end(void)
{
	close(pair[0]);
	close(pair[1]);
	unlink(path);
	rmdir(directory);
	fd_check_end();
}

TestSuite(channel, .init = begin, .fini = end);

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* What no client of ours would send: any number of fds, any size, blocking if need be. */
static ssize_t raw_send(int fd, size_t size, int n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(253 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		struct cmsghdr *c = &control.align;
		int *fds = (int *)(void *)CMSG_DATA(c);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (int i = 0; i < n_fds; i++)
			fds[i] = STDERR_FILENO;
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

Test(channel, packets_keep_their_bounds)
{
	uint8_t got[LIMIT_MESSAGE];

	memset(buf, 'a', sizeof(buf));
	cr_assert_eq(channel_send(pair[1], buf, 1, NULL, 0), 0);
	cr_assert_eq(channel_send(pair[1], buf, LIMIT_MESSAGE, NULL, 0), 0);
	cr_assert_eq(channel_recv(pair[0], got), 1);
	cr_assert_eq(channel_recv(pair[0], got), LIMIT_MESSAGE);
	cr_assert_eq(memcmp(got, buf, LIMIT_MESSAGE), 0);
	cr_assert_eq(channel_recv(pair[0], got), -EAGAIN);
}

Test(channel, fds_reach_the_client)
{
	int fds[LIMIT_MESSAGE_FDS], sent[LIMIT_MESSAGE_FDS];
	uint8_t got[LIMIT_MESSAGE];
	struct stat a, b;

	for (size_t n = 0; n <= LIMIT_MESSAGE_FDS; n++) {
		for (size_t i = 0; i < n; i++)
			sent[i] = pair[i % 2];
		cr_assert_eq(channel_send(pair[0], "x", 1, sent, n), 0);
		memset(fds, 0x55, sizeof(fds));
		cr_assert_eq(channel_recv_fds(pair[1], false, got, fds), 1);
		for (size_t i = 0; i < LIMIT_MESSAGE_FDS; i++) {
			if (i >= n) {
				cr_assert_eq(fds[i], -1);
				continue;
			}
			cr_assert_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
			cr_assert_eq(fstat(fds[i], &a), 0);
			cr_assert_eq(fstat(sent[i], &b), 0);
			cr_assert_eq(a.st_ino, b.st_ino, "in order");
			close(fds[i]);
		}
	}
}

/* T2, T3: nothing that a client attaches is installed, however much it is. */
Test(channel, T3_fds_to_the_broker)
{
	static const int counts[] = {1, 2, 4, 5, 200, 253};
	uint8_t got[LIMIT_MESSAGE];
	int before = open_fds();

	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
			cr_assert_eq(raw_send(pair[1], 1, counts[i]), 1);
			cr_assert_eq(channel_recv(pair[0], got), -EBADMSG);
			cr_assert_eq(raw_send(pair[1], 0, counts[i]), 0);
			cr_assert_eq(channel_recv(pair[0], got), -EBADMSG);
		}
	}
	cr_assert_eq(open_fds(), before);
	cr_assert_eq(channel_send(pair[1], "x", 1, NULL, 0), 0);
	cr_assert_eq(channel_recv(pair[0], got), 1);
}

/* More than there is room for: what the kernel has installed nevertheless is closed again. */
Test(channel, fd_bomb_to_the_client)
{
	int fds[LIMIT_MESSAGE_FDS] = {71, 72, 73, 74};
	uint8_t got[LIMIT_MESSAGE];
	int before = open_fds();

	for (int round = 0; round < 200; round++) {
		cr_assert_eq(raw_send(pair[0], 1, LIMIT_MESSAGE_FDS + 1), 1);
		cr_assert_eq(channel_recv_fds(pair[1], false, got, fds), -EBADMSG);
		cr_assert_eq(raw_send(pair[0], LIMIT_MESSAGE + 1, LIMIT_MESSAGE_FDS),
			     LIMIT_MESSAGE + 1);
		cr_assert_eq(channel_recv_fds(pair[1], false, got, fds), -EBADMSG);
		cr_assert_eq(raw_send(pair[0], 0, LIMIT_MESSAGE_FDS), 0);
		cr_assert_eq(channel_recv_fds(pair[1], false, got, fds), -EBADMSG);
	}
	cr_assert_eq(open_fds(), before);
	cr_assert_eq(fds[0], 71, "untouched on failure");
	cr_assert_eq(fds[3], 74, "untouched on failure");
}

Test(channel, T23_empty_and_oversize)
{
	int fds[LIMIT_MESSAGE_FDS];
	uint8_t got[LIMIT_MESSAGE];

	for (int way = 0; way < 2; way++) {
		cr_assert_eq(raw_send(pair[!way], 0, 0), 0);
		cr_assert_eq(raw_send(pair[!way], LIMIT_MESSAGE + 1, 0), LIMIT_MESSAGE + 1);
		cr_assert_eq(raw_send(pair[!way], LIMIT_MESSAGE, 0), LIMIT_MESSAGE);
		for (int i = 0; i < 4; i++) {
			static const int want[] = {-EBADMSG, -EBADMSG, LIMIT_MESSAGE, -EAGAIN};

			cr_assert_eq(way ? channel_recv_fds(pair[1], false, got, fds)
					 : channel_recv(pair[0], got),
				     want[i]);
		}
	}
}

Test(channel, the_end)
{
	uint8_t got[LIMIT_MESSAGE];
	int other[2];

	cr_assert_eq(channel_send(pair[1], "last", 4, NULL, 0), 0);
	close(pair[1]);
	cr_assert_eq(channel_recv(pair[0], got), 4);
	cr_assert_eq(channel_recv(pair[0], got), 0);
	cr_assert_eq(channel_recv(pair[0], got), 0);
	cr_assert_eq(channel_send(pair[0], "x", 1, NULL, 0), -EPIPE);

	/* Half closed is closed: who does not talk has nothing to ask. */
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, other), 0);
	shutdown(other[1], SHUT_WR);
	cr_assert_eq(channel_recv(other[0], got), 0);
	close(other[0]);
	close(other[1]);
}

/* A peer that closes with something unread: what it had said still comes, then the end. */
Test(channel, closed_with_something_unread)
{
	int fds[LIMIT_MESSAGE_FDS];
	uint8_t got[LIMIT_MESSAGE];

	cr_assert_eq(channel_send(pair[1], "unread", 6, NULL, 0), 0);
	cr_assert_eq(channel_send(pair[0], "evicted", 7, NULL, 0), 0);
	close(pair[0]);
	cr_assert_eq(channel_recv_fds(pair[1], false, got, fds), 7);
	cr_assert_eq(channel_recv_fds(pair[1], false, got, fds), 0);
}

Test(channel, a_reader_that_does_not_read)
{
	uint8_t got[LIMIT_MESSAGE];
	int n, r;

	cr_assert_eq(channel_drained(pair[0]), 1);
	for (n = 0; (r = channel_send(pair[0], buf, LIMIT_MESSAGE, NULL, 0)) == 0; n++)
		cr_assert_lt(n, 10000);
	cr_assert_eq(r, -EAGAIN);
	cr_assert_eq(channel_drained(pair[0]), 0);
	while (n-- > 0)
		cr_assert_eq(channel_recv(pair[1], got), LIMIT_MESSAGE);
	cr_assert_eq(channel_drained(pair[0]), 1);
	cr_assert_eq(channel_drained(-1), -EBADF);
}

/* ---- addresses ---------------------------------------------------------------------------------- */

Test(channel, listen_and_connect)
{
	uint8_t got[LIMIT_MESSAGE];
	struct stat st;
	int fds[LIMIT_MESSAGE_FDS];
	int listener, client, server;

	umask(077);
	cr_assert_eq(channel_listen(path, 0666, &listener), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0666, "whatever the umask is");
	cr_assert_eq(fcntl(listener, F_GETFD), FD_CLOEXEC);
	cr_assert(fcntl(listener, F_GETFL) & O_NONBLOCK);

	cr_assert_eq(channel_connect(path, &client), 0);
	cr_assert_eq(fcntl(client, F_GETFD), FD_CLOEXEC);
	cr_assert_not(fcntl(client, F_GETFL) & O_NONBLOCK, "so that it can be waited in");
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	cr_assert_geq(server, 0);
	cr_assert_eq(channel_send(client, "x", 1, NULL, 0), 0);
	cr_assert_eq(channel_recv(server, got), 1);
	cr_assert_eq(channel_recv_fds(client, false, got, fds), -EAGAIN, "not unless told to");
	cr_assert_eq(channel_recv(server, got), -EAGAIN);
	close(server);
	close(client);
	close(listener);
}

Test(channel, an_address_in_use)
{
	int first, second = -7, file;

	cr_assert_eq(channel_listen(path, 0600, &first), 0);
	cr_assert_eq(channel_listen(path, 0600, &second), -EADDRINUSE);
	cr_assert_eq(second, -7, "untouched on failure");
	close(first);
	/* Left behind by a broker that was killed. */
	cr_assert_eq(channel_connect(path, &second), -ECONNREFUSED);
	cr_assert_eq(channel_listen(path, 0600, &first), 0);
	close(first);
	cr_assert_eq(unlink(path), 0);

	/* Another broker is about to listen there. */
	snprintf((char *)buf, sizeof(buf), "%s.lock", path);
	file = open((char *)buf, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	cr_assert_eq(flock(file, LOCK_EX), 0);
	cr_assert_eq(channel_listen(path, 0600, &second), -EADDRINUSE);
	cr_assert_eq(access(path, F_OK), -1);
	close(file);
	cr_assert_eq(channel_listen(path, 0600, &first), 0);
	cr_assert_eq(access((char *)buf, F_OK), -1, "nothing of it is left");
	close(first);
	cr_assert_eq(unlink(path), 0);

	/* A socket of another kind, then no socket at all: neither is ours to remove. */
	{
		struct sockaddr_un sun = {.sun_family = AF_UNIX};

		strcpy(sun.sun_path, path);
		first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert_eq(bind(first, (struct sockaddr *)&sun, sizeof(sun)), 0);
		cr_assert_eq(listen(first, 1), 0);
		cr_assert_eq(channel_listen(path, 0600, &second), -EADDRINUSE);
		close(first);
		cr_assert_eq(unlink(path), 0);
	}
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_geq(file, 0);
	close(file);
	cr_assert_eq(channel_listen(path, 0600, &second), -EEXIST);
	cr_assert_eq(access(path, F_OK), 0);
	cr_assert_eq(channel_listen("/tmp", 0600, &second), -EEXIST);
}

Test(channel, bad_addresses)
{
	char longest[108], file[80];
	int fd = -7;

	cr_assert_eq(channel_connect(path, &fd), -ENOENT);
	cr_assert_eq(channel_connect("", &fd), -ENOENT);
	cr_assert_eq(channel_listen("", 0600, &fd), -ENOENT);
	snprintf(file, sizeof(file), "%s/none/socket", directory);
	cr_assert_eq(channel_listen(file, 0600, &fd), -ENOENT);
	snprintf(file, sizeof(file), "%s/socket/socket", "/dev/null");
	cr_assert_eq(channel_listen(file, 0600, &fd), -ENOTDIR);

	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "/tmp/", 5);
	longest[107] = 0;
	cr_assert_eq(channel_connect(longest, &fd), -ENOENT);
	memset(buf, 'x', 108);
	buf[108] = 0;
	cr_assert_eq(channel_connect((char *)buf, &fd), -ENAMETOOLONG);
	cr_assert_eq(channel_listen((char *)buf, 0600, &fd), -ENAMETOOLONG);
	cr_assert_eq(fd, -7);
}

Test(channel, a_full_backlog)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int listener, clients[8], n = 0, r, fd;

	strcpy(sun.sun_path, path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(listener, 0), 0);
	while ((r = channel_connect(path, &clients[n])) == 0)
		cr_assert_lt(++n, 8);
	cr_assert_eq(r, -EAGAIN);
	cr_assert_eq(channel_listen(path, 0600, &fd), -EADDRINUSE, "busy is not dead");
	while (n > 0)
		close(clients[--n]);
	close(listener);
}
