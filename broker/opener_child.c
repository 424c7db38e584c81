/* SPDX-License-Identifier: MIT */
/*
 * Owns the opener process: one request, one reply, for as long as the socket is open. Must not decide
 * who may have what, and opens nothing that the configuration does not name.
 */
#include "broker/opener_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct child {
	int socket;
	const char *path; /* of the configuration; NULL: --sim */
	const char *root;
	pid_t broker;
	struct config *config; /* last accepted; NULL: none yet */
};

/* Only the lines that are there are written: the rest of the 5 MB stays a hole. */
static int config_memfd(const struct config *config)
{
	size_t used = offsetof(struct config, line) + config->n_lines * sizeof(config->line[0]);
	int fd = memfd_create("ptirq-config", MFD_CLOEXEC | MFD_ALLOW_SEALING), error;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(*config)) == 0 && write(fd, config, used) == (ssize_t)used &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return fd;
	error = errno ? -errno : -EIO;
	close(fd);
	return error;
}

/* T30: what the broker cannot take up as it runs is refused here, so that both go on with the old one. */
static int compare_broker(const struct child *child, const struct config *config,
			  char text[LIMIT_TEXT])
{
	char keys[LIMIT_TEXT];

	if (!child->config || !config_broker_differs(child->config, config, keys))
		return 0;
	snprintf(text, LIMIT_TEXT,
		 "[broker] %.400s: a change takes a restart of the broker; nothing was changed",
		 keys);
	return -EINVAL;
}

static int do_config(struct child *child, char text[LIMIT_TEXT])
{
	struct config *config = calloc(1, sizeof(*config));
	int error = config ? 0 : -ENOMEM, fd = -1;

	if (!error && child->path)
		error = config_load(child->path, config, text);
	else if (!error)
		config_sim(config);
	if (!error)
		error = compare_broker(child, config, text);
	if (!error) {
		fd = config_memfd(config);
		error = fd < 0 ? fd : 0;
	}
	if (error) {
		free(config);
		if (!*text)
			snprintf(text, LIMIT_TEXT, "the configuration: %s", strerror(-error));
		return error;
	}
	free(child->config);
	child->config = config;
	return fd;
}

static int do_uevents(char text[LIMIT_TEXT])
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
	int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	int error;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = -errno;
	snprintf(text, LIMIT_TEXT, "no hot-plug events (netlink): %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return error;
}

/* A verb about a device. Everything is looked up anew: it may have been another one a second ago. */
static int do_device(struct child *child, const struct opener_request *request,
		     enum config_source source, const struct device_config *config,
		     struct opener_reply *reply)
{
	bool helper = source == CONFIG_HELPER;
	struct opener_device *device = &reply->device;
	int fd;

	reply->error = (helper ? opener_identify_helper : opener_identify)(child->root, config,
									   device, reply->text);
	if (reply->error || request->verb == OPENER_IDENTIFY)
		return -1;
	if (request->verb == OPENER_LOCK) {
		/* By what it is, not by what it is called: two names of one device meet here. */
		fd = opener_lock(child->root, device->location, child->broker, reply->text);
	} else if (request->verb == OPENER_UIO) {
		fd = opener_open_uio(child->root, device, reply->text);
	} else if (request->verb == OPENER_HELPER) {
		fd = opener_open_helper(child->root, device, reply->text);
	} else if (request->verb == OPENER_PCI_CONFIG) {
		fd = opener_open_pci_config(child->root, device, reply->text);
	} else {
		fd = opener_open_resource(child->root, config, device, request->index, reply->text);
		if (fd >= 0)
			reply->size = device->resource[request->index].size;
	}
	reply->error = fd < 0 ? fd : 0;
	return fd;
}

/* NULL: the configuration has no such device. */
static const struct device_config *find(const struct child *child, struct opener_request *request,
					enum config_source *ret_source)
{
	request->line[LIMIT_NAME - 1] = request->device[LIMIT_NAME - 1] = 0;
	for (uint32_t i = 0; child->config && i < child->config->n_lines; i++) {
		const struct line_config *line = &child->config->line[i];

		if (strcmp(line->name, request->line) != 0)
			continue;
		*ret_source = line->source;
		for (uint8_t d = 0; d < line->n_devices; d++)
			if (!strcmp(line->device[d].name, request->device))
				return &line->device[d];
	}
	return NULL;
}

static int answer(struct child *child, struct opener_request *request, struct opener_reply *reply)
{
	const struct device_config *device;
	enum config_source source;
	int fd = -1;

	reply->error = -EOPNOTSUPP; /* of a verb that is none */
	switch ((enum opener_verb)request->verb) {
	case OPENER_CONFIG:
		fd = do_config(child, reply->text);
		reply->error = fd < 0 ? fd : 0;
		break;
	case OPENER_UEVENTS:
		fd = do_uevents(reply->text);
		reply->error = fd < 0 ? fd : 0;
		break;
	case OPENER_LOCK:
	case OPENER_IDENTIFY:
	case OPENER_UIO:
	case OPENER_HELPER:
	case OPENER_PCI_CONFIG:
	case OPENER_RESOURCE:
		device = find(child, request, &source);
		if (!device) {
			reply->error = -EINVAL;
			snprintf(reply->text, sizeof(reply->text),
				 "device %s of line %s is not in the configuration",
				 request->device, request->line);
		} else {
			reply->error = 0;
			/* Behind a soft device there is nothing, nor anything to lock. */
			if (source != CONFIG_SIM)
				fd = do_device(child, request, source, device, reply);
		}
		break;
	case OPENER_N_VERBS: reply->error = -EOPNOTSUPP; break;
	}
	return fd < 0 ? -1 : fd;
}

static bool send_reply(const struct child *child, struct opener_reply *reply, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec data = {reply, sizeof(*reply)};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

	if (fd >= 0) {
		control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(child->socket, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(*reply);
}

_Noreturn void opener_child(int socket, const char *path, const char *root, pid_t broker)
{
	struct child child = {.socket = socket, .path = path, .root = root, .broker = broker};
	struct opener_request request;
	struct opener_reply *reply = calloc(1, sizeof(*reply));

	/* It ends with the broker's end of the socket, not with the terminal's or the unit's signals. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_NAME, "ptirq-opener");
	while (reply && recv(socket, &request, sizeof(request), 0) == (ssize_t)sizeof(request)) {
		int fd;
		bool sent;

		memset(reply, 0, sizeof(*reply));
		fd = answer(&child, &request, reply);
		sent = send_reply(&child, reply, fd);
		if (fd >= 0)
			close(fd);
		if (!sent)
			break;
	}
	_exit(0);
}
