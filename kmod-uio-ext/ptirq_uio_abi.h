/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * The interface of ptirq_uio.ko: /dev/ptirq/lineN, one per interrupt line.
 *
 * A file that is open for writing holds the line, and with it each of its devices that no UIO
 * program has open. There is one such file at a time: a second gets EBUSY, and so does a UIO
 * program that opens a device that is held. Requests for a device that a UIO program has open give
 * EBUSY; it is held from that program's close on. A file that is open for reading only may look:
 * GET_INFO, SAMPLE, poll and the status page; everything else gives EBADF.
 *
 * A device's interrupt is deferred: it is masked in the interrupt handler, and stays so until it is
 * acknowledged with the generation under which it fired. Devices have a number on their line,
 * below PTIRQ_UIO_MAX_DEVICES, from bind to unbind. A number may be used again, its generations
 * only grow.
 *
 * Where a device is masked is the module's choice, and may change while it is masked: at the
 * interrupt controller while it is alone on the interrupt (mask level LINE), by its own DisINTx
 * while the interrupt is shared with anyone (mask level DEVICE).
 *
 * A line with a device that has no working DisINTx or status bit, and a platform interrupt, is one
 * unit (PTIRQ_UIO_ONE_UNIT): nobody can tell whose the interrupt was, so the line is deferred as a
 * whole, masked at the interrupt controller, under a generation of its own. PTIRQ_UIO_LINE is then
 * what ACK, MASK and UNMASK name; ACK of one of its devices gives EOPNOTSUPP, while MASK and UNMASK
 * hold and free the DisINTx of one that has it, whatever the line's state is.
 *
 * Each request's structure begins with its size and flags. Structures grow at the end: a larger one
 * than the kernel's must be 0 there (E2BIG), one that is smaller than described here is refused
 * (EINVAL). Flags and reserved fields that are not described must be 0 (EINVAL). ENODEV: the line
 * has no such device, or not any more.
 *
 * poll: EPOLLPRI when a device came or went since this file's last GET_INFO of the line; EPOLLHUP
 * when the last has gone, after which the file is good for nothing but close.
 */
#ifndef PTIRQ_UIO_ABI_H
#define PTIRQ_UIO_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PTIRQ_UIO_ABI_MAJOR 1 /* differs: do not use */
#define PTIRQ_UIO_ABI_MINOR 1 /* grows with additions */

#define PTIRQ_UIO_MAX_DEVICES 31
#define PTIRQ_UIO_ENTRIES (PTIRQ_UIO_MAX_DEVICES + 1) /* of the status page */
#define PTIRQ_UIO_LINE 0xffffffffu /* instead of a device's number: the line, or all its devices */

#define PTIRQ_UIO_MAGIC 0x51525450u /* "PTRQ" in little endian */

enum ptirq_uio_state {
	PTIRQ_UIO_ABSENT,   /* no device has this number */
	PTIRQ_UIO_IDLE,     /* not masked: its next interrupt is deferred */
	PTIRQ_UIO_DEFERRED, /* masked since it fired, an acknowledgment is due */
	PTIRQ_UIO_MASKED,   /* masked by request, by KEEP_MASKED or because nobody holds it */
};

enum ptirq_uio_mask_level {
	PTIRQ_UIO_UNMASKED,
	PTIRQ_UIO_MASK_DEVICE, /* DisINTx, the device's own mask */
	PTIRQ_UIO_MASK_LINE,   /* the interrupt controller's */
};

/*
 * The interrupt status bit when the kernel last read it; it shows masked interrupts as well. What
 * has fired and is masked at the line asserts, without a look.
 */
enum ptirq_uio_status {
	PTIRQ_UIO_STATUS_UNKNOWN, /* not read since it was unmasked, or no answer */
	PTIRQ_UIO_STATUS_CLEAR,
	PTIRQ_UIO_STATUS_ASSERTED,
};

/*
 * The status page: mmap, PROT_READ, offset 0, one page. It stays readable after an unbind.
 *
 * A device's entry is consistent if seq was even and the same before and after it was read (with a
 * read barrier after the first and before the second look).
 */
struct ptirq_uio_page_device {
	__u32 seq;
	__u32 state;       /* enum ptirq_uio_state */
	__u32 mask_level;  /* enum ptirq_uio_mask_level */
	__u32 status;      /* enum ptirq_uio_status */
	__u64 generation;  /* what an acknowledgment must name */
	__u64 fired_at_ns; /* CLOCK_MONOTONIC, of that generation */
	__u64 interrupts;  /* generations from the interrupt handler */
	__u64 again;       /* generations from an unmask that found the device asserting */
	__u64 acks;
	__u64 stale_acks;
	__u64 reserved[4];
};

