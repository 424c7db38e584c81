// SPDX-License-Identifier: MIT
/*
 * Reads what a PCI device's config space says of its interrupts. Must not write there: whether
 * DisINTx works could only be told by trying, and that would disturb whoever uses the device.
 */
#include "ctl/hw.h"

#include <string.h>

#include "ctl/sysfs.h"

/* PCI Local Bus 3.0, chapter 6 and 6.8. */
#define PCI_COMMAND         4
#define PCI_COMMAND_DISINTX 0x400
#define PCI_STATUS          6
#define PCI_STATUS_INTX     0x08
#define PCI_STATUS_CAPS     0x10
#define PCI_HEADER_TYPE     0x0e
#define PCI_CAPABILITIES    0x34
#define PCI_INTERRUPT_PIN   0x3d
#define PCI_CAP_MSI         0x05
#define PCI_CAP_MSIX        0x11
#define PCI_FOR_USERS       64 /* what sysfs shows to others than root */
#define PCI_CONFIG          256

static uint32_t word(const uint8_t *config, unsigned int at)
{
	return config[at] | (uint32_t)config[at + 1] << 8;
}

static void read_capabilities(const uint8_t *config, struct hw_config *ret)
{
	unsigned int at = config[PCI_CAPABILITIES] & 0xfc;

	/* A list that runs in a circle ends too. */
	for (int n = 0; n < 48 && at >= PCI_FOR_USERS && at < PCI_CONFIG - 4; n++) {
		uint32_t control = word(config, at + 2);

		if (config[at] == PCI_CAP_MSI) {
			ret->msi = HW_YES;
			ret->msi_on = control & 1;
			ret->n_msi = 1u << (control >> 1 & 7);
		} else if (config[at] == PCI_CAP_MSIX) {
			ret->msix = HW_YES;
			ret->msix_on = control >> 15;
			ret->n_msix = (control & 0x7ff) + 1;
		}
		at = config[at + 1] & 0xfc;
	}
}

void hw_config_read(const char *dir, struct hw_config *ret)
{
	uint8_t config[PCI_CONFIG + 1];
	ssize_t n = sys_bytes(config, sizeof(config), "%s/config", dir);
	bool whole = n >= PCI_CONFIG, caps;

	*ret = (struct hw_config){.msi = HW_UNKNOWN, .msix = HW_UNKNOWN};
	if (n < PCI_FOR_USERS)
		return;
	ret->readable = true;
	ret->answers = word(config, 0) != 0xffff;
	if (!ret->answers)
		return;
	ret->bridge = (config[PCI_HEADER_TYPE] & 0x7f) != 0;
	if (config[PCI_INTERRUPT_PIN] >= 1 && config[PCI_INTERRUPT_PIN] <= 4)
		ret->pin = (char)('A' + config[PCI_INTERRUPT_PIN] - 1);
	ret->masked = word(config, PCI_COMMAND) & PCI_COMMAND_DISINTX;
	ret->asserts = config[PCI_STATUS] & PCI_STATUS_INTX;
	caps = config[PCI_STATUS] & PCI_STATUS_CAPS;
	if (whole || !caps)
		ret->msi = ret->msix = HW_NO;
	if (whole && caps)
		read_capabilities(config, ret);
}
