/* SPDX-License-Identifier: MIT */
/*
 * libptirq: share an interrupt line with others, through ptirq-broker.
 *
 * A line is an interrupt that the broker owns, with a name. Subscribe to it, wait; serve your device;
 * say what it was:
 *
 *	struct ptirq *p;
 *	struct ptirq_sub *sub;
 *	struct ptirq_irq irq;
 *
 *	if (ptirq_open(&p, NULL) < 0 || ptirq_subscribe(p, "eth0-intx", NULL, &sub) < 0)
 *		errx(1, "%s", ptirq_error(p));
 *	while ((r = ptirq_wait(sub, &irq, -1)) == 0 || r == -EINTR)
 *		if (r == 0)
 *			ptirq_ack(sub, &irq, serve_my_device() ? PTIRQ_HANDLED : PTIRQ_NOT_MINE);
 *
 * The line (or your device, where it has a mask of its own) stays masked from the interrupt until the
 * broker has everybody's answer or has stopped waiting: answer fast, and only after the device no
 * longer asserts. A late answer is not an error; it is counted, and you may be asked less for a while.
 *
 * Rules that hold for every function here
 *   Errors      negative errno, and ptirq_error() says the cause and the fix in a sentence. 0 or a
 *               positive number is success. Out-parameters are untouched on failure (ptirq_open()'s
 *               excepted). Beside what each function names:
 *                 -EPERM        called in a child that forked off the handle's owner
 *                 -ETIMEDOUT    asked the broker, and for 2 s it did not answer or was not there
 *                 -EPIPE, -ECONNRESET                  it went away while it was being asked
 *                 -EPROTO, -EPROTONOSUPPORT, -EACCES   the connection is beyond repair: what answers
 *                               there is no ptirq broker, is of another version, or does not let this
 *                               user in any more
 *                 -ENOMEM, -EMFILE, -ENFILE            this process's own limits
 *               Where nothing has failed ptirq_error() is "": -ETIMEDOUT and -EINTR of a wait, -EAGAIN
 *               of ptirq_take().
 *   Threads     one thread at a time for a handle and its subscriptions; different handles are
 *               independent. The library makes no thread, handles no signal, prints nothing.
 *   Blocking    only ptirq_wait(), ptirq_ack_wait() and the calls that ask the broker something
 *               (open, subscribe, unsubscribe, park, unpark, line_info, map_device: at most 2 s, then
 *               -ETIMEDOUT) block.
 *   fork        a handle belongs to the process that opened it. After fork() the child may only
 *               ptirq_close() it (which then leaves the parent's alone).
 *   Restarts    when the broker goes away the library reconnects and subscribes again by itself, from
 *               within wait and dispatch; what asserts is delivered again. Verdicts given for the old
 *               epoch are dropped (ptirq_ack() returns 0 for them: nothing is owed). With eventfds of
 *               your own, see ptirq_rebind_needed().
 */
#ifndef PTIRQ_H
#define PTIRQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ptirq;     /* a connection */
struct ptirq_sub; /* a subscription to one line */

enum ptirq_verdict {
	PTIRQ_HANDLED = 1,  /* it was my device, and I have served it */
	PTIRQ_NOT_MINE = 2, /* it was not my device */
	PTIRQ_EOI = 3,      /* a guest has finished; I cannot know whether it was its device */
};

enum ptirq_irq_flags {
	PTIRQ_PROBE = 1 << 0, /* you were late before; this is your chance to be asked again */
	PTIRQ_MAYBE = 1 << 1, /* delivered to be safe (after a restart): perhaps nothing is there */
	PTIRQ_NOTIFIED = 1 << 2, /* the source woke you by itself; see round */
	PTIRQ_HEDGE = 1 << 3,    /* somebody else was asked first */
	PTIRQ_EDGE = 1 << 4, /* edge-triggered line: no verdict is owed, ptirq_ack() does nothing */
	PTIRQ_RETRACTED = 1 << 5, /* the broker has stopped waiting; an ack now counts as late */
};

/*
 * One interrupt. Filled by the library; pass it back to ptirq_ack() unchanged.
 *
 * With PTIRQ_OPT_DIRECT and PTIRQ_OPT_NOTIFY you may be woken before the broker knows of the interrupt, or
 * without it. Then round is 0, flags is PTIRQ_NOTIFIED, unit and epoch are as ever, and the others are 0:
 * not known. The ack is the same.
 */
