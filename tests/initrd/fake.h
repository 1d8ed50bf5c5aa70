/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_INITRD_FAKE_H
#define TESTS_INITRD_FAKE_H

/* Root folders with kernels and modules, for the room initrd. */

#include <stddef.h>

#include "initrd/modules.h"

/* This machine's kernel, or false, with a line that says so. */
bool real_kernel(struct vmb_kernel *ret);

/* Runs a tool and fails the test if it fails. */
void run(const char *const *argv);
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

/* A file that starts like a bzImage with this version text. */
void fake_kernel(const char *path, const char *version);

/* The same with a payload, as kernels have one since protocol 2.08. */
void fake_bzimage(const char *path, const char *version, const void *payload, size_t n);

/*
 * Below root: /boot/vmlinuz-<release> (fake), its config and /lib/modules/<release> with copies of
 * the modules that a boot from squashfs needs, except without (NULL: all), packed by compress (a
 * NULL-ended command to which the file names are added; NULL: none).
 */
void fake_root(const char *root, const char *release, const struct vmb_kernel *real,
	       const char *without, const char *const *compress);

/* Takes "CONFIG_X=y" and "CONFIG_X=m" out of a configuration, or puts value there. */
void set_config(const char *path, const char *option, const char *value);

#endif
