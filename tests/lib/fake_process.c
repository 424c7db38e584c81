// SPDX-License-Identifier: MIT
/*
 * The fake broker's process. Owns its sockets, its pages and its eventfds; must not share code with
 * the broker or the library above proto/.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/channel.h"
#include "tests/lib/fake_internal.h"

static struct {
	int control, listener, client;
	char path[64];
	int wake, ack, own_wake, own_resample;
	struct page_irq *irq_page;
	struct page_ack *ack_page;
	uint64_t epoch;
	uint32_t units, next_slot, next_subscription;
	bool bad_pages, refuse[WIRE_N_REQUESTS], interject, follow;
	struct wire_status refusal[WIRE_N_REQUESTS];
	struct wire_event interjection;
	unsigned int count[WIRE_N_REQUESTS];
	struct wire_request last[WIRE_N_REQUESTS];
} me;

static void send_fds(const uint8_t *buf, int n, const int *fds, size_t n_fds)
{
	assert(n > 0);
	/* The test may have closed its end: that is for the test to judge. */
	(void)channel_send(me.client, buf, (size_t)n, fds, n_fds);
}

static void send_event(const struct wire_event *event, const int *fds, size_t n_fds)
{
	uint8_t buf[LIMIT_MESSAGE];

	send_fds(buf, wire_event_encode(event, buf), fds, n_fds);
}

static void *make_page(size_t size, int *ret_fd)
{
	void *page;

	*ret_fd = memfd_create("fake", MFD_CLOEXEC);
	assert(*ret_fd >= 0 && ftruncate(*ret_fd, (off_t)size) == 0);
	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
	assert(page != MAP_FAILED);
	return page;
}

static void new_epoch(void)
{
	struct wire_event event = {.kind = WIRE_EV_EPOCH};
	int fds[2];

	if (me.irq_page) {
		munmap(me.irq_page, sizeof(*me.irq_page));
		munmap(me.ack_page, sizeof(*me.ack_page));
	}
	event.epoch.epoch = ++me.epoch;
	me.irq_page = make_page(sizeof(*me.irq_page), &fds[0]);
	me.ack_page = make_page(sizeof(*me.ack_page), &fds[1]);
	page_irq_init(me.irq_page, me.epoch);
	page_ack_init(me.ack_page, me.epoch);
	if (me.bad_pages)
		me.irq_page->header.major = PAGE_MAJOR + 1;
	me.bad_pages = false;
	send_event(&event, fds, 2);
	close(fds[0]);
	close(fds[1]);
}

static void close_client(void)
{
	int *fds[] = {&me.client, &me.wake, &me.ack, &me.own_wake, &me.own_resample};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static void answer_lines(uint32_t cursor, struct wire_reply *reply)
{
	reply->kind = WIRE_REP_LINES;
	for (uint32_t i = cursor; i < FAKE_LINES && reply->lines.n < WIRE_LINES_PER_REPLY; i++)
		snprintf(reply->lines.line[reply->lines.n++].name, LIMIT_NAME, "line%u", i);
	reply->lines.next_cursor =
		cursor + reply->lines.n < FAKE_LINES ? cursor + reply->lines.n : 0;
}

static void answer_line(const char *name, struct wire_reply *reply)
{
	reply->kind = WIRE_REP_LINE;
	reply->line.line = (struct wire_line){.units = 1, .devices = 2, .state = "idle"};
	snprintf(reply->line.line.name, LIMIT_NAME, "%s", name);
	reply->line.n_devices = 2;
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(reply->line.device[i].name, LIMIT_NAME, "dev%u", i);
		reply->line.device[i].has_mask = i;
	}
}

static void answer_stats(uint64_t cursor, struct wire_reply *reply)
{
	reply->kind = WIRE_REP_STATS;
	reply->stats.n = 2;
	for (uint32_t i = 0; i < 2; i++)
		reply->stats.row[i] = (struct wire_stats){
			.line = "line0",
			.unit = (uint32_t)cursor * 2 + i,
			.handled = 100 + cursor,
			.response = {.count = 7, .p99_ns = 9000},
		};
	reply->stats.next_cursor = cursor == 0;
}

