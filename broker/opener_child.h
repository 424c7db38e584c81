/* SPDX-License-Identifier: MIT */
/* Inside the opener process. Nobody but opener*.c includes this, and the tests. */
#ifndef PTIRQ_OPENER_CHILD_H
#define PTIRQ_OPENER_CHILD_H

#include <sys/types.h>

#include "broker/config.h"
#include "broker/opener.h"

/* opener_start() with what it does not say: where /sys, /dev and the locks are. @root "": the machine's
 * own; a test has a tree of its own. */
int opener_start_at(const char *path, const char *root, struct opener **ret);

/* Answers on @socket until it is closed. @broker: whose locks they are. */
_Noreturn void opener_child(int socket, const char *path, const char *root, pid_t broker);

/*
 * What is at the device's address? 0, or -errno and @text: -ENODEV nothing, -ENXIO it is there but
 * gives no interrupt to a UIO node (no driver, another driver, no interrupt pin), -EINVAL the address
 * says too little.
 */
int opener_identify(const char *root, const struct device_config *config, struct opener_device *ret,
		    char text[LIMIT_TEXT]);

/* With source=helper: -ENXIO, it is on none of the kernel helper's lines. */
int opener_identify_helper(const char *root, const struct device_config *config,
			   struct opener_device *ret, char text[LIMIT_TEXT]);

/* Each gives an fd, or -errno and @text. @device: of opener_identify(). */
int opener_open_uio(const char *root, const struct opener_device *device, char text[LIMIT_TEXT]);
int opener_open_pci_config(const char *root, const struct opener_device *device,
			   char text[LIMIT_TEXT]);
int opener_open_helper(const char *root, const struct opener_device *device, char text[LIMIT_TEXT]);
int opener_open_resource(const char *root, const struct device_config *config,
			 const struct opener_device *device, uint8_t index, char text[LIMIT_TEXT]);
int opener_lock(const char *root, const char *name, pid_t broker, char text[LIMIT_TEXT]);

#endif
