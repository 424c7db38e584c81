// SPDX-License-Identifier: MIT
/*
 * One end of a SOCK_SEQPACKET Unix socket. Owns nothing: every fd is the caller's, but for those a
 * failed receive has to close. Must not block unless it is told to wait, nor allocate, or look into a packet.
 */
#include "proto/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_TYPE (SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK)

static int address(const char *path, struct sockaddr_un *ret)
{
	size_t size = strlen(path) + 1;

	if (size == 1)
		return -ENOENT;
	if (size > sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path, path, size);
	return 0;
}

static int connect_to(const struct sockaddr_un *sun, int *ret_fd)
{
	int fd, r;

	fd = socket(AF_UNIX, SOCKET_TYPE, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int channel_connect(const char *path, int *ret_fd)
{
	struct sockaddr_un sun;
	int fd, r = address(path, &sun);

	if (r == 0)
		r = connect_to(&sun, &fd);
	if (r < 0)
		return r;
	/* So that channel_recv_fds() can wait in it; all else says MSG_DONTWAIT. */
	if (fcntl(fd, F_SETFL, 0) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * Makes way for a socket: what an earlier broker has left behind is removed, nothing else. A socket
 * without a listener and a file that is none both refuse a connection, so the type is looked at too.
 */
static int remove_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, r;

	r = connect_to(sun, &fd);
	if (r == 0)
		close(fd);
	if (r == -ENOENT)
		return 0;
	if (r == 0 || r == -EAGAIN || r == -EPROTOTYPE)
		return -EADDRINUSE;
	if (r != -ECONNREFUSED)
		return r;
	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	return unlink(sun->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Nobody can connect before listen(), so nobody sees the mode that the umask gave. */
static int bind_and_listen(int fd, const struct sockaddr_un *sun, unsigned int mode)
{
	int r;

	if (bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0)
		return -errno;
	if (chmod(sun->sun_path, mode) == 0 && listen(fd, SOMAXCONN) == 0)
		return 0;
	r = -errno;
	unlink(sun->sun_path);
	return r;
}

/*
 * Between looking at what is there and listening nobody else may do the same: a socket without a
 * listener yet looks stale. The file goes with the lock; whoever had opened it before that is too late.
 */
static int lock(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0) {
		close(fd);
		return -EADDRINUSE;
	}
	*ret_fd = fd;
	return 0;
}

int channel_listen(const char *path, unsigned int mode, int *ret_fd)
{
	struct sockaddr_un sun;
	char lock_path[sizeof(sun.sun_path) + sizeof(".lock")];
	int fd, lock_fd, r;

	r = address(path, &sun);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCKET_TYPE, 0);
	if (fd < 0)
		return -errno;
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	r = lock(lock_path, &lock_fd);
	if (r == 0) {
		r = remove_stale(&sun);
		if (r == 0)
			r = bind_and_listen(fd, &sun, mode);
		unlink(lock_path);
		close(lock_fd);
	}
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* Room for LIMIT_MESSAGE_FDS fds, aligned as the kernel's headers want it. */
union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(LIMIT_MESSAGE_FDS * sizeof(int))];
};

static ssize_t send_fds(int fd, const void *data, size_t size, const int *fds, size_t n_fds)
{
	struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
	union control control = {0};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n_fds * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	return TEMP_FAILURE_RETRY(sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int channel_send(int fd, const void *data, size_t size, const int *fds, size_t n_fds)
{
	ssize_t n;

	assert(size > 0 && size <= LIMIT_MESSAGE && n_fds <= LIMIT_MESSAGE_FDS);
	/* A packet goes whole or not at all. */
	if (n_fds > 0)
		n = send_fds(fd, data, size, fds, n_fds);
	else
		n = TEMP_FAILURE_RETRY(send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL));
	return n < 0 ? -errno : 0;
}

/*
 * recvmsg() returns 0 for an empty packet as well as for the end. Only at the end has the peer hung
 * up; an empty packet right before that may pass for it, since nothing is left to be said.
 */
static int closed_or_empty(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	if (poll(&p, 1, 0) < 0)
		return -errno;
	return p.revents & (POLLRDHUP | POLLHUP) ? 0 : -EBADMSG;
}

static int receive(int fd, uint8_t *buf, struct msghdr *msg, bool wait)
{
	struct iovec iov = {.iov_base = buf, .iov_len = LIMIT_MESSAGE};
	ssize_t n;

	msg->msg_iov = &iov;
	msg->msg_iovlen = 1;
	/*
	 * ECONNRESET: the peer has closed and left something unread. The kernel says so once, ahead of
	 * packets that are still queued here (Evicted, GoingAway); the end comes after those.
	 */
	do
		n = recvmsg(fd, msg, (wait ? 0 : MSG_DONTWAIT) | MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == ECONNRESET || (errno == EINTR && !wait)));
	if (n < 0)
		return -errno;
	/*
	 * MSG_CTRUNC: more was attached than there was room for. With no control buffer at all the
	 * kernel drops every fd before it is installed, which is why the broker has none (T2, T3).
	 */
	if (msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	return n > 0 ? (int)n : closed_or_empty(fd);
}

int channel_recv(int fd, uint8_t buf[LIMIT_MESSAGE])
{
	struct msghdr msg = {0};

	return receive(fd, buf, &msg, false);
}

int channel_recv_fds(int fd, bool wait, uint8_t buf[LIMIT_MESSAGE], int ret_fds[LIMIT_MESSAGE_FDS])
{
	union control control;
	struct msghdr msg = {.msg_control = &control, .msg_controllen = sizeof(control)};
	int fds[LIMIT_MESSAGE_FDS];
	struct cmsghdr *c;
	size_t n = 0;
	int r;

	r = receive(fd, buf, &msg, wait);
	if (r < 0 && r != -EBADMSG)
		return r;
	/* A truncated control message still has installed what fitted. */
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		assert(n <=
		       LIMIT_MESSAGE_FDS); /* the kernel attaches one such, of the room given */
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	}
	if (r <= 0) {
		while (n > 0)
			close(fds[--n]);
		return r;
	}
	for (size_t i = 0; i < LIMIT_MESSAGE_FDS; i++)
		ret_fds[i] = i < n ? fds[i] : -1;
	return r;
}

int channel_drained(int fd)
{
	int queued;

	if (ioctl(fd, SIOCOUTQ, &queued) < 0)
		return -errno;
	return queued == 0;
}
