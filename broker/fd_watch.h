/* SPDX-License-Identifier: MIT */
/*
 * uv_poll_start() that can fail.
 *
 * libuv tells epoll of a new watch only when it next polls, and abort()s if the kernel has no memory
 * for it, or the user no watches left (/proc/sys/fs/epoll/max_user_watches). Here epoll is told at once,
 * so that who asked for the watch can be refused (T7); libuv then finds it there, and takes it over.
 */
#ifndef PTIRQ_FD_WATCH_H
#define PTIRQ_FD_WATCH_H

#include <uv.h>

/* 0, or -errno: @poll is then as uv_poll_stop() leaves it. */
int fd_watch(uv_poll_t *poll, int events, uv_poll_cb callback);

#endif
