/* SPDX-License-Identifier: MIT */
/* What the files of the uio source share. Nobody else includes this. */
#ifndef PTIRQ_UIO_DEVICE_H
#define PTIRQ_UIO_DEVICE_H

#include "broker/source/pci.h"
#include "broker/source/plug.h"

struct uio_watch;

struct uio_device {
	struct plug_device plug;
	bool masked;  /* as the unit */
	bool quiet;   /* as the device */
	bool held;    /* what the hardware was last told, or did by itself */
	int8_t level; /* last sample since it fired; -1: none */
	int fd;       /* the UIO node; -1 */
	struct pci_intx intx;
	struct uio_watch *watch;
	uint64_t unmasked_at;
};

struct uio {
	struct source source;
	struct plug plug;
	struct uio_device device[];
};

/* ---- uio.c */

int uio_set_mask(struct uio_device *device, bool mask);
/* Its counter has grown. */
void uio_fire(struct uio_device *device);

/* ---- uio_arm.c */

extern const struct plug_ops uio_plug_ops;

#endif