struct ptirq_irq {
	uint32_t round;       /* number of the arbitration round of this unit; 0: not known */
	uint32_t unit;        /* which independently maskable part of the line */
	uint32_t flags;       /* enum ptirq_irq_flags */
	uint32_t status;      /* devices known to assert, bit n = device n of ptirq_line_info() */
	uint64_t fired_at_ns; /* CLOCK_MONOTONIC, when the broker learned of it */
	uint64_t
		count; /* how often the broker has asked this subscription about the unit, this included */
	uint64_t missed; /* of these, how many the broker stopped waiting for */
	uint64_t epoch;  /* the broker's life it belongs to */
};

/* ---- connection --------------------------------------------------------------------------------- */

/*
 * Connect to the broker. @socket_path NULL: $PTIRQ_SOCKET, else $XDG_RUNTIME_DIR/ptirq/broker.sock if
 * it exists, else /run/ptirq/broker.sock. The name shown to people is the program's own
 * (program_invocation_short_name).
 *
 * *@ret is set even on failure of the connection itself, so that ptirq_error() can be asked; close it.
 * Only -ENOMEM leaves it NULL.
 *
 * -ENOENT, -ECONNREFUSED: no broker there; -EACCES: the socket's permissions; -EPROTONOSUPPORT: a
 * broker with no version in common; -ETIMEDOUT.
 */
int ptirq_open(struct ptirq **ret, const char *socket_path);

/* Ends all subscriptions: what was owed counts as NOT_MINE. Their pointers are dead. NULL is fine. */
void ptirq_close(struct ptirq *ptirq);

/* The last failure's cause and fix, in a sentence; "" if none. Valid until the next call. Never NULL;
 * of NULL it is about memory. */
const char *ptirq_error(const struct ptirq *ptirq);

/*
 * For any event loop: an epoll fd that the library owns and that never changes; readable when
 * ptirq_dispatch() has something to do. Do not read, write or close it.
 */
int ptirq_get_fd(struct ptirq *ptirq);

/*
 * Take what has come without blocking: run handlers, note events, reconnect if it is time.
 * The number of handlers run, or -errno if the connection is beyond repair (-EACCES after a
 * restart, -EPROTO). -ENOTCONN: there is no broker at the moment; keep calling, it will be retried
 * (the fd becomes readable by a timer inside it).
 */
int ptirq_dispatch(struct ptirq *ptirq);

/* The broker's life: another number after each restart. 0 while not connected. */
uint64_t ptirq_epoch(const struct ptirq *ptirq);

/* ---- subscriptions ------------------------------------------------------------------------------ */

enum ptirq_option_flags {
	/* The broker gives this subscription a wake and a resample eventfd of its own, for KVM_IRQFD or
	 * an event loop that wants one fd a line. Interrupts then come there, not by ptirq_wait(). */
	PTIRQ_OPT_EVENTFDS = 1 << 0,
	/* A guest: ask it only when its device's status is set or cannot be read. */
	PTIRQ_OPT_RESAMPLE = 1 << 1,
	/* Through the socket instead of the shared page: slower; for debugging. What was retracted
	 * before it was looked at may still be delivered. */
	PTIRQ_OPT_MESSAGES = 1 << 2,
	/*
	 * Faster ways past the broker, where the line's source has them; otherwise, and whenever they are
	 * not possible at the moment, all is as without. They change while you run, and no interrupt is
	 * lost by that: ptirq_sub_path() tells. For one unit only: name the device, if the line has several
	 * units. Interrupts come by ptirq_wait(), ptirq_take() or a handler; together with
	 * PTIRQ_OPT_EVENTFDS by those eventfds, and not by these functions.
	 *
	 * Direct: while nobody else subscribes to the unit or watches it, and the line has direct=yes. The
	 * source wakes you and your ack unmasks the device, whatever the verdict. Two deadlines without an
	 * ack, and the broker takes the device back.
	 */
	PTIRQ_OPT_DIRECT = 1 << 3,
	/*
	 * Notify: on shared lines too. The source wakes every such subscriber at each interrupt; whose it
	 * was, and when to unmask, the broker decides by the verdicts as ever. So expect to be woken for
	 * others' devices: say PTIRQ_NOT_MINE. Not with PTIRQ_OPT_RESAMPLE.
	 */
	PTIRQ_OPT_NOTIFY = 1 << 4,
};

