/* SPDX-License-Identifier: MIT */
/*
 * The machine's interrupts and the devices behind them, as sysfs shows them at one moment. Only
 * read: nothing here writes to a device.
 */
#ifndef PTIRQ_CTL_HW_H
#define PTIRQ_CTL_HW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELPER "ptirq_uio" /* the module, and its drivers on both buses */

enum hw_bus { HW_PCI, HW_PLATFORM };

enum hw_tri { HW_NO, HW_YES, HW_UNKNOWN };
const char *hw_tri(enum hw_tri tri);

/* Whose a device or a handler is. */
enum hw_owner { HW_NOBODY, HW_KERNEL, HW_HELPER, HW_UIO, HW_VFIO };
const char *hw_owner(enum hw_owner owner);

/* What config space says. Users are shown its first 64 bytes, root all of it. */
struct hw_config {
	bool readable;
	bool answers; /* not all ones */
	bool bridge;
	char pin;               /* of INTx: 'A' to 'D', or 0 */
	bool masked;            /* DisINTx */
	bool asserts;           /* the status bit, masked or not */
	enum hw_tri msi, msix;  /* it has the capability */
	bool msi_on, msix_on;   /* enabled: then INTx is not used */
	uint32_t n_msi, n_msix; /* vectors */
};

struct hw_device {
	enum hw_bus bus;
	char name[64];     /* PCI address, or the platform device's name */
	char dir[128];     /* /sys/bus/BUS/devices/NAME */
	char real[512];    /* below /sys/devices */
	char id[16];       /* 8086:100e */
	char kind[16];     /* network, storage, ... */
	char driver[64];   /* "": none */
	char override[64]; /* driver_override */
	enum hw_owner owner;
	char line[16]; /* lineN of /dev/ptirq */
	char uio[16];  /* uioN */
	char uio_name[64];
	char group[16]; /* of the IOMMU */
	char reset[64]; /* ways to reset it */
	uint32_t irq;   /* of INTx; 0: none known */
	bool settled;   /* false: a driver's start may still change irq */
	bool vga;       /* the display that the machine booted with */
	struct hw_config config;
};

struct hw_irq {
	uint32_t number;
	char chip[32];
	char trigger[8];   /* level, edge */
	char actions[512]; /* between commas */
	char devices[512]; /* between blanks */
	uint64_t count;
	bool counted;       /* the three that follow are known */
	uint64_t recent;    /* interrupts since the first that was nobody's, at most 100,000 */
	uint64_t unhandled; /* of these, nobody's and shortly after one another */
	uint64_t last_unhandled_ms; /* ago; UINT64_MAX: never */
};

struct hw {
	struct hw_irq *irq;
	size_t n_irqs;
	struct hw_device *device;
	size_t n_devices;
};

/* All interrupts, all PCI devices, and what of the platform bus belongs to UIO or the helper. */
void hw_load(struct hw *ret);
void hw_free(struct hw *hw);

/* A device by its PCI address, with or without domain, or "platform:NAME", or a platform device's
 * name: true if @text is such a name, whether the device is there or not. */
bool hw_address(const char *text, enum hw_bus *ret_bus, char ret_name[64]);
/* One device, for after a change as well. False: it is not there. */
bool hw_device_load(enum hw_bus bus, const char *name, struct hw_device *ret);

/* NULL: none. */
const struct hw_irq *hw_irq(const struct hw *hw, uint32_t number);
const struct hw_device *hw_device(const struct hw *hw, const char *name);

/* Reads @irq's count and the spurious counters again. */
void hw_irq_count(struct hw_irq *irq);
/* Whose is the handler @action of @irq? */
enum hw_owner hw_action_owner(const struct hw *hw, const struct hw_irq *irq, const char *action);
/* The kernel drivers' handlers on @irq, between commas; "": none. */
void hw_neighbours(const struct hw *hw, const struct hw_irq *irq, char *ret, size_t size);

/* pci_config.c */
void hw_config_read(const char *dir, struct hw_config *ret);

#endif
