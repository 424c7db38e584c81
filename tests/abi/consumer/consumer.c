/* SPDX-License-Identifier: MIT */
/* A program outside the tree: the installed header and library, nothing else. */
#include <errno.h>
#include <ptirq.h>
#include <stdio.h>

int main(void)
{
	struct ptirq *broker = NULL;
	int ret = ptirq_open(&broker, NULL);

	if (ret != -ENOENT) {
		fprintf(stderr, "expected no broker, got %d\n", ret);
		return 1;
	}
	puts(ptirq_error(broker));
	ptirq_close(broker);
	return 0;
}
