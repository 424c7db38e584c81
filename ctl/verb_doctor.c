// SPDX-License-Identifier: MIT
/*
 * ptirqctl doctor [LINE|ADDRESS]: asks the broker if there is one, looks at the machine itself, and
 * prints what was found. What it knows is in diagnose_*.c.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/diagnose.h"
#include "ctl/output.h"
#include "ctl/sysfs.h"

#define CONFIG "/etc/ptirq/ptirq.conf"

struct visit {
	struct ctl *ctl;
	struct hw hw;
	struct findings findings;
	const char *address; /* of the only device that matters, or NULL */
};

/* ---- the broker's lines ---- */

static bool has_device(const struct ptirq_line_info *info, const char *address)
{
	for (uint32_t i = 0; i < info->n_devices; i++)
		if (strcmp(info->device[i].location, address) == 0)
			return true;
	return false;
}

static int visit_line(const struct ptirq_line_info *info, void *userdata)
{
	struct visit *visit = userdata;

	if (visit->address && !has_device(info, visit->address))
		return 0;
	return diagnose_line(visit->ctl, info, &visit->findings);
}

/* ---- the machine ---- */

/* Given to ptirq by somebody, in whatever state that is. */
static bool is_ours(const struct hw_device *device)
{
	return device->owner == HW_HELPER || device->owner == HW_UIO ||
	       (device->owner == HW_NOBODY && strcmp(device->override, HELPER) == 0);
}

static void visit_machine(struct visit *visit)
{
	const struct hw *hw = &visit->hw;

	for (size_t i = 0; i < hw->n_devices; i++)
		if (is_ours(&hw->device[i]))
			diagnose_device(hw, &hw->device[i], &visit->findings);
	for (size_t i = 0; i < hw->n_irqs; i++)
		diagnose_irq(hw, &hw->irq[i], &visit->findings);
}

static void visit_address(struct visit *visit, enum hw_bus bus)
{
	const char *name = visit->address;
	const struct hw_device *device = hw_device(&visit->hw, name);
	struct hw_device other;

	/* Most platform devices are of no interest, but this one is asked for. */
	if (!device && hw_device_load(bus, name, &other))
		device = &other;
	if (device)
		diagnose_device(&visit->hw, device, &visit->findings);
	else
		found_problem(&visit->findings, "not-there", name,
			      "is not there: is it plugged in? %s shows what is",
			      bus == HW_PCI ? "`lspci -D`" : "`ls /sys/bus/platform/devices`");
}

/* The devices of a line that work as far as the broker knows; of the others it has told. */
static void visit_devices(struct visit *visit, const struct ptirq_line_info *info)
{
	for (uint32_t i = 0; i < info->n_devices; i++) {
		const struct hw_device *device = hw_device(&visit->hw, info->device[i].location);

		if (device && info->device[i].flags & PTIRQ_DEV_PRESENT)
			diagnose_device(&visit->hw, device, &visit->findings);
	}
}

/* ---- what was found ---- */

static int tell(struct visit *visit)
{
	static const struct column columns[] = {
		{"name", NULL, CELL_TEXT},
		{"problem", NULL, CELL_BOOL},
		{"code", NULL, CELL_TEXT},
		{"text", NULL, CELL_TEXT},
		{0},
	};
	const struct findings *findings = &visit->findings;
	bool well = findings->n_problems == 0;
	struct output *output;

	if (visit->ctl->json) {
		output = output_open(visit->ctl);
		output_field(output, &(struct column){"well", NULL, CELL_BOOL}, (int)well);
		output_table(output, "findings", columns);
		for (size_t i = 0; i < findings->n; i++)
			output_row(output, findings->list[i].subject,
				   (int)findings->list[i].problem, findings->list[i].code,
				   findings->list[i].text);
		output_close(output);
		return well ? EXIT_FINE : EXIT_NO;
	}
	for (size_t i = 0; i < findings->n; i++)
		printf("%s%s: %s\n",
		       findings->list[i].problem ? "" : "note: ", findings->list[i].subject,
		       findings->list[i].text);
	if (well)
		puts("all is well");
	return well ? EXIT_FINE : EXIT_NO;
}

/* Without it a device of the helper's stays masked, and a configuration is nothing. */
static void no_broker(struct visit *visit)
{
	bool wanted = sys_exists(CONFIG);

	for (size_t i = 0; i < visit->hw.n_devices; i++)
		wanted = wanted || visit->hw.device[i].owner == HW_HELPER;
	(wanted ? found_problem : found_note)(&visit->findings, "no-broker", "broker", "%s%s",
					      ptirq_error(visit->ctl->ptirq),
					      wanted ? "" : " (nothing seems to need it)");
}

int verb_doctor(struct ctl *ctl, int argc, char **argv)
{
	struct visit visit = {.ctl = ctl};
	struct ptirq_line_info info;
	char name[64];
	enum hw_bus bus = HW_PCI;
	int r = 0, error;

	if (!arguments_between(ctl, argc, argv, 0, 1))
		return EXIT_USAGE;
	if (argc > 1 && hw_address(argv[1], &bus, name))
		visit.address = name;
	error = ptirq_open(&ctl->ptirq, ctl->socket);
	if (argc > 1 && !visit.address) {
		/* A line is the broker's. */
		r = error ? error : ptirq_line_info(ctl->ptirq, argv[1], &info);
		if (r)
			return error ? unreachable(ctl, r) : refused(ctl, r);
		r = diagnose_line(ctl, &info, &visit.findings);
		hw_load(&visit.hw);
		visit_devices(&visit, &info);
	} else {
		hw_load(&visit.hw);
		if (visit.address)
			visit_address(&visit, bus);
		else
			visit_machine(&visit);
		if (!error)
			r = ptirq_list_lines(ctl->ptirq, visit_line, &visit);
		else if (!visit.address)
			no_broker(&visit);
	}
	r = r < 0 ? refused(ctl, r) : tell(&visit);
	findings_free(&visit.findings);
	hw_free(&visit.hw);
	return r;
}
