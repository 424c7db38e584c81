/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A line: all devices of one interrupt that are bound to this module, behind one handler.
 *
 * Locks, outermost first:
 *   ptirq_lines_lock    the list of lines, and how many devices use each (ptirq_main.c)
 *   line->mutex         who holds the line and who may signal: membership, eventfds, UIO opens
 *   an eventfd's own    held by whoever signals it; a resample eventfd acknowledges under it
 *   line->lock          the devices' states, their masks and the status page; taken in the handler
 * The UIO core's info_lock may be held when line->mutex is taken, never the other way round.
 *
 * What is signalled is found under SRCU, after line->lock was dropped: devs[], the eventfds.
 */
#ifndef PTIRQ_LINE_H
#define PTIRQ_LINE_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/hrtimer.h>
#include <linux/irqreturn.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/uio_driver.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "ptirq_cpa.h"
#include "ptirq_state.h"
#include "ptirq_uio_abi.h"

struct ptirq_resample;
struct ptirq_targets;

enum ptirq_target {
	PTIRQ_NOTIFY,
	PTIRQ_TRIGGER,
	PTIRQ_TARGETS,
};

/* The eventfds of a device, or those of the line, which stand for devices that have none. */
struct ptirq_signals {
	struct ptirq_targets __rcu *targets[PTIRQ_TARGETS]; /* who is told */
	struct ptirq_resample *resample;                    /* who acknowledges */
};

/* What is masked and acknowledged by itself has a number: a device's own, or this for the line. */
#define PTIRQ_LINE_UNIT PTIRQ_UIO_MAX_DEVICES

/* How we are on the interrupt (ptirq_member.c). */
enum ptirq_action {
	PTIRQ_NO_ACTION,
	PTIRQ_SHARED,    /* each device is a unit: with anyone */
	PTIRQ_EXCLUSIVE, /* the line is one unit: with nobody, and enabled only by us */
};

/* Why the line is masked at the interrupt controller (ptirq_level.c): bits. */
enum ptirq_why {
	PTIRQ_WHY_UNIT = 1,     /* the unit that fired is, or was asked to be */
	PTIRQ_WHY_ARRIVING = 2, /* a device that is being bound asserts and has no mask */
	PTIRQ_WHY_STRAY = 4,    /* a device that nobody has asserts: rests until the deadline */
};

struct ptirq_dev {
	struct device *dev;   /* on its bus; what it is called */
	struct pci_dev *pdev; /* NULL if it is none: nothing of it can be reached then, caps is 0 */
	u32 caps;             /* PTIRQ_UIO_CAN_MASK, PTIRQ_UIO_HAS_STATUS */
	struct ptirq_line *line;
	unsigned int nr; /* on the line */
	struct uio_info info;
	unsigned int uio_opens; /* 0: the line's holder has it; changes under line->mutex */
	struct ptirq_signals signals;
};

struct ptirq_line {
	struct device dev; /* its release frees the line: files and devices have a reference */
	struct cdev cdev;
	struct list_head node;
	unsigned int users;
	unsigned int id;
	int irq;
	u32 type; /* with which the wire asserts (ptirq_wire.h) */
	char name[16];

	struct mutex mutex; /* what follows, and changes of devs[] */
	bool alive;
	bool held;
	enum ptirq_action action;
	struct ptirq_signals signals;
	wait_queue_head_t wait;

	spinlock_t lock; /* what follows */
	struct ptirq_dev __rcu *devs[PTIRQ_UIO_MAX_DEVICES];
	struct ptirq_state states[PTIRQ_UIO_ENTRIES]; /* by unit */
	u32 present;                                  /* bit N: devs[N] is there */
	bool one_unit; /* changes under line->mutex as well, with action */
	bool maskable; /* by the interrupt controller */
	u8 masked;     /* enum ptirq_why; we hold one disable depth unless it is 0 */
	enum ptirq_uio_mode mode;
	u32 mode_flags;
	unsigned int first; /* to be looked at when it fires */
	unsigned int finds;
	unsigned int unclaimed; /* calls of the handler in a row */
	struct ptirq_uio_page *page;

	struct ptirq_cpa cpa;    /* ptirq_cpa.c */
	struct hrtimer deadline; /* ptirq_level.c */
	bool ticking;
	u64 deadline_ns;
	struct delayed_work lease; /* ptirq_lease.c */
	u64 lease_ns;
	u64 lease_wait;
	bool leased;
	bool looking;
};

/* ptirq_line.c: what happens to the units of a line; the latter two need line->lock */
irqreturn_t ptirq_line_handler(int irq, void *data);
int ptirq_line_ack(struct ptirq_line *line, unsigned int nr, u64 generation, bool keep_masked);
u32 ptirq_line_ack_current(struct ptirq_line *line, unsigned long units);
int ptirq_line_mask(struct ptirq_line *line, unsigned int nr);
int ptirq_line_unmask(struct ptirq_line *line, unsigned int nr);
void ptirq_line_sample(struct ptirq_line *line, struct ptirq_uio_sample *ret);
struct ptirq_dev *ptirq_line_locked_dev(struct ptirq_line *line, unsigned int nr);
void ptirq_line_mask_unit(struct ptirq_line *line, unsigned int nr);