/*
 * Entry N is device N's; entry PTIRQ_UIO_MAX_DEVICES is the line's own: ABSENT unless it is one
 * unit. In mode CPA the line's entry is IDLE, and each change of its status is a new generation.
 */
struct ptirq_uio_page {
	__u32 magic;
	__u16 major;
	__u16 minor;
	__u32 size;          /* of the page */
	__u32 device_offset; /* where the array of entries begins */
	__u32 device_size;   /* from one entry to the next */
	__u32 device_count;  /* length of the array, the line's entry included */
	__u32 irq;           /* as in /proc/interrupts */
	__u32 members;       /* changes whenever a device comes or goes */
	__u64 calls;         /* of the interrupt handler, for neighbours' interrupts as well */
	__u64 claimed;       /* calls that found a device asserting */
	__u64 repaired;      /* masks that somebody else had taken away, and that were restored */
	__u64 conversions;   /* line masks moved to the devices, as somebody shares the line */
	__u64 leases;        /* looks at a line that nobody holds and that has no other mask */
	__u64 rests;         /* line masks until the deadline, as a device without driver asserts */
	__u64 reserved[4];
};

enum ptirq_uio_caps {
	PTIRQ_UIO_CAN_MASK = 1u << 0,   /* device: has a working DisINTx */
	PTIRQ_UIO_HAS_STATUS = 1u << 1, /* device: has a working status bit */
	PTIRQ_UIO_UIO_OPEN = 1u << 2,   /* device: a UIO program has it open */
	PTIRQ_UIO_ONE_UNIT = 1u << 3,   /* line: deferred as a whole */
	PTIRQ_UIO_SHARED = 1u << 4,     /* line: somebody else's handler is on the interrupt */
	PTIRQ_UIO_HAS_LEVEL = 1u << 5,  /* line: SAMPLE's level is the wire's own */
	PTIRQ_UIO_CAN_CPA = 1u << 6,    /* line: PTIRQ_UIO_MODE_CPA, as far as is known untried */
};

/*
 * What and who. For PTIRQ_UIO_LINE, name is that of the line; for a device its PCI address or the
 * name of its platform device.
 */
struct ptirq_uio_info {
	__u32 size;
	__u32 flags;
	__u32 device; /* in: a number or PTIRQ_UIO_LINE */
	__u16 major;
	__u16 minor;
	__u32 irq;
	__u32 devices;   /* bit N: there is a device N */
	__s32 uio_minor; /* N of the device's /dev/uioN; -1 for the line */
	__u32 caps;      /* enum ptirq_uio_caps */
	char name[32];
};

#define PTIRQ_UIO_ACK_KEEP_MASKED 1u /* served, but stay masked until UNMASK */

/*
 * Ends the deferral and unmasks. If the device asserts (still or again), it stays masked, gets a
 * new generation, and the trigger is signalled. ESTALE: no acknowledgment is due for this
 * generation; nothing has changed.
 */
struct ptirq_uio_ack {
	__u32 size;
	__u32 flags;
	__u32 device;
	__u32 reserved;
	__u64 generation;
};

/*
 * MASK masks, whatever the state; a deferral that it ends cannot be acknowledged any more. UNMASK
 * unmasks, whatever the state, and like an acknowledgment signals a device that asserts. Both are
 * idempotent. For PTIRQ_UIO_LINE they do so to each device that there is.
 */
struct ptirq_uio_mask {
	__u32 size;
	__u32 flags;
	__u32 device;
	__u32 reserved;
};

/* Looks at each device. Out: bit N stands for device N. */
struct ptirq_uio_sample {
	__u32 size;
	__u32 flags;
	__u32 devices;   /* there */
	__u32 asserting; /* the status bit is set, masked or not */
	__u32 masked;    /* DisINTx is set, as read from the device */
	__u32 unknown;   /* without a status bit or an answer: in neither of the two */
	__u32 level; /* the wire: enum ptirq_uio_status; without HAS_LEVEL and CPA by status bits */
	__u32 line_masked; /* 1: at the interrupt controller */
};

