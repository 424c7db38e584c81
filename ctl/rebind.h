/* SPDX-License-Identifier: MIT */
/* Gives a device from one driver to another, by driver_override. */
#ifndef PTIRQ_CTL_REBIND_H
#define PTIRQ_CTL_REBIND_H

#include "ctl/hw.h"

#define REBIND_WHY 512

/* Is @driver there for devices of @bus? */
bool rebind_has_driver(enum hw_bus bus, const char *driver);
/* modprobe @driver: false with a sentence in @why. */
bool rebind_load(enum hw_bus bus, const char *driver, char why[REBIND_WHY]);

/*
 * @driver NULL: whichever the kernel chooses by itself. False with a sentence in @why: the device
 * is then where it was, as far as its former driver takes it. @device is loaded anew in any case.
 */
bool rebind(struct hw_device *device, const char *driver, char why[REBIND_WHY]);

/* A udev rule of the machine's own that binds a device at every boot and plug. */
#define PERSIST_FILE "/etc/udev/rules.d/59-ptirq-bind.rules"
bool persist_has(const struct hw_device *device);
/* 0, or -errno. Adding what is there replaces it. */
int persist_add(const struct hw_device *device, const char *driver);
int persist_remove(const struct hw_device *device);

#endif