/* ptirq_member.c: which devices are on a line; all but the first two need line->mutex */
int ptirq_line_join(struct ptirq_line *line, struct ptirq_dev *dev);
void ptirq_line_leave(struct ptirq_line *line, struct ptirq_dev *dev);
bool ptirq_line_has(struct ptirq_line *line, struct ptirq_dev *dev);
struct ptirq_dev *ptirq_line_dev(struct ptirq_line *line, u32 nr);
void ptirq_line_members_changed(struct ptirq_line *line);

/* ptirq_hold.c: who has a line or a device, and leaves it; all need line->mutex */
int ptirq_line_check_held(struct ptirq_line *line, unsigned int nr);
unsigned int ptirq_line_unit(struct ptirq_line *line, struct ptirq_dev *dev);
void ptirq_line_mask_held(struct ptirq_line *line);
void ptirq_line_unmask_held(struct ptirq_line *line);
void ptirq_line_hold(struct ptirq_line *line);
void ptirq_line_let_go(struct ptirq_line *line);
void ptirq_line_abandon(struct ptirq_line *line, struct ptirq_dev *dev);
int ptirq_line_set_mode(struct ptirq_line *line, u32 mode, u32 flags);
int ptirq_line_set_deadline(struct ptirq_line *line, u64 deadline_ns, u64 lease_ns);

/* ptirq_level.c: where it is masked; all but the last three need line->lock */
void ptirq_level_line(struct ptirq_line *line, enum ptirq_why why, bool masked);
unsigned int ptirq_level_alone(struct ptirq_line *line);
void ptirq_level_defer(struct ptirq_line *line);
void ptirq_level_rest(struct ptirq_line *line);
void ptirq_level_to_device(struct ptirq_line *line, unsigned int nr);
void ptirq_level_set_deadline(struct ptirq_line *line, u64 deadline_ns);
void ptirq_level_restore(struct ptirq_line *line, struct ptirq_dev *dev);
void ptirq_level_init(struct ptirq_line *line);
void ptirq_level_stop(struct ptirq_line *line);

/* ptirq_lease.c: a line that nobody holds; all but the last two need line->lock */
void ptirq_lease_begin(struct ptirq_line *line);
void ptirq_lease_end(struct ptirq_line *line);
bool ptirq_lease_fired(struct ptirq_line *line);
void ptirq_lease_set(struct ptirq_line *line, u64 lease_ns);
void ptirq_lease_init(struct ptirq_line *line);
void ptirq_lease_stop(struct ptirq_line *line);

/* ptirq_others.c: who else is on the interrupt */
bool ptirq_others(struct ptirq_line *line);
void ptirq_others_name(struct ptirq_line *line, char *ret_names, size_t size);

/* ptirq_page.c: the status page; the latter needs line->lock */
int ptirq_page_init(struct ptirq_line *line);
void ptirq_page_publish(struct ptirq_line *line, unsigned int nr);

/* ptirq_signal.c: who is told; all but the first need line->mutex */
void ptirq_line_signal(struct ptirq_line *line, u32 units);
struct ptirq_signals *ptirq_line_signals(struct ptirq_line *line, u32 device);
int ptirq_line_set_targets(struct ptirq_line *line, u32 device, enum ptirq_target kind,
			   struct ptirq_targets *targets);
void ptirq_signals_drop(struct ptirq_line *line, struct ptirq_signals **all, unsigned int count);
void ptirq_line_drop_signals(struct ptirq_line *line);
struct ptirq_targets *ptirq_targets_get(const s32 *fds, unsigned int count);
void ptirq_targets_put(struct ptirq_targets *targets);

/* ptirq_resample.c: who acknowledges; both need line->mutex */
int ptirq_line_set_resample(struct ptirq_line *line, u32 device, struct file *file);
void ptirq_resample_drop(struct ptirq_signals *signals);

/* ptirq_main.c: the list of lines */
struct ptirq_line *ptirq_line_get(int irq);
void ptirq_line_put(struct ptirq_line *line);
void ptirq_lines_arrived(void);

/* ptirq_cdev.c */
extern const struct file_operations ptirq_cdev_fops;

struct ptirq_file {
	struct ptirq_line *line;
	bool holds;
	u32 members; /* as of the last GET_INFO */
};

/* ptirq_request.c */
long ptirq_request(struct file *filep, unsigned int cmd, unsigned long arg);

/* ptirq_dev.c: a device's way onto its line and off it; dev and caps are set by its bus's driver */
int ptirq_dev_attach(struct ptirq_dev *dev, int irq);
void ptirq_dev_detach(struct ptirq_dev *dev);

/* ptirq_uiodev.c */
int ptirq_uiodev_register(struct ptirq_dev *dev);

/* ptirq_platform.c */
extern struct platform_driver ptirq_platform_driver;

/* ptirq_pci.c */
extern struct pci_driver ptirq_pci_driver;
void ptirq_pci_joins(const struct ptirq_dev *dev);
bool ptirq_pci_is_arriving(void);
bool ptirq_pci_mask_arriving(bool *ret_unmaskable);

#endif
