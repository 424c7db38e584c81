/* SPDX-License-Identifier: MIT */
/*
 * The shared pages: the fast path between the broker and one client.
 *
 * Two memfds, made and sized by the broker, new ones in every epoch (T13 to T15):
 *
 *   irq page   only the broker writes it. A header, then one slot (a cache line) for each unit of
 *              each subscription: what was asked.
 *   ack page   the client writes it too. A header, the news words of both directions, then one
 *              64-bit ack word for each slot. The broker treats all of it as untrusted hints; an
 *              ack word is loaded once and then judged like any message (T16).
 *
 * News: bit s of news.bits[s / 64] says that slot s has changed, bit w of news.summary that bits[w]
 * is not zero.
 *
 *   sender:    store-release the slot (or the ack word); fetch_or the bit; fetch_or the summary
 *              (seq_cst); write the eventfd only if the summary was 0.
 *   receiver:  woken: exchange the summary to 0 (seq_cst), then each named word to 0, then read.
 *
 * A receiver that is going to look again before it sleeps may set `awake` meanwhile, and is then not
 * written to. Before it sleeps: store awake = 0 (seq_cst), then look at the summary once more.
 *
 * So no news is lost: whoever finds the summary non-zero knows that the receiver has yet to take it.
 * Nobody needs to read the eventfds when they are watched edge-triggered.
 *
 * Plain loads and stores of Python or Go can follow it too; docs/protocol.md says how.
 */
#ifndef PTIRQ_PAGE_H
#define PTIRQ_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

#define PAGE_MAGIC UINT64_C(0x3167707172697470) /* "ptirqpg1", little endian */
#define PAGE_MAJOR 1                            /* an unknown major is refused */
#define PAGE_MINOR 1                            /* a larger minor only adds; 1: page_slot.path */

/* The same numbers as enum arb_ask_flags where both have a name (a test holds them together). */
enum ptirq_slot_flags {
	SLOT_PROBE = 1 << 0,    /* a late subscriber's chance to come back */
	SLOT_MAYBE = 1 << 1,    /* at least once: perhaps nothing is there */
	SLOT_NOTIFIED = 1 << 2, /* the source has woken it */
	SLOT_HEDGE = 1 << 3,    /* another subscriber was asked before */
	SLOT_EDGE = 1 << 4,     /* no verdict is owed */
	SLOT_RETRACTED =
		1 << 5, /* the verdict is owed no more; one given late still counts as late */
};

/* Which way this slot's interrupts take (A11). */
enum page_path { PAGE_BROKERED, PAGE_NOTIFY, PAGE_DIRECT, PAGE_N_PATHS };

struct page_header {
	uint64_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t size; /* of the whole page, in bytes */
	uint64_t epoch;
	uint32_t count;            /* slots */
	uint32_t stride;           /* from slot to slot, in bytes */
	uint32_t slots_offset;     /* the first slot (irq page) or ack word (ack page) */
	uint32_t to_client_offset; /* ack page: struct page_news of the broker's news */
	uint32_t to_broker_offset; /* ack page: struct page_news of the client's news */
	uint32_t vectors_offset;   /* 0: none. Reserved for vector-pending bits */
	uint8_t reserved[16];
};
_Static_assert(sizeof(struct page_header) == 64, "the header is one cache line");

/*
 * The sender stores round = 0, then the rest, then the round with release. A receiver reads the round
 * (acquire), the rest, and the round again: if it was 0 or has changed, it reads the slot once more.
 */
struct page_slot {
	_Atomic uint32_t round;       /* 0: never asked, or being written */
	_Atomic uint32_t flags;       /* enum ptirq_slot_flags */
	_Atomic uint64_t fired_at_ns; /* CLOCK_MONOTONIC */
	_Atomic uint64_t count;       /* asks on this slot so far */
	_Atomic uint64_t missed;      /* asks that were retracted or timed out */
	_Atomic uint32_t status;      /* devices known to assert, one bit each */
	_Atomic uint32_t unit;
	_Atomic uint32_t path; /* enum page_path, at this moment; not part of the ask */
	uint8_t reserved[20];
};
_Static_assert(sizeof(struct page_slot) == 64, "a slot is one cache line");

#define PAGE_NEWS_WORDS (LIMIT_SLOTS / 64)
struct page_news {
	_Atomic uint64_t summary;
	_Atomic uint64_t awake;
	uint8_t reserved[48];
	_Atomic uint64_t bits[PAGE_NEWS_WORDS];
};
_Static_assert(sizeof(struct page_news) % 64 == 0, "directions do not share a cache line");
_Static_assert(PAGE_NEWS_WORDS <= 64, "one summary word");

/*
 * An ack word holds round and verdict together, so that they cannot be mixed up. On the notify path
 * round 0 is whichever the source woke the client for: the open one, or the one to come.
 */
#define PAGE_ACK(round, verdict) ((uint64_t)(round) << 32 | (uint32_t)(verdict))
#define PAGE_ACK_ROUND(word)     ((uint32_t)((word) >> 32))
#define PAGE_ACK_VERDICT(word)   ((uint32_t)(word))

