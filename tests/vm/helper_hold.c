// SPDX-License-Identifier: MIT
/*
 * Holds a line of the kernel helper and does to it what its standard input says, for scenarios that
 * look at each step. One answer a line: "ok ...", or the error's name.
 *
 *	info UNIT | page UNIT | head | sample
 *	ack UNIT [keep] | mask UNIT | unmask UNIT
 *	mode MODE FLAGS | deadline DEADLINE_NS LEASE_NS
 *	await UNIT STATE	within 10 s
 *	until COUNTER N		within 20 s: a counter of the page's head is at least N
 *
 * UNIT is a device's number or "line". Must not decide anything by itself.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/vm/helper.h"

static int line;
static const struct ptirq_uio_page *page;

static const char *const states[] = {"absent", "idle", "deferred", "masked"};
static const char *const levels[] = {"unmasked", "device", "line"};
static const char *const statuses[] = {"unknown", "clear", "asserted"};

static uint32_t unit_of(const char *word)
{
	return strcmp(word, "line") == 0 ? PTIRQ_UIO_LINE : (uint32_t)strtoul(word, NULL, 0);
}

static struct ptirq_uio_page_device entry(uint32_t unit)
{
	return helper_device(page, unit == PTIRQ_UIO_LINE ? PTIRQ_UIO_MAX_DEVICES : unit);
}

static void result(int ret)
{
	printf("%s\n", ret == 0 ? "ok" : strerrorname_np(-ret));
}

static void info(uint32_t unit)
{
	struct ptirq_uio_info info;
	int ret = helper_info(line, unit, &info);

	if (ret < 0)
		result(ret);
	else
		printf("ok devices=0x%x caps=0x%x name=%s\n", info.devices, info.caps, info.name);
}

static void show(uint32_t unit)
{
	struct ptirq_uio_page_device e = entry(unit);

	printf("ok state=%s level=%s status=%s generation=%" PRIu64 " interrupts=%" PRIu64
	       " again=%" PRIu64 "\n",
	       states[e.state], levels[e.mask_level], statuses[e.status], (uint64_t)e.generation,
	       (uint64_t)e.interrupts, (uint64_t)e.again);
}

static void head(void)
{
	printf("ok members=%u calls=%" PRIu64 " claimed=%" PRIu64 " repaired=%" PRIu64
	       " conversions=%" PRIu64 " leases=%" PRIu64 "\n",
	       page->members, (uint64_t)page->calls, (uint64_t)page->claimed,
	       (uint64_t)page->repaired, (uint64_t)page->conversions, (uint64_t)page->leases);
}

static void sample(void)
{
	struct ptirq_uio_sample s;
	int ret = helper_sample(line, &s);

	if (ret < 0)
		result(ret);
	else
		printf("ok devices=0x%x asserting=0x%x masked=0x%x unknown=0x%x level=%s "
		       "line_masked=%u\n",
		       s.devices, s.asserting, s.masked, s.unknown, statuses[s.level],
		       s.line_masked);
}

static void await(uint32_t unit, const char *state)
{
	for (int i = 0; i < 10000; i++) {
		if (strcmp(states[entry(unit).state], state) == 0) {
			show(unit);
			return;
		}
		usleep(1000);
	}
	printf("late: still %s\n", states[entry(unit).state]);
}

static void until(const char *counter, uint64_t n)
{
	const volatile __u64 *at = strcmp(counter, "leases") == 0  ? &page->leases
				   : strcmp(counter, "calls") == 0 ? &page->calls
								   : &page->conversions;

	for (int i = 0; i < 20000 && *at < n; i++)
		usleep(1000);
	printf("%s %s=%" PRIu64 "\n", *at < n ? "late:" : "ok", counter, (uint64_t)*at);
}

static void command(const char *verb, const char *a, const char *b)
{
	uint32_t unit = unit_of(a);

	if (strcmp(verb, "info") == 0)
		info(unit);
	else if (strcmp(verb, "page") == 0)
		show(unit);
	else if (strcmp(verb, "head") == 0)
		head();
	else if (strcmp(verb, "sample") == 0)
		sample();
	else if (strcmp(verb, "ack") == 0)
		result(helper_ack(line, unit, entry(unit).generation,
				  strcmp(b, "keep") == 0 ? PTIRQ_UIO_ACK_KEEP_MASKED : 0));
	else if (strcmp(verb, "mask") == 0)
		result(helper_mask(line, unit));
	else if (strcmp(verb, "unmask") == 0)
		result(helper_unmask(line, unit));
	else if (strcmp(verb, "mode") == 0)
		result(helper_request(line, PTIRQ_UIO_SET_MODE,
				      HELPER_REQUEST(ptirq_uio_mode_request, .mode = unit,
						     .flags = unit_of(b))));
	else if (strcmp(verb, "deadline") == 0)
		result(helper_request(line, PTIRQ_UIO_SET_DEADLINE,
				      HELPER_REQUEST(ptirq_uio_deadline,
						     .deadline_ns = strtoull(a, NULL, 0),
						     .lease_ns = strtoull(b, NULL, 0))));
	else if (strcmp(verb, "await") == 0)
		await(unit, b);
	else if (strcmp(verb, "until") == 0)
		until(a, strtoull(b, NULL, 0));
	else
		puts("what?");
}

int main(int argc, char **argv)
{
	char text[128], verb[16], a[32], b[32];

	if (argc != 2 && (argc != 3 || strcmp(argv[2], "--look") != 0))
		errx(2, "usage: helper_hold LINE [--look]");
	line = open(argv[1], (argc == 3 ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (line < 0)
		err(1, "%s", argv[1]);
	page = helper_page(line);
	if (page == MAP_FAILED)
		err(1, "mmap");
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(text, sizeof(text), stdin)) {
		a[0] = b[0] = '\0';
		if (sscanf(text, "%15s %31s %31s", verb, a, b) >= 1)
			command(verb, a, b);
	}
	return 0;
}