/* fds are the reply's; the caller closes those that are not kept. */
static size_t answer(const struct wire_request *request, struct wire_reply *reply, int *fds,
		     bool *ret_close)
{
	*ret_close = false;
	switch (request->kind) {
	case WIRE_REQ_HELLO:
		reply->kind = WIRE_REP_HELLO;
		reply->hello.version = WIRE_VERSION;
		reply->hello.features = request->hello.features;
		fds[0] = me.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fds[1] = me.ack = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		return 2;
	case WIRE_REQ_SUBSCRIBE:
		reply->kind = WIRE_REP_SUBSCRIBE;
		reply->subscribe.subscription = ++me.next_subscription;
		reply->subscribe.first_slot = me.next_slot;
		reply->subscribe.n_units = me.units;
		for (uint32_t i = 0; i < me.units; i++)
			reply->subscribe.unit[i] = 10 + i;
		me.next_slot += me.units;
		if (!request->subscribe.own_eventfds)
			return 0;
		if (me.own_wake >= 0) {
			close(me.own_wake);
			close(me.own_resample);
		}
		fds[0] = me.own_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fds[1] = me.own_resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		return 2;
	case WIRE_REQ_LIST_LINES: answer_lines(request->list_lines.cursor, reply); return 0;
	case WIRE_REQ_GET_LINE: answer_line(request->get_line.line, reply); return 0;
	case WIRE_REQ_GET_STATS: answer_stats(request->get_stats.cursor, reply); return 0;
	case WIRE_REQ_GRANT_DEVICE:
		reply->kind = WIRE_REP_GRANT;
		reply->grant.n = 1;
		strcpy(reply->grant.region[0].name, "registers");
		reply->grant.region[0].size = 4096;
		fds[0] = memfd_create("registers", MFD_CLOEXEC);
		assert(ftruncate(fds[0], 4096) == 0 && pwrite(fds[0], "ptirq", 5, 0) == 5);
		fds[1] = eventfd(0, EFD_CLOEXEC);
		fds[2] = eventfd(0, EFD_CLOEXEC);
		*ret_close = true;
		return request->grant_device.kind == WIRE_GRANT_SIM_PIN ? 3 : 1;
	case WIRE_REQ_UNKNOWN:
	case WIRE_REQ_UNSUBSCRIBE:
	case WIRE_REQ_ACK:
	case WIRE_REQ_PARK:
	case WIRE_REQ_UNPARK:
	case WIRE_REQ_WATCH:
	case WIRE_REQ_RELEASE:
	case WIRE_REQ_RELOAD:
	case WIRE_REQ_SIM_ASSERT:
	case WIRE_N_REQUESTS: return 0;
	}
	return 0;
}

