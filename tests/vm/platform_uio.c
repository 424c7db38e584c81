// SPDX-License-Identifier: MIT
/*
 * A plain UIO driver, without a broker, for a device of the test chip:
 *
 *	platform_uio UIO DEVICE COUNT
 *
 * Raises the device COUNT times from a second process, whenever it asserts nothing, and serves it
 * through its registers: reads the interrupt count, clears the status through the mapping,
 * re-enables. COUNT 0: serves once what asserts already. Prints "raised=N served=N woken=N"; status 1
 * if one was lost, or if an interrupt came for nothing.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/vm/chip.h"

static _Atomic uint32_t *map_status(int uio)
{
	void *map = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, uio, 0);

	if (map == MAP_FAILED)
		err(1, "mmap");
	return map;
}

static void raise_all(unsigned int device, unsigned long count, _Atomic uint32_t *status)
{
	int raise = chip_open("device", device, "raise");

	while (count) {
		if (atomic_load(status)) {
			usleep(20);
			continue;
		}
		chip_write(raise, 1);
		count--;
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	const int32_t on = 1;
	_Atomic uint32_t *status;
	unsigned long count, wanted, served = 0, woken = 0;
	uint32_t interrupts;
	struct pollfd pfd;
	pid_t raiser;
	int code;

	if (argc != 4)
		errx(2, "usage: platform_uio UIO DEVICE COUNT");
	pfd = (struct pollfd){.fd = open(argv[1], O_RDWR | O_CLOEXEC), .events = POLLIN};
	if (pfd.fd < 0)
		err(2, "%s", argv[1]);
	status = map_status(pfd.fd);
	count = strtoul(argv[3], NULL, 10);
	wanted = count ? count : 1;
	raiser = fork();
	if (raiser == 0)
		raise_all(strtoul(argv[2], NULL, 10), count, status);
	while (served < wanted) {
		if (poll(&pfd, 1, 5000) != 1) {
			warnx("no interrupt in 5 s");
			break;
		}
		if (read(pfd.fd, &interrupts, sizeof(interrupts)) != sizeof(interrupts))
			err(1, "read");
		woken++;
		served += atomic_exchange(status, 0) != 0;
		if (write(pfd.fd, &on, sizeof(on)) != sizeof(on))
			err(1, "irqcontrol");
	}
	if (served < wanted)
		kill(raiser, SIGKILL);
	waitpid(raiser, &code, 0);
	printf("raised=%s served=%lu woken=%lu\n", WIFEXITED(code) ? argv[3] : "fewer", served,
	       woken);
	return served != wanted || poll(&pfd, 1, 50) != 0;
}
