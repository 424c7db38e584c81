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
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/uio_driver.h>
#include <linux/wait.h>

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
	struct ptirq_resample *resample; /* who acknowledges */
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
	char name[16];

	struct mutex mutex; /* what follows, and changes of devs[] */
	bool alive;
	bool held;
	struct ptirq_signals signals;
	wait_queue_head_t wait;

	spinlock_t lock; /* what follows */
	struct ptirq_dev __rcu *devs[PTIRQ_UIO_MAX_DEVICES];
	struct ptirq_state states[PTIRQ_UIO_MAX_DEVICES];
	unsigned int unclaimed; /* calls of the handler in a row */
	struct ptirq_uio_page *page;
};

/* ptirq_line.c: the devices of a line and what is done to them */
int ptirq_line_start(struct ptirq_line *line);
void ptirq_line_stop(struct ptirq_line *line);
int ptirq_line_join(struct ptirq_line *line, struct ptirq_dev *dev);
void ptirq_line_leave(struct ptirq_line *line, struct ptirq_dev *dev);
bool ptirq_line_has(struct ptirq_line *line, struct ptirq_dev *dev);
struct ptirq_dev *ptirq_line_dev(struct ptirq_line *line, u32 nr);
int ptirq_line_check_held(struct ptirq_line *line, u32 nr);
void ptirq_line_members_changed(struct ptirq_line *line);
int ptirq_line_ack(struct ptirq_line *line, unsigned int nr, u64 generation, bool keep_masked);
int ptirq_line_ack_current(struct ptirq_line *line, unsigned int nr);
int ptirq_line_mask(struct ptirq_line *line, unsigned int nr);
int ptirq_line_unmask(struct ptirq_line *line, unsigned int nr);
void ptirq_line_mask_held(struct ptirq_line *line);
void ptirq_line_unmask_held(struct ptirq_line *line);
void ptirq_line_sample(struct ptirq_line *line, struct ptirq_uio_sample *ret);
u32 ptirq_line_devices(struct ptirq_line *line);

/* ptirq_signal.c: who is told; all but the first need line->mutex */
void ptirq_line_signal(struct ptirq_line *line, u32 devices);
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

/* ptirq_pci.c */
extern struct pci_driver ptirq_pci_driver;
bool ptirq_pci_mask_arriving(void);

#endif
