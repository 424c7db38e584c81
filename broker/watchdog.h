/* SPDX-License-Identifier: MIT */
/*
 * The bound on writing and reading an eventfd that a client holds too (T1).
 *
 * Its file description is shared: a client can clear O_NONBLOCK, fill the counter, and the next write
 * sleeps until somebody reads, perhaps for ever; or empty it, and the next read sleeps. No flag of one
 * call prevents that. A signal ends it: a thread of its own looks every millisecond, while there are
 * such calls, whether one is still the same, and interrupts it. It sleeps in a futex when there have
 * been none for 100 ms.
 */
#ifndef PTIRQ_WATCHDOG_H
#define PTIRQ_WATCHDOG_H

/* From the loop's thread, which is the one to be interrupted. Once a process. 0 or -errno. */
int watchdog_start(void);
void watchdog_stop(void);

/*
 * Add 1 to the eventfd @fd from the loop's thread. 0: delivered, or its counter is full, so that its
 * reader has been told anyway. -EINTR: it blocked, so its holder means harm: evict, never try again.
 * Or another -errno.
 */
int watchdog_signal(int fd);

/* Read the eventfd @fd to 0. As watchdog_signal(). */
int watchdog_drain(int fd);

#endif
