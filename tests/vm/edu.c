// SPDX-License-Identifier: MIT
/*
 * An edu device by hand, for scenarios and for the guest's shell:
 *
 *	edu RESOURCE0 status | raise BIT | ack BITS
 *
 * Must not be mixed with a raiser on the same device.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vm/edu.h"

int main(int argc, char **argv)
{
	struct edu edu;
	int ret;

	if (argc < 3)
		errx(2, "usage: edu RESOURCE0 status | raise BIT | ack BITS");
	ret = edu_open(argv[1], &edu);
	if (ret < 0)
		errx(1, "%s: %s", argv[1], strerror(-ret));

	if (argc == 3 && strcmp(argv[2], "status") == 0)
		printf("0x%x\n", edu_read(&edu, EDU_IRQ_STATUS));
	else if (argc == 4 && strcmp(argv[2], "raise") == 0)
		edu_raise(&edu, strtoul(argv[3], NULL, 0) % EDU_FUNCTIONS, 0);
	else if (argc == 4 && strcmp(argv[2], "ack") == 0)
		edu_write(&edu, EDU_IRQ_ACK, strtoul(argv[3], NULL, 0));
	else
		errx(2, "unknown request %s", argv[2]);
	edu_close(&edu);
	return 0;
}