/* Zero it, set @size = sizeof, fill in what you need; what a later version adds is 0 then. */
struct ptirq_options {
	size_t size;
	const char *device;   /* bind to this device of the line (its name); NULL: the whole line */
	uint32_t flags;       /* enum ptirq_option_flags */
	uint32_t priority;    /* chain policy: lower is asked earlier; at most 255 */
	uint64_t deadline_ns; /* for each of my answers; 0: the line's */
};
#define PTIRQ_OPTIONS_INIT                           \
	{                                            \
		.size = sizeof(struct ptirq_options) \
	}

/*
 * @line is copied. @options NULL: defaults. Two calls are two subscriptions. A line whose devices are
 * absent at the moment can be subscribed to: interrupts come when they are back, ptirq_line_info() says
 * what is the matter.
 * -ENOENT: no such line or device; -ENODEV: the line does not work, ptirq_error() says why; -EACCES:
 * policy does not let this user; -EDQUOT: the line's or the client's limit; -EINVAL: an option;
 * -EOPNOTSUPP: an option that this broker does not offer.
 */
int ptirq_subscribe(struct ptirq *ptirq, const char *line, const struct ptirq_options *options,
		    struct ptirq_sub **ret);

/* What is owed counts as NOT_MINE. @sub is dead afterwards. NULL is fine. */
void ptirq_unsubscribe(struct ptirq_sub *sub);

/*
 * Has the broker ended this subscription (an administrator released it, the line was taken out of the
 * configuration)? Nothing comes by it any more; ptirq_error() then says why. Who waits hears of it by
 * -ESTALE; with a handler or PTIRQ_OPT_EVENTFDS ask after ptirq_dispatch(). No question to the broker.
 */
bool ptirq_evicted(struct ptirq_sub *sub);

/* For yourself; the library does not look at it. */
void ptirq_set_userdata(struct ptirq_sub *sub, void *userdata);
void *ptirq_get_userdata(const struct ptirq_sub *sub);
const char *ptirq_sub_line(const struct ptirq_sub *sub);

/* Which way the interrupts of a subscription take at this moment; a load, no question to the broker. */
enum ptirq_path {
	PTIRQ_PATH_BROKERED, /* the source wakes the broker, which asks */
	PTIRQ_PATH_NOTIFY,   /* PTIRQ_OPT_NOTIFY */
	PTIRQ_PATH_DIRECT,   /* PTIRQ_OPT_DIRECT */
};
enum ptirq_path ptirq_sub_path(struct ptirq_sub *sub);

/*
 * Wait for this subscription's next interrupt, at most @timeout_ms (-1: for ever; 0: do not wait).
 * Other subscriptions' interrupts are kept for their own wait or take; handlers are not run.
 * 0, -ETIMEDOUT, -EINTR (a signal was handled, or the process was stopped, as by Ctrl-Z or a debugger,
 * and goes on: wait again), -ESTALE (evicted: the broker ended this subscription; ptirq_error() says
 * why), -EINVAL (PTIRQ_OPT_EVENTFDS: its interrupts come elsewhere), or the errors of ptirq_dispatch(),
 * -ENOTCONN excepted: it waits on.
 */
int ptirq_wait(struct ptirq_sub *sub, struct ptirq_irq *ret, int timeout_ms);

/* The same without looking at the sockets: only what the page already holds; with PTIRQ_OPT_DIRECT or
 * PTIRQ_OPT_NOTIFY, what the last ptirq_dispatch() or ptirq_wait() has found. -EAGAIN: nothing; else
 * -ESTALE and -EINVAL as above. */
int ptirq_take(struct ptirq_sub *sub, struct ptirq_irq *ret);

/*
 * The verdict on @irq. Never blocks. 0 even if the round has gone on or the broker has restarted
 * meanwhile: the broker counts a late verdict, and that is all. -EINVAL: not a verdict.
 * Before its round is known (round 0) the verdict is for the round to come; on the direct path, where
 * nobody arbitrates, any verdict unmasks the device.
 */
int ptirq_ack(struct ptirq_sub *sub, const struct ptirq_irq *irq, enum ptirq_verdict verdict);

/* ptirq_ack(), then ptirq_wait() into the same @irq; what a driver's loop does. */
int ptirq_ack_wait(struct ptirq_sub *sub, struct ptirq_irq *irq, enum ptirq_verdict verdict,
		   int timeout_ms);

