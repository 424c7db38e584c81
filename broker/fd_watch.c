// SPDX-License-Identifier: MIT
/*
 * Owns nothing: one call, in two steps. Must not be undone by anything but uv_poll_stop() and uv_close(),
 * both of which take the fd out of epoll again.
 */
#include "broker/fd_watch.h"

#include <errno.h>
#include <sys/epoll.h>

int fd_watch(uv_poll_t *poll, int events, uv_poll_cb callback)
{
	struct epoll_event nothing_yet = {0};
	int fd, error = uv_poll_start(poll, events, callback);

	if (error)
		return error;
	uv_fileno((uv_handle_t *)poll, &fd);
	nothing_yet.data.fd = fd;
	/*
	 * After the start, which removes what was there before. The EPOLL_CTL_ADD of libuv's is
	 * answered with EEXIST, and then it modifies, for which the kernel needs no memory.
	 */
	if (epoll_ctl(uv_backend_fd(poll->loop), EPOLL_CTL_ADD, fd, &nothing_yet) < 0) {
		error = -errno;
		uv_poll_stop(poll);
	}
	return error;
}