static void handle_request(void)
{
	struct wire_request request;
	struct wire_reply reply = {.kind = WIRE_REP_NONE};
	uint8_t buf[LIMIT_MESSAGE];
	int fds[LIMIT_MESSAGE_FDS] = {-1, -1, -1, -1};
	bool close_fds = false;
	size_t n_fds = 0;
	int n = channel_recv(me.client, buf);

	if (n <= 0) {
		if (n != -EAGAIN)
			close_client();
		return;
	}
	assert(wire_request_decode(buf, (size_t)n, &request) == 0);
	me.count[request.kind]++;
	me.last[request.kind] = request;
	reply.id = request.id;

	if (me.interject)
		send_event(&me.interjection, NULL, 0);
	me.interject = false;
	if (me.refuse[request.kind]) {
		me.refuse[request.kind] = false;
		reply.status = me.refusal[request.kind];
		if (reply.status.code == WIRE_OK)
			return;
	} else {
		n_fds = answer(&request, &reply, fds, &close_fds);
	}
	send_fds(buf, wire_reply_encode(&reply, buf), fds, n_fds);
	for (int i = 0; close_fds && i < LIMIT_MESSAGE_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (me.follow)
		send_event(&me.interjection, NULL, 0);
	me.follow = false;
	if (request.kind == WIRE_REQ_HELLO && reply.status.code == WIRE_OK)
		new_epoch();
}

static void accept_client(void)
{
	int fd = accept4(me.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	close_client();
	me.client = fd;
	me.next_slot = 0;
}

static void await_sleep(void)
{
	char path[32], stat[256], *state;
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = (int)read(fd, stat, sizeof(stat) - 1);
		close(fd);
		if (n <= 0)
			return;
		stat[n] = 0;
		state = strrchr(stat, ')');
	} while (state && state[2] != 'S' && usleep(200) == 0);
}

static void ask(const struct command *c)
{
	struct page_ask old = {0}, ask;

	page_slot_load(&me.irq_page->slot[c->slot], &old);
	ask = (struct page_ask){
		.round = c->round,
		.flags = c->flags,
		.fired_at_ns = 1000 + c->round,
		/* A retraction rewrites the slot of the same round. */
		.count = old.count + (old.round != c->round),
		.missed = old.missed,
		.status = c->round & 3,
	};
	page_slot_store(&me.irq_page->slot[c->slot], &ask);
	if (c->number)
		return;
	if (page_news_post(&me.ack_page->to_client, c->slot) && !c->flag)
		eventfd_write(me.wake, 1);
}

static uint64_t counter(int fd)
{
	eventfd_t value = 0;

	return eventfd_read(fd, &value) == 0 ? value : 0;
}

/* The ack word if its slot is among the news, which are kept for the next question otherwise. */
static uint64_t acked(uint32_t slot)
{
	_Atomic uint64_t *bits = &me.ack_page->to_broker.bits[slot / 64];
	uint64_t bit = UINT64_C(1) << slot % 64;

	page_news_take(&me.ack_page->to_broker);
	return atomic_fetch_and(bits, ~bit) & bit ? atomic_load(&me.ack_page->word[slot]) : 0;
}

static uint64_t obey(const struct command *c, struct answer *ret)
{
	struct pollfd unread = {.events = POLLIN};

	if (c->asleep) {
		await_sleep();
		/* What it sleeps for may be an answer to what it has just asked. */
		if (me.client < 0)
			accept_client();
		unread.fd = me.client;
		if (poll(&unread, 1, 0) == 1)
			handle_request();
	}
	switch (c->op) {
	case OP_REFUSE:
		me.refuse[c->number] = true;
		me.refusal[c->number] = c->status;
		return 0;
	case OP_INTERJECT:
		me.interject = !c->flag;
		me.follow = c->flag;
		me.interjection = c->event;
		return 0;
	case OP_UNITS: return me.units = c->number;
	case OP_BAD_PAGES: return me.bad_pages = true;
	case OP_EVENT: send_event(&c->event, NULL, 0); return 0;
	case OP_EPOCH: new_epoch(); return 0;
	case OP_HANG_UP: close_client(); return 0;
	case OP_LISTEN:
		if (me.listener >= 0) {
			close(me.listener);
			unlink(me.path);
			me.listener = -1;
		}
		if (c->flag)
			assert(channel_listen(me.path, 0600, &me.listener) == 0);
		return 0;
	case OP_GARBLE: channel_send(me.client, "\xff\xff\xff", 3, NULL, 0); return 0;
	case OP_KILL: return (uint64_t)kill(getppid(), (int)c->number);
	case OP_ASK: ask(c); return 0;
	case OP_ACKED: return acked(c->slot);
	case OP_ACK_WRITES: return counter(me.ack);
	case OP_OWN_WAKE: return (uint64_t)eventfd_write(me.own_wake, 1);
	case OP_OWN_RESAMPLED: return counter(me.own_resample);
	case OP_TAKE_PATH: atomic_store(&me.irq_page->slot[c->slot].path, c->number); return 0;
	case OP_CONNECTED: return me.client >= 0;
	case OP_COUNT: ret->request = me.last[c->number]; return me.count[c->number];
	}
	return 0;
}

void fake_process(int control, int listener, const char *path)
{
	struct command command;
	struct answer answer;

	me.control = control;
	me.listener = listener;
	me.client = me.wake = me.ack = me.own_wake = me.own_resample = -1;
	me.units = 1;
	snprintf(me.path, sizeof(me.path), "%s", path);
	for (;;) {
		struct pollfd p[] = {
			{.fd = me.control, .events = POLLIN},
			{.fd = me.client, .events = POLLIN},
			{.fd = me.listener, .events = POLLIN},
		};

		assert(poll(p, 3, -1) > 0);
		/* What the test has sent before it asks about it comes first. */
		if (p[1].revents)
			handle_request();
		else if (p[2].revents)
			accept_client();
		else if (p[0].revents) {
			if (recv(me.control, &command, sizeof(command), 0) != sizeof(command))
				return;
			memset(&answer, 0, sizeof(answer));
			answer.value = obey(&command, &answer);
			if (!command.asleep)
				assert(send(me.control, &answer, sizeof(answer), 0) ==
				       sizeof(answer));
		}
	}
}