#define PAGE_IRQ_SIZE            (64 + LIMIT_SLOTS * sizeof(struct page_slot))
#define PAGE_ACK_TO_CLIENT       64
#define PAGE_ACK_TO_BROKER       (PAGE_ACK_TO_CLIENT + sizeof(struct page_news))
#define PAGE_ACK_WORDS           (PAGE_ACK_TO_BROKER + sizeof(struct page_news))
#define PAGE_ACK_SIZE            (PAGE_ACK_WORDS + LIMIT_SLOTS * sizeof(uint64_t))

struct page_irq {
	struct page_header header;
	struct page_slot slot[LIMIT_SLOTS];
};
struct page_ack {
	struct page_header header;
	struct page_news to_client;
	struct page_news to_broker;
	_Atomic uint64_t word[LIMIT_SLOTS];
};
_Static_assert(sizeof(struct page_irq) == PAGE_IRQ_SIZE, "layout");
_Static_assert(sizeof(struct page_ack) == PAGE_ACK_SIZE, "layout");

/* Fill in a fresh, zeroed page. */
void page_irq_init(struct page_irq *page, uint64_t epoch);
void page_ack_init(struct page_ack *page, uint64_t epoch);

/*
 * For a receiver: 0, or -EPROTO (magic), -EPROTONOSUPPORT (major), -EINVAL (offsets or sizes that do
 * not fit in @size bytes or in this build's layout).
 */
int page_header_check(const struct page_header *header, size_t size);

/* What a slot says, taken as a whole. */
struct page_ask {
	uint32_t round;
	uint32_t flags;
	uint64_t fired_at_ns;
	uint64_t count;
	uint64_t missed;
	uint32_t status;
	uint32_t unit;
};

/*
 * The broker's half; one writer. @ask->round is not 0. Release on every word, acquire on every load:
 * whoever sees a new word also sees that the round was taken back before it. (No fences: TSan does not
 * understand them.)
 */
static inline void page_slot_store(struct page_slot *slot, const struct page_ask *ask)
{
	atomic_store_explicit(&slot->round, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->flags, ask->flags, memory_order_release);
	atomic_store_explicit(&slot->fired_at_ns, ask->fired_at_ns, memory_order_release);
	atomic_store_explicit(&slot->count, ask->count, memory_order_release);
	atomic_store_explicit(&slot->missed, ask->missed, memory_order_release);
	atomic_store_explicit(&slot->status, ask->status, memory_order_release);
	atomic_store_explicit(&slot->unit, ask->unit, memory_order_release);
	atomic_store_explicit(&slot->round, ask->round, memory_order_release);
}

/* False: never asked, or being written at this moment: look again. @ret is then untouched. */
static inline bool page_slot_load(const struct page_slot *slot, struct page_ask *ret)
{
	struct page_ask ask;

	ask.round = atomic_load_explicit(&slot->round, memory_order_acquire);
	ask.flags = atomic_load_explicit(&slot->flags, memory_order_acquire);
	ask.fired_at_ns = atomic_load_explicit(&slot->fired_at_ns, memory_order_acquire);
	ask.count = atomic_load_explicit(&slot->count, memory_order_acquire);
	ask.missed = atomic_load_explicit(&slot->missed, memory_order_acquire);
	ask.status = atomic_load_explicit(&slot->status, memory_order_acquire);
	ask.unit = atomic_load_explicit(&slot->unit, memory_order_acquire);
	if (ask.round == 0 || atomic_load_explicit(&slot->round, memory_order_relaxed) != ask.round)
		return false;
	*ret = ask;
	return true;
}

/* The sender's half. True: the receiver may be asleep, so write the eventfd. */
static inline bool page_news_post(struct page_news *news, uint32_t slot)
{
	atomic_fetch_or_explicit(&news->bits[slot / 64], UINT64_C(1) << slot % 64,
				 memory_order_release);
	return atomic_fetch_or_explicit(&news->summary, UINT64_C(1) << slot / 64,
					memory_order_seq_cst) == 0 &&
	       !atomic_load_explicit(&news->awake, memory_order_seq_cst);
}

/* The receiver's: it will look at the news without being told ... */
static inline void page_news_awake(struct page_news *news)
{
	atomic_store_explicit(&news->awake, 1, memory_order_relaxed);
}

/* ... and from now on it must be told again. False: of what has come meanwhile it has not been. */
static inline bool page_news_asleep(struct page_news *news)
{
	atomic_store_explicit(&news->awake, 0, memory_order_seq_cst);
	return !atomic_load_explicit(&news->summary, memory_order_seq_cst);
}

/*
 * The receiver's half: which words have news, then the news of each. Bits of words that do not exist
 * are dropped, whatever the other side wrote.
 */
static inline uint64_t page_news_take(struct page_news *news)
{
	return atomic_exchange_explicit(&news->summary, 0, memory_order_seq_cst) &
	       (UINT64_MAX >> (64 - PAGE_NEWS_WORDS));
}

static inline uint64_t page_news_take_word(struct page_news *news, uint32_t word)
{
	return atomic_exchange_explicit(&news->bits[word], 0, memory_order_acquire);
}

#endif