/*
 * Call @handler from ptirq_dispatch() for each interrupt and give its result as the verdict.
 * It may call anything here but ptirq_close() and ptirq_unsubscribe() of this subscription.
 * The broker hears of the verdicts at the end of the dispatch, or sooner if handlers take long.
 * NULL: no handler any more. A result that is no verdict leaves the answer to a later ptirq_ack().
 * -ESTALE and -EINVAL as for ptirq_wait().
 */
int ptirq_set_handler(struct ptirq_sub *sub,
		      enum ptirq_verdict (*handler)(struct ptirq_sub *sub,
						    const struct ptirq_irq *irq, void *userdata),
		      void *userdata);

/*
 * With PTIRQ_OPT_EVENTFDS: the wake eventfd (readable: interrupt; usable as KVM_IRQFD's fd) and the
 * resample eventfd (a write is EOI; usable as KVM_IRQFD's resamplefd). The library's; do not close.
 * -EINVAL without the option.
 */
int ptirq_wake_fd(struct ptirq_sub *sub);
int ptirq_resample_fd(struct ptirq_sub *sub);

/*
 * True once after the eventfds of PTIRQ_OPT_EVENTFDS have been replaced (the broker was restarted
 * cold): register ptirq_wake_fd() and ptirq_resample_fd() again. Ask after ptirq_dispatch().
 */
bool ptirq_rebind_needed(struct ptirq_sub *sub);

/*
 * This subscriber will not serve for a while (a paused VM): what it owes is settled without blame,
 * its device is kept quiet. Unpark: it is asked again, and what asserts meanwhile is delivered.
 */
int ptirq_park(struct ptirq_sub *sub);
int ptirq_unpark(struct ptirq_sub *sub);

/* ---- lines and devices -------------------------------------------------------------------------- */

struct ptirq_device_info {
	char name[64];
	char location[64]; /* "0000:00:05.0", "uio0", "soft" */
	uint32_t unit;
	uint32_t flags; /* enum ptirq_device_flags */
};

enum ptirq_device_flags {
	PTIRQ_DEV_PRESENT = 1 << 0,
	PTIRQ_DEV_MASK = 1 << 1,       /* can be masked by itself */
	PTIRQ_DEV_STATUS = 1 << 2,     /* says whether it asserts */
	PTIRQ_DEV_HELD = 1 << 3,       /* kept quiet: nobody who answers wants it */
	PTIRQ_DEV_GRANTABLE = 1 << 4,  /* ptirq_map_device() may work */
	PTIRQ_DEV_UNSAFE_DMA = 1 << 5, /* granted without an IOMMU */
	PTIRQ_DEV_NOTIFY = 1 << 6,     /* somebody is on the notify path of its unit */
	PTIRQ_DEV_DIRECT = 1 << 7,     /* somebody is on the direct path of its unit */
};

struct ptirq_line_info {
	char name[64];
	char source[16];  /* "sim", "uio", "helper" */
	char trigger[16]; /* "level", "edge" */
	char policy[16];  /* "chain", "broadcast", "learned" */
	char state[16];
	char problem[512]; /* "", or why it does not work and what to do */
	uint32_t n_units;
	uint32_t n_subscribers;
	uint32_t max_subscribers;
	uint64_t deadline_ns;
	uint32_t n_devices;
	struct ptirq_device_info device[16];
};

/* Everything about one line. -ENOENT: no such line. */
int ptirq_line_info(struct ptirq *ptirq, const char *line, struct ptirq_line_info *ret);

/* A mapped register region of a device. */
struct ptirq_map {
	char name[64]; /* "registers", "bar0" */
	void *addr;
	size_t size;
};

/*
 * Map a device's register region number @index (0 is the first) read-write, if policy grants it
 * (grant= in the line's configuration). The caller's; ptirq_unmap_device() it. A real device's stays good
 * when the broker restarts; a soft one's registers are the broker's, and another epoch's are others.
 * -EACCES: not granted, ptirq_error() names the setting; -ENOENT: no such line, device or region;
 * -ENODEV: the device is not there; -EIO: the kernel refused; or mmap()'s errors.
 */
int ptirq_map_device(struct ptirq *ptirq, const char *line, const char *device, unsigned int index,
		     struct ptirq_map *ret);
void ptirq_unmap_device(struct ptirq_map *map);

#ifdef __cplusplus
}
#endif

#endif
