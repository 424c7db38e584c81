// SPDX-License-Identifier: MIT
/* ptirqctl sim assert|deassert LINE DEVICE [BITS], and the way to sim run. */
#include "ctl/output.h"

#include <string.h>

int verb_sim(struct ctl *ctl, int argc, char **argv)
{
	uint64_t bits = 1;
	struct output *output;
	bool deassert;
	int r;

	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return sim_run(ctl, argc - 1, argv + 1);
	deassert = argc > 1 && strcmp(argv[1], "deassert") == 0;
	if (argc < 2 || (!deassert && strcmp(argv[1], "assert") != 0))
		return usage(ctl, "sim: assert, deassert or run");
	if (argc < 4 || argc > 5)
		return usage(ctl, "sim %s: LINE DEVICE [BITS]", argv[1]);
	if (argc == 5 && (!parse_number(argv[4], UINT32_MAX, &bits) || !bits))
		return usage(ctl, "sim %s: '%s' is no set of bits, such as 0x5", argv[1], argv[4]);

	r = reach(ctl);
	if (r != EXIT_FINE)
		return r;
	r = ptirq_sim_assert(ctl->ptirq, argv[2], argv[3], (uint32_t)bits, deassert);
	if (r < 0)
		return refused(ctl, r);
	output = output_open(ctl);
	output_field(output, &(struct column){"line", "line", CELL_TEXT}, argv[2]);
	output_field(output, &(struct column){"device", "device", CELL_TEXT}, argv[3]);
	output_field(output, &(struct column){"bits", "bits", CELL_NUMBER}, bits);
	output_field(output, &(struct column){"asserted", "asserted", CELL_BOOL}, (int)!deassert);
	output_close(output);
	return EXIT_FINE;
}
