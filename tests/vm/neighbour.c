// SPDX-License-Identifier: MIT
/*
 * Traffic for the in-kernel neighbour of the devices under test.
 *
 *	neighbour IFACE IFACE MS
 *
 * Sends a numbered frame each way between two interfaces of one network, every MS milliseconds, until
 * SIGTERM; then waits for those that are under way. Prints "sent=N received=N lost=N worst_us=N
 * behind=N"; fails if a frame was lost. "behind" is how many frames were under way one way at worst: a
 * card without interrupts falls behind by one every MS, a machine that is slow falls behind not
 * at all, as it does not send either.
 *
 * Must not know what else is on the interrupt.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

enum {
	ETHERTYPE = 0x88b5,    /* IEEE: for local experiments */
	PATIENCE_US = 2000000, /* for what is under way at the end */
	QUEUE = 1 << 21, /* bytes, so that a frame is not sent, or lost, only for the card's sake */
};

struct frame {
	struct ethhdr ethernet;
	uint64_t number;
	uint64_t sent_us;
	uint8_t padding[200];
} __attribute__((packed));

/* The traffic that a card receives; the other one sends it. */
struct direction {
	int fd;
	uint64_t sent;
	uint64_t received;
};

struct traffic {
	struct direction to[2];
	uint64_t worst_us;
	uint64_t behind;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int card_open(const char *name)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = htons(ETHERTYPE),
				      .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETHERTYPE));
	int queue = QUEUE;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof(queue)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		err(2, "%s", name);
	return fd;
}

/* A full queue is a frame not sent, and tells nothing of interrupts that are late. */
static void send_one(struct direction *to, int from, uint64_t *behind)
{
	struct frame frame = {.ethernet = {.h_proto = htons(ETHERTYPE)},
			      .number = to->sent + 1,
			      .sent_us = now_us()};

	memset(frame.ethernet.h_dest, 0xff, ETH_ALEN);
	if (send(from, &frame, sizeof(frame), 0) == sizeof(frame))
		to->sent++;
	else if (errno != ENOBUFS && errno != EAGAIN)
		err(1, "send");
	if (to->sent - to->received > *behind)
		*behind = to->sent - to->received;
}

static void receive(struct traffic *t, struct direction *to)
{
	struct frame frame;

	while (recv(to->fd, &frame, sizeof(frame), 0) == sizeof(frame)) {
		uint64_t now = now_us();

		if (frame.number <= to->received)
			errx(1, "frame %" PRIu64 " after %" PRIu64, frame.number, to->received);
		to->received++;
		if (now - frame.sent_us > t->worst_us)
			t->worst_us = now - frame.sent_us;
	}
}

static bool all_received(const struct traffic *t)
{
	return t->to[0].received == t->to[0].sent && t->to[1].received == t->to[1].sent;
}

static int signal_fd(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		err(2, "signalfd");
	return fd;
}

static int timer_fd(long ms)
{
	struct itimerspec period = {.it_interval.tv_nsec = ms * 1000000,
				    .it_value.tv_nsec = ms * 1000000};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &period, NULL) < 0)
		err(2, "timer");
	return fd;
}

static void run(struct traffic *t, long ms)
{
	struct pollfd fds[] = {{.fd = t->to[0].fd, .events = POLLIN},
			       {.fd = t->to[1].fd, .events = POLLIN},
			       {.fd = timer_fd(ms), .events = POLLIN},
			       {.fd = signal_fd(), .events = POLLIN}};
	uint64_t ticks, end_us = UINT64_MAX;

	while (now_us() < end_us && !(end_us != UINT64_MAX && all_received(t))) {
		if (poll(fds, 4, 100) < 0)
			err(1, "poll");
		receive(t, &t->to[0]);
		receive(t, &t->to[1]);
		if (fds[3].revents && end_us == UINT64_MAX) {
			end_us = now_us() + PATIENCE_US;
			fds[3].fd = -1;
		}
		/* However many ticks were missed: it is traffic, not a load. */
		if (read(fds[2].fd, &ticks, sizeof(ticks)) == sizeof(ticks) &&
		    end_us == UINT64_MAX) {
			send_one(&t->to[0], t->to[1].fd, &t->behind);
			send_one(&t->to[1], t->to[0].fd, &t->behind);
		}
	}
}

int main(int argc, char **argv)
{
	struct traffic t = {0};
	uint64_t sent, received;
	long ms = argc == 4 ? strtol(argv[3], NULL, 10) : 0;

	if (ms < 1 || ms > 999)
		errx(2, "usage: neighbour IFACE IFACE MS");
	prctl(PR_SET_TIMERSLACK, 1UL);
	t.to[0].fd = card_open(argv[1]);
	t.to[1].fd = card_open(argv[2]);
	run(&t, ms);
	sent = t.to[0].sent + t.to[1].sent;
	received = t.to[0].received + t.to[1].received;
	printf("sent=%" PRIu64 " received=%" PRIu64 " lost=%" PRIu64 " worst_us=%" PRIu64
	       " behind=%" PRIu64 "\n",
	       sent, received, sent - received, t.worst_us, t.behind);
	return sent > 0 && received == sent ? 0 : 1;
}
