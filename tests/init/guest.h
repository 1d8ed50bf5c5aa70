/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_INIT_GUEST_H
#define TEST_INIT_GUEST_H

/* A guest that is a folder: what init's phases see in a test. */

#include "init.h"

/* For what comes, however slow the machine: whoever waits so long waits for nothing. */
enum { GUEST_MS = 60000 };

/* Made in the test's folder, with empty /dev, /sys/block and so on, and with the patience of GUEST_MS. */
struct init *guest_new(void);
void guest_free(struct init *init);

/* A text file below the guest's root, folders above it made. The text gets no newline. */
void guest_write(const struct init *init, const char *text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A disk in /sys/block and /dev; serial NULL: it has no such file. */
void guest_disk(const struct init *init, const char *name, const char *serial);

/* The next record that init pushed to the pipe at fd; false if none comes in GUEST_MS. */
/* Makes the config name one more disk; row: serial, target, fstype, options, point. */
void guest_config_disk(struct init *init, const struct vmb_config_disk *row);

bool guest_event(int fd, struct vmb_event *ret);

/* Operations for a process that is not PID 1; become() changes nothing without the right to. */
extern const struct init_ops guest_ops;

#endif