/*
 * The eventfd that is signalled when a device becomes deferred; fd -1 takes it away. A device's own
 * trigger replaces the line's for that device. Setting one signals nothing: what is deferred
 * already is in the status page. On return the trigger that was there before is signalled no more.
 * It tells that there is something to look at, not what: the status page does. Closing the file
 * removes all triggers.
 */
struct ptirq_uio_trigger {
	__u32 size;
	__u32 flags;
	__u32 device;
	__s32 fd;
};

/*
 * SET_RESAMPLE takes the same structure: an eventfd that the kernel reads. A signal acknowledges
 * and unmasks whatever is deferred at that moment, as an ACK of the current generation; it does
 * nothing if nothing is. With a trigger that goes to one program this takes the line's holder out
 * of the way. One for each device, and one for the line, for all of it that the holder has; for the
 * line only, if it is one unit. fd -1 takes it away, and on return it acts no more.
 */

/*
 * SET_NOTIFY: eventfds that are signalled from the interrupt handler right after the trigger:
 * takers who look at once while the holder still decides. Replaces the list; count 0 takes it away.
 * fds points to count descriptors (__s32). A device's own list replaces the line's for that device.
 */
#define PTIRQ_UIO_MAX_NOTIFY 64
struct ptirq_uio_notify {
	__u32 size;
	__u32 flags;
	__u32 device;
	__u32 count;
	__u64 fds;
};

enum ptirq_uio_mode {
	PTIRQ_UIO_MODE_ADAPTIVE, /* the default */
	PTIRQ_UIO_MODE_DEVICE,   /* always at the device, also when alone; EOPNOTSUPP if one unit */
	/*
	 * The interrupt controller's polarity is inverted at each interrupt: the assertion and its
	 * end are both signalled, nothing is masked and no acknowledgment is due. Its first
	 * generation tells what the wire is. To begin takes milliseconds: the inversion is tried.
	 * EOPNOTSUPP: the line is not one unit, or its controller cannot. EAGAIN: the wire did not
	 * stay as it was for long enough to tell. Both leave the line as it was. A wire that
	 * flutters is deferred in the ordinary way after all; the mode is ADAPTIVE from then on.
	 */
	PTIRQ_UIO_MODE_CPA,
};

#define PTIRQ_UIO_MODE_STOP_DMA 1u /* at the last close, bus mastering of what asserts is off */

/* Of the line, until the next SET_MODE or the holder's close. Ends deferrals as MASK does. */
struct ptirq_uio_mode_request {
	__u32 size;
	__u32 flags;
	__u32 mode; /* enum ptirq_uio_mode */
	__u32 reserved;
};

/*
 * SET_DEADLINE: how long a line that somebody has come to share stays masked at the interrupt
 * controller (PTIRQ_UIO_DEADLINE_MIN_NS to _MAX_NS), and how long a line that nobody holds and that
 * has no other mask is left alone before it is looked at (the lease, to _LEASE_MAX_NS). 0: leave as
 * it is. Of the line, until the holder's close; EINVAL out of range.
 */
#define PTIRQ_UIO_DEADLINE_MIN_NS 100000ull
#define PTIRQ_UIO_DEADLINE_MAX_NS 1000000000ull
#define PTIRQ_UIO_LEASE_MAX_NS 60000000000ull
struct ptirq_uio_deadline {
	__u32 size;
	__u32 flags;
	__u64 deadline_ns;
	__u64 lease_ns;
};

#define PTIRQ_UIO_IOC 0xe9
#define PTIRQ_UIO_GET_INFO _IO(PTIRQ_UIO_IOC, 0x00)
#define PTIRQ_UIO_ACK _IO(PTIRQ_UIO_IOC, 0x01)
#define PTIRQ_UIO_MASK _IO(PTIRQ_UIO_IOC, 0x02)
#define PTIRQ_UIO_UNMASK _IO(PTIRQ_UIO_IOC, 0x03)
#define PTIRQ_UIO_SAMPLE _IO(PTIRQ_UIO_IOC, 0x04)
#define PTIRQ_UIO_SET_TRIGGER _IO(PTIRQ_UIO_IOC, 0x05)
#define PTIRQ_UIO_SET_RESAMPLE _IO(PTIRQ_UIO_IOC, 0x06)
#define PTIRQ_UIO_SET_NOTIFY _IO(PTIRQ_UIO_IOC, 0x07)
#define PTIRQ_UIO_SET_MODE _IO(PTIRQ_UIO_IOC, 0x08)
#define PTIRQ_UIO_SET_DEADLINE _IO(PTIRQ_UIO_IOC, 0x09)

#endif
