// SPDX-License-Identifier: MIT
/*
 * Owns the only other thread. It must do nothing but interrupt: it shares two words with the loop, and
 * knows neither clients nor lines.
 */
#include "broker/watchdog.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS    1000000
#define IDLE_TICKS 100

static struct {
	_Atomic uint32_t calling; /* number of the call that is under way; 0: none */
	_Atomic uint32_t awake;   /* futex: 0 while the thread sleeps */
	_Atomic bool stop;
	uint32_t serial; /* the loop's own */
	bool started;
	pid_t loop;
	pthread_t thread;
} watchdog;

static int interrupt_signal(void)
{
	return SIGRTMIN + 1;
}

static void on_interrupt(int signal)
{
	(void)signal;
}

static void wake(void)
{
	atomic_store(&watchdog.awake, 1);
	syscall(SYS_futex, &watchdog.awake, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/*
 * Each side stores its own word and then looks at the other's (both seq_cst), so either the loop sees
 * that it must wake this thread, or this thread sees that a call is under way.
 */
static void sleep_until_woken(void)
{
	atomic_store(&watchdog.awake, 0);
	if (atomic_load(&watchdog.calling) || atomic_load(&watchdog.stop))
		atomic_store(&watchdog.awake, 1);
	while (!atomic_load(&watchdog.awake))
		syscall(SYS_futex, &watchdog.awake, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/*
 * The signal is sent again at each tick while the call is the same: a single one could land just
 * before the loop goes to sleep in it. One that lands after it does nothing.
 */
static void *run(void *unused)
{
	const struct timespec tick = {.tv_nsec = TICK_NS};
	uint32_t last = 0, idle = 0;

	(void)unused;
	/* It needs no descriptors; and a table that two threads share costs each system call of the loop. */
	close_range(0, UINT_MAX, CLOSE_RANGE_UNSHARE);
	while (!atomic_load(&watchdog.stop)) {
		uint32_t calling;

		nanosleep(&tick, NULL);
		calling = atomic_load(&watchdog.calling);
		if (calling && calling == last)
			syscall(SYS_tgkill, getpid(), watchdog.loop, interrupt_signal());
		idle = calling == last ? idle + 1 : 0;
		last = calling;
		if (!calling && idle >= IDLE_TICKS) {
			sleep_until_woken();
			idle = 0;
		}
	}
	return NULL;
}

int watchdog_start(void)
{
	/* Without SA_RESTART: the call is to fail. */
	struct sigaction action = {.sa_handler = on_interrupt};
	sigset_t all, old;
	int r;

	watchdog.loop = gettid();
	watchdog.awake = 1;
	watchdog.calling = 0;
	watchdog.stop = false;
	if (sigaction(interrupt_signal(), &action, NULL) < 0)
		return -errno;
	/* Every signal is the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&watchdog.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	watchdog.started = r == 0;
	return -r;
}

void watchdog_stop(void)
{
	if (!watchdog.started)
		return;
	atomic_store(&watchdog.stop, true);
	wake();
	pthread_join(watchdog.thread, NULL);
	watchdog.started = false;
}

/* From here on the thread watches for a system call that does not end. */
static void begin(void)
{
	if (++watchdog.serial == 0)
		watchdog.serial = 1;
	atomic_store(&watchdog.calling, watchdog.serial);
	if (!atomic_load(&watchdog.awake))
		wake();
}

/* What came of it: @n bytes, or errno. */
static int end(ssize_t n)
{
	int error = errno;

	atomic_store_explicit(&watchdog.calling, 0, memory_order_release);
	return n >= 0 || error == EAGAIN ? 0 : -error;
}

int watchdog_signal(int fd)
{
	const uint64_t one = 1;

	begin();
	return end(write(fd, &one, sizeof(one)));
}

int watchdog_drain(int fd)
{
	uint64_t count;

	begin();
	return end(read(fd, &count, sizeof(count)));
}
