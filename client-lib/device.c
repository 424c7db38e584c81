// SPDX-License-Identifier: MIT
/*
 * Lines and their devices: what the broker knows of them, and their registers in this process's
 * memory. Keeps nothing in the handle.
 */
#include "client-lib/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(((struct ptirq_line_info *)0)->device) ==
		       LIMIT_DEVICES_PER_LINE * sizeof(struct ptirq_device_info),
	       "a line's devices fit");
_Static_assert(sizeof(((struct ptirq_line_info *)0)->problem) == LIMIT_TEXT, "a problem fits");
_Static_assert(sizeof(((struct ptirq_line_info *)0)->name) == LIMIT_NAME, "a name fits");

static void device_fill(const struct wire_device *device, struct ptirq_device_info *ret)
{
	*ret = (struct ptirq_device_info){
		.unit = device->unit,
		.flags = (device->present ? PTIRQ_DEV_PRESENT : 0) |
			 (device->has_mask ? PTIRQ_DEV_MASK : 0) |
			 (device->has_status ? PTIRQ_DEV_STATUS : 0) |
			 (device->held ? PTIRQ_DEV_HELD : 0) |
			 (device->grantable ? PTIRQ_DEV_GRANTABLE : 0) |
			 (device->unsafe_dma ? PTIRQ_DEV_UNSAFE_DMA : 0) |
			 (strcmp(device->path, "notify") == 0 ? PTIRQ_DEV_NOTIFY : 0) |
			 (strcmp(device->path, "direct") == 0 ? PTIRQ_DEV_DIRECT : 0),
	};
	memcpy(ret->name, device->name, sizeof(ret->name));
	memcpy(ret->location, device->location, sizeof(ret->location));
}

static void line_fill(const struct wire_line *line, struct ptirq_line_info *ret)
{
	*ret = (struct ptirq_line_info){
		.n_units = line->units,
		.n_subscribers = line->subscribers,
		.max_subscribers = line->max_subscribers,
		.deadline_ns = line->deadline_ns,
	};
	memcpy(ret->name, line->name, sizeof(ret->name));
	memcpy(ret->source, line->source, sizeof(ret->source));
	memcpy(ret->trigger, line->trigger, sizeof(ret->trigger));
	memcpy(ret->policy, line->policy, sizeof(ret->policy));
	memcpy(ret->state, line->state, sizeof(ret->state));
	memcpy(ret->problem, line->problem, sizeof(ret->problem));
}

int ptirq_line_info(struct ptirq *ptirq, const char *line, struct ptirq_line_info *ret)
{
	struct question question = {
		.request.kind = WIRE_REQ_GET_LINE,
		.kind = WIRE_REP_LINE,
		.again = true,
	};
	struct wire_reply reply;
	int r;

	r = name_copy(ptirq, "line", line, question.request.get_line.line);
	if (r == 0)
		r = ask(ptirq, &question, &reply, NULL);
	if (r < 0)
		return r;
	line_fill(&reply.line.line, ret);
	ret->n_devices = reply.line.n_devices;
	for (uint32_t i = 0; i < reply.line.n_devices; i++)
		device_fill(&reply.line.device[i], &ret->device[i]);
	return 0;
}

int grant(struct ptirq *ptirq, const char *line, const char *device, enum wire_grant_kind kind,
	  struct wire_reply *ret_reply, int ret_fds[LIMIT_MESSAGE_FDS])
{
	struct question question = {
		.request.kind = WIRE_REQ_GRANT_DEVICE,
		.kind = WIRE_REP_GRANT,
		.again = true,
	};
	int r;

	r = name_copy(ptirq, "line", line, question.request.grant_device.line);
	if (r == 0)
		r = name_copy(ptirq, "device", device, question.request.grant_device.device);
	if (r < 0)
		return r;
	question.request.grant_device.kind = kind;
	return ask(ptirq, &question, ret_reply, ret_fds);
}

int region_map(struct ptirq *ptirq, const struct wire_reply *reply, unsigned int index, int fd,
	       struct ptirq_map *ret)
{
	int prot = reply->grant.region[index].read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	size_t size = reply->grant.region[index].size;
	void *addr;

	if (fd < 0 || size == 0)
		return fail(ptirq, -EPROTO, "the broker granted a region and gave none");
	addr = mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)reply->grant.region[index].offset);
	if (addr == MAP_FAILED)
		return fail(ptirq, -errno, "cannot map the region %s: %s",
			    reply->grant.region[index].name, strerror(errno));
	*ret = (struct ptirq_map){.addr = addr, .size = size};
	memcpy(ret->name, reply->grant.region[index].name, sizeof(ret->name));
	return 0;
}

int ptirq_map_device(struct ptirq *ptirq, const char *line, const char *device, unsigned int index,
		     struct ptirq_map *ret)
{
	int fds[LIMIT_MESSAGE_FDS];
	struct wire_reply reply;
	int r;

	r = grant(ptirq, line, device, WIRE_GRANT_REGISTERS, &reply, fds);
	if (r < 0)
		return r;
	if (index >= reply.grant.n)
		r = fail(ptirq, -ENOENT,
			 "%s of %s has no region number %u: it has %u, counted from 0", device,
			 line, index, reply.grant.n);
	else
		r = region_map(ptirq, &reply, index, fds[index], ret);
	for (int i = 0; i < LIMIT_MESSAGE_FDS; i++)
		close_fd(&fds[i]);
	return r;
}

void ptirq_unmap_device(struct ptirq_map *map)
{
	if (map->addr)
		munmap(map->addr, map->size);
	*map = (struct ptirq_map){0};
}
