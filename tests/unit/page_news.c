/* SPDX-License-Identifier: MIT */
/*
 * The broker's half and a client's half of a page in two threads, for TSan (hence without Criterion):
 * no news is lost although the eventfd is written only on a summary's way from 0, a slot is never read
 * half written, and an ack word is never seen before it was stored.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/page.h"

#define SLOTS    131 /* of three words */
#define ROUNDS   2000
#define REWRITES 3000000

static struct page_irq irq;
static struct page_ack ack;
static int wake, ack_fd;

static void signal_fd(int fd)
{
	if (write(fd, &(uint64_t){1}, 8) != 8)
		abort();
}

/* False: nothing came for ten seconds, which is a lost wake. */
static bool wait_fd(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t drained;

	return poll(&p, 1, 10000) == 1 && read(fd, &drained, 8) == 8;
}

static void fail(const char *what, uint32_t slot)
{
	fprintf(stderr, "%s: slot %u\n", what, slot);
	exit(1);
}

static struct page_ask load(uint32_t slot)
{
	struct page_ask ask;

	while (!page_slot_load(&irq.slot[slot], &ask))
		;
	if (ask.count != ask.round || ask.fired_at_ns != (uint64_t)ask.round << 32 ||
	    ask.status != ~ask.round || ask.unit != slot)
		fail("a slot read half written", slot);
	return ask;
}

static void answer(uint32_t slot)
{
	struct page_ask ask = load(slot);

	atomic_store_explicit(&ack.word[slot], PAGE_ACK(ask.round, 1), memory_order_release);
	if (page_news_post(&ack.to_broker, slot))
		signal_fd(ack_fd);
}

static void *client(void *unused)
{
	uint32_t left = SLOTS * ROUNDS;

	while (left > 0) {
		if (!wait_fd(wake))
			fail("a wake was lost", left);
		for (uint64_t words = page_news_take(&ack.to_client); words; words &= words - 1) {
			uint32_t w = __builtin_ctzll(words);
			uint64_t bits = page_news_take_word(&ack.to_client, w);

			for (; bits; bits &= bits - 1, left--)
				answer(w * 64 + __builtin_ctzll(bits));
		}
	}
	return unused;
}

static void store(uint32_t slot, uint32_t round)
{
	page_slot_store(&irq.slot[slot], &(struct page_ask){
						 .round = round,
						 .fired_at_ns = (uint64_t)round << 32,
						 .count = round,
						 .status = ~round,
						 .unit = slot,
					 });
}

static void ask(uint32_t slot, uint32_t round)
{
	store(slot, round);
	if (page_news_post(&ack.to_client, slot))
		signal_fd(wake);
}

/* Asks that come faster than a client looks: what it reads is one of them, never two. */
static void *reader(void *unused)
{
	signal_fd(wake);
	while (load(SLOTS).round < REWRITES)
		;
	return unused;
}

static int rewritten_while_read(void)
{
	pthread_t thread;

	store(SLOTS, 1);
	if (pthread_create(&thread, NULL, reader, NULL) != 0)
		return 1;
	if (!wait_fd(wake))
		fail("no reader", SLOTS);
	for (uint32_t round = 2; round <= REWRITES; round++)
		store(SLOTS, round);
	return pthread_join(thread, NULL);
}

int main(void)
{
	uint32_t round[SLOTS], done = 0;
	pthread_t thread;

	page_irq_init(&irq, 1);
	page_ack_init(&ack, 1);
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ack_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0 || ack_fd < 0 || pthread_create(&thread, NULL, client, NULL) != 0)
		return 1;
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		ask(slot, round[slot] = 1);
	while (done < SLOTS) {
		if (!wait_fd(ack_fd))
			fail("an ack was lost", done);
		for (uint64_t words = page_news_take(&ack.to_broker); words; words &= words - 1) {
			uint32_t w = __builtin_ctzll(words);
			uint64_t bits = page_news_take_word(&ack.to_broker, w);

			for (; bits; bits &= bits - 1) {
				uint32_t slot = w * 64 + __builtin_ctzll(bits);
				uint64_t word =
					atomic_load_explicit(&ack.word[slot], memory_order_acquire);

				if (word != PAGE_ACK(round[slot], 1))
					fail("an ack of another round", slot);
				if (round[slot] == ROUNDS)
					done++;
				else
					ask(slot, ++round[slot]);
			}
		}
	}
	pthread_join(thread, NULL);
	printf("%u rounds on %u slots, none lost\n", SLOTS * ROUNDS, SLOTS);
	return rewritten_while_read();
}
