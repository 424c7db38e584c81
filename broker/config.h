/* SPDX-License-Identifier: MIT */
/*
 * The configuration: /etc/ptirq/ptirq.conf and drop-ins, as one flat struct.
 *
 * Pointer-free on purpose: the opener process reads the files, and passes the result to the loop
 * process as the bytes of this struct in a memfd. ptirq.conf(5) is the manual of the keys.
 */
#ifndef PTIRQ_CONFIG_H
#define PTIRQ_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/limits.h"

#define CONFIG_ALLOWED 16 /* allow-user= and allow-group= entries of one line, each */

enum config_source { CONFIG_SIM, CONFIG_UIO, CONFIG_HELPER };
/* As enum ptirq_uio_mode has them. */
enum config_mode { CONFIG_ADAPTIVE, CONFIG_DEVICE, CONFIG_CPA };
enum config_trigger { CONFIG_LEVEL, CONFIG_EDGE };

/* A device of a line: device=, repeated. */
struct device_config {
	char name[LIMIT_NAME]; /* what clients call it; default: the address */
	char address
		[LIMIT_PATH]; /* uio: PCI address, UIO name, "uio3", or a sysfs path; helper: PCI address, platform device or a sysfs path; sim: unused */
	bool grant;           /* grant=: its registers may be handed to subscribers */
	bool unsafe_dma;      /* unsafe-dma=yes: even without an IOMMU */
	bool use_status;      /* status=no: its status bit lies, do not attribute by it (T32) */
	bool has_mask;        /* mask=no: has no mask of its own; uio: each has */
	bool sim_status;      /* sim: has a status bit */
};

struct line_config {
	char name[LIMIT_NAME];
	char origin[LIMIT_PATH]; /* "FILE:LINE" of its section, for messages */
	enum config_source source;
	enum config_trigger trigger;
	enum config_mode mode; /* mode=: helper: where and whether the kernel masks */
	bool stop_dma;         /* stop-dma=: helper: bus mastering ends with the broker */
	uint8_t policy;        /* enum arb_policy */
	uint8_t n_devices;
	uint32_t max_subscribers;
	uint64_t deadline_ns;       /* deadline=: of one ask; 0: the default */
	uint64_t round_deadline_ns; /* round-deadline= */
	uint64_t hedge_ns;          /* hedge= */
	uint32_t storm_rate;        /* storm-rate=: rounds per second */
	uint32_t storm_burst;       /* storm-burst= */
	bool direct;                /* direct=: a subscriber may have it past the broker */
	uint8_t n_users;
	uint8_t n_groups;
	uid_t user[CONFIG_ALLOWED];
	gid_t group[CONFIG_ALLOWED];
	bool allow_all; /* allow-user=*; also what --sim uses */
	struct device_config device[LIMIT_DEVICES_PER_LINE];
};

struct config {
	uint32_t magic; /* the layout of this build: both processes are one binary */
	uint32_t n_lines;
	char socket[LIMIT_PATH];     /* [broker] socket= */
	uint32_t socket_mode;        /* socket-mode=, octal; default 0666: policy is per line */
	int32_t fifo_priority;       /* fifo-priority=; 0: leave the scheduler alone */
	int32_t cpu;                 /* cpu=; -1: any */
	char cpu_origin[LIMIT_PATH]; /* "FILE:LINE" of cpu=, for messages */
	bool mlock;                  /* mlock= */
	uint32_t max_clients;
	struct line_config line[LIMIT_LINES];
};

/* Only defaults, no line. */
void config_default(struct config *ret);

/* What `ptirq-broker --sim` runs on: one level-triggered line "demo" of three soft devices "dev0" to
 * "dev2", each with status and mask, granted to anybody who can reach the socket. */
void config_sim(struct config *ret);

/*
 * Read @path (a file; then PATH.d/ *.conf in name order, then, for the default path, the same under
 * CONFIG_INSTALLED_PATH for names not overridden). 0 or -errno; then @problem is "FILE:LINE: what is wrong and
 * what would be right". @ret is untouched on failure. Opens files: for the opener and --check-config.
 */
int config_load(const char *path, struct config *ret, char problem[LIMIT_TEXT]);

/* The keys of [broker], comma by comma, in which two configurations differ; true if there are any. All
 * of them are taken at the start only. */
bool config_broker_differs(const struct config *a, const struct config *b, char ret[LIMIT_TEXT]);

/* As source= has it. */
const char *config_source_name(enum config_source source);

/* "0000:00:05.0", or "00:05.0" with domain 0; @ret is the whole of it. */
bool config_pci_address(const char *text, char ret[LIMIT_NAME]);

#define CONFIG_DEFAULT_PATH "/etc/ptirq/ptirq.conf"

#endif
