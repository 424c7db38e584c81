/* SPDX-License-Identifier: MIT */
/*
 * Owns the form of a uevent: "ACTION@PATH", then "KEY=VALUE"s, each with a 0 at its end. Must not
 * believe anybody but the kernel.
 */
#include "broker/source/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

bool uevent_parse(const char *message, size_t length, struct uevent *ret)
{
	const char *end = message + length, *at, *path, *slash;
	bool wanted = false, leaving;

	if (!length || message[length - 1])
		return false;
	path = strchr(message, '@');
	if (!path)
		return false;
	leaving = !strncmp(message, "remove@", 7) || !strncmp(message, "unbind@", 7);
	for (at = message; at < end; at += strlen(at) + 1)
		wanted |= !strcmp(at, "SUBSYSTEM=pci") || !strcmp(at, "SUBSYSTEM=uio") ||
			  !strcmp(at, "SUBSYSTEM=platform");
	slash = strrchr(path, '/');
	if (!wanted || !slash)
		return false;
	ret->leaving = leaving;
	snprintf(ret->name, sizeof(ret->name), "%s", slash + 1);
	return true;
}

bool uevent_next(int fd, struct uevent *ret)
{
	for (;;) {
		char message[8192];
		struct sockaddr_nl from = {0};
		struct iovec data = {message, sizeof(message)};
		struct msghdr header = {.msg_name = &from,
					.msg_namelen = sizeof(from),
					.msg_iov = &data,
					.msg_iovlen = 1};
		ssize_t length = recvmsg(fd, &header, MSG_DONTWAIT);

		/* Events that did not fit the socket: something happened, and the next one tells. */
		if (length < 0 && errno != ENOBUFS && errno != EINTR)
			return false;
		/* Port 0 is the kernel. */
		if (length > 0 && from.nl_pid == 0 && uevent_parse(message, (size_t)length, ret))
			return true;
	}
}
