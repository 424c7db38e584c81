/* SPDX-License-Identifier: MIT */
/*
 * Owns the layout of the shared pages and of the soft device as docs/protocol.md prints it, and what
 * a client refuses to map. Threads are page_news.c's.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "proto/page.h"
#include "proto/softdev.h"
#include "tests/lib/fd_check.h"

TestSuite(page, .init = fd_check_begin, .fini = fd_check_end);

static struct page_irq irq;
static struct page_ack ack;

/* A client in another language has these numbers written down: they never change within a major. */
Test(page, layout)
{
	static const struct {
		size_t is, documented;
	} rows[] = {
		{offsetof(struct page_header, magic), 0},
		{offsetof(struct page_header, major), 8},
		{offsetof(struct page_header, minor), 10},
		{offsetof(struct page_header, size), 12},
		{offsetof(struct page_header, epoch), 16},
		{offsetof(struct page_header, count), 24},
		{offsetof(struct page_header, stride), 28},
		{offsetof(struct page_header, slots_offset), 32},
		{offsetof(struct page_header, to_client_offset), 36},
		{offsetof(struct page_header, to_broker_offset), 40},
		{offsetof(struct page_header, vectors_offset), 44},
		{offsetof(struct page_slot, round), 0},
		{offsetof(struct page_slot, flags), 4},
		{offsetof(struct page_slot, fired_at_ns), 8},
		{offsetof(struct page_slot, count), 16},
		{offsetof(struct page_slot, missed), 24},
		{offsetof(struct page_slot, status), 32},
		{offsetof(struct page_slot, unit), 36},
		{offsetof(struct page_news, summary), 0},
		{offsetof(struct page_news, bits), 64},
		{sizeof(struct page_news), 192},
		{offsetof(struct page_irq, slot), 64},
		{offsetof(struct page_ack, to_client), 64},
		{offsetof(struct page_ack, to_broker), 256},
		{offsetof(struct page_ack, word), 448},
		{PAGE_IRQ_SIZE, 65600},
		{PAGE_ACK_SIZE, 8640},
		{PAGE_ACK_TO_CLIENT, offsetof(struct page_ack, to_client)},
		{PAGE_ACK_TO_BROKER, offsetof(struct page_ack, to_broker)},
		{PAGE_ACK_WORDS, offsetof(struct page_ack, word)},
		{offsetof(struct softdev_regs, status), 0},
		{offsetof(struct softdev_regs, mask), 4},
		{offsetof(struct softdev_regs, counts), 8},
		{SOFTDEV_SIZE, 4096},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_assert_eq(rows[i].is, rows[i].documented, "row %zu: %zu", i, rows[i].is);
	page_irq_init(&irq, 1);
	cr_assert_eq(memcmp(&irq, "ptirqpg1", 8), 0);
	cr_assert_eq(PAGE_ACK(0x01020304, 2), UINT64_C(0x0102030400000002));
	cr_assert_eq(PAGE_ACK_ROUND(PAGE_ACK(UINT32_MAX, 3)), UINT32_MAX);
	cr_assert_eq(PAGE_ACK_VERDICT(PAGE_ACK(UINT32_MAX, 3)), 3);
}

Test(page, own_pages_pass)
{
	page_irq_init(&irq, 42);
	page_ack_init(&ack, 43);
	cr_assert_eq(irq.header.epoch, 42);
	cr_assert_eq(ack.header.epoch, 43);
	cr_assert_eq(page_header_check(&irq.header, sizeof(irq)), 0);
	cr_assert_eq(page_header_check(&ack.header, sizeof(ack)), 0);
	/* A mapping is a multiple of 4 KiB. */
	cr_assert_eq(page_header_check(&irq.header, sizeof(irq) + 4000), 0);
	/* A larger minor may have grown behind. */
	ack.header.minor = 7;
	ack.header.size += 512;
	ack.header.vectors_offset = sizeof(ack);
	cr_assert_eq(page_header_check(&ack.header, sizeof(ack) + 512), 0);
}

static int irq_with(size_t offset, uint32_t value)
{
	page_irq_init(&irq, 1);
	memcpy((uint8_t *)&irq + offset, &value, sizeof(value));
	return page_header_check(&irq.header, sizeof(irq));
}

static int ack_with(size_t offset, uint32_t value)
{
	page_ack_init(&ack, 1);
	memcpy((uint8_t *)&ack + offset, &value, sizeof(value));
	return page_header_check(&ack.header, sizeof(ack));
}

Test(page, headers_refused)
{
	cr_assert_eq(irq_with(0, 0x21212121), -EPROTO);
	cr_assert_eq(irq_with(4, 0x21212121), -EPROTO);
	cr_assert_eq(irq_with(8, PAGE_MAJOR + 1), -EPROTONOSUPPORT);
	cr_assert_eq(irq_with(8, 0), -EPROTONOSUPPORT);
	cr_assert_eq(irq_with(8, PAGE_MAJOR | 9 << 16), 0, "a minor");
	cr_assert_eq(irq_with(12, sizeof(irq) + 1), -EINVAL);
	cr_assert_eq(irq_with(12, sizeof(irq) - 1), -EINVAL);
	cr_assert_eq(irq_with(24, LIMIT_SLOTS + 1), -EINVAL);
	cr_assert_eq(irq_with(24, 0), -EINVAL);
	cr_assert_eq(irq_with(28, 128), -EINVAL);
	cr_assert_eq(irq_with(28, 0), -EINVAL);
	cr_assert_eq(irq_with(32, 0), -EINVAL);
	cr_assert_eq(irq_with(32, UINT32_MAX), -EINVAL);
	cr_assert_eq(irq_with(36, 64), -EINVAL, "neither an irq page nor an ack page");
	cr_assert_eq(irq_with(40, 64), -EINVAL);
	cr_assert_eq(irq_with(44, sizeof(irq) + 1), -EINVAL);
	cr_assert_eq(ack_with(36, 0), -EINVAL);
	cr_assert_eq(ack_with(36, 128), -EINVAL);
	cr_assert_eq(ack_with(40, 64), -EINVAL);
	cr_assert_eq(ack_with(32, 64), -EINVAL);
	cr_assert_eq(ack_with(12, sizeof(ack) - 1), -EINVAL);

	page_irq_init(&irq, 1);
	cr_assert_eq(page_header_check(&irq.header, 63), -EINVAL);
	cr_assert_eq(page_header_check(&irq.header, 64), -EINVAL);
	cr_assert_eq(page_header_check(&irq.header, sizeof(irq) - 1), -EINVAL);
}

Test(page, slot)
{
	struct page_ask in = {7, SLOT_PROBE, 123, 4, 1, 2, 3}, out;

	memset(&out, 0xaa, sizeof(out));
	cr_assert_not(page_slot_load(&irq.slot[5], &out), "never asked");
	cr_assert_eq(out.round, 0xaaaaaaaa, "untouched on failure");
	page_slot_store(&irq.slot[5], &in);
	cr_assert(page_slot_load(&irq.slot[5], &out));
	cr_assert_eq(memcmp(&in, &out, sizeof(in)), 0);
}

Test(page, news)
{
	cr_assert(page_news_post(&ack.to_client, 0), "the first needs a wake");
	cr_assert_not(page_news_post(&ack.to_client, 0));
	cr_assert_not(page_news_post(&ack.to_client, LIMIT_SLOTS - 1));
	cr_assert_eq(page_news_take(&ack.to_client), 1 | 1 << (PAGE_NEWS_WORDS - 1));
	cr_assert_eq(page_news_take_word(&ack.to_client, 0), 1);
	cr_assert_eq(page_news_take_word(&ack.to_client, PAGE_NEWS_WORDS - 1), UINT64_C(1) << 63);
	cr_assert_eq(page_news_take(&ack.to_client), 0);
	cr_assert(page_news_post(&ack.to_client, 64), "taken: the next needs a wake");
}

Test(page, nobody_wakes_the_awake)
{
	page_news_awake(&ack.to_client);
	cr_assert_not(page_news_post(&ack.to_client, 3));
	cr_assert_not(page_news_asleep(&ack.to_client), "there is news it was not told of");
	cr_assert_not(page_news_post(&ack.to_client, 4), "not taken yet");
	page_news_take(&ack.to_client);
	cr_assert(page_news_asleep(&ack.to_client));
	cr_assert(page_news_post(&ack.to_client, 3));
}

/* T16: what a client writes over the summary never names a word that is not there. */
Test(page, forged_summary)
{
	atomic_store(&ack.to_broker.summary, UINT64_MAX);
	cr_assert_eq(page_news_take(&ack.to_broker), (UINT64_C(1) << PAGE_NEWS_WORDS) - 1);
}
