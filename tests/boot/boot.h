/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_BOOT_H
#define TEST_BOOT_H

/*
 * What the programs share that boot real guests. Each has a store and an embedded libvirt of its
 * own, made by the first test and removed by the last, so that they can run side by side.
 */

#include <vmboot/vmboot.h>

#include "test.h"

enum {
	/* Emulated guests on a busy machine: how long a test waits before it gives up. A guest that
	 * boots takes two seconds; nothing is asserted about how long it took. */
	BOOT_TIMEOUT_MS = 300000,
};

/* Ends the program with 77 if guests cannot run here; under CI=true that is a failure. */
void boot_setup(void);
void boot_teardown(void);

const char *boot_store(void);

/* Another libvirt than the embedded one; before boot_setup(). */
void boot_set_uri(const char *uri);

/* Opts that say where: the store and the URI. */
struct vmboot_opts boot_where(void);

/* Imports a stock Debian 12 with systemd under the name "debian"; see mkdebian.sh. */
void boot_import_debian(void);

void boot_destroy_all(void);

/* Opts for a VM of this store: name, the test image, `sh -c script`, no kernel disk. */
struct vmboot_opts boot_opts(const char *name, const char *script);

/* `sh -c script` in a running VM. */
struct vmboot_exec_opts boot_sh(const char *script);

/*
 * A program that is killed at its deadline: what came of it. Once more with more time, if it had not
 * even said its first words by then.
 */
struct vmboot_exec_result *boot_time_out(struct vmboot_vm *vm, struct vmboot_exec_opts opts);

/* What the guest's program wrote to a stream, from boot to now. */
const char *boot_output(struct vmboot_vm *vm, enum vmboot_stream stream);

/*
 * Runs `true` in a VM again and again on one handle, $BOOT_EXECS times or n, and checks that the
 * process has as many descriptors and threads afterwards as before, and no more memory of note.
 */
void boot_exec_often(struct vmboot_vm *vm, int n);

/* Create, wait for the program's end, and check its exit code. */
struct vmboot_vm *boot_run(const struct vmboot_opts *opts, int exit_code);

/* The newest event of a phase, or NULL. It belongs to the ledger. */
const struct vmboot_event *boot_event(const struct vmboot_ledger *ledger, enum vmboot_phase phase);

/* CU_FAIL for what a destroyed VM left: domain, folder, process. */
void boot_assert_nothing_left(const char *name);

#define BOOT_MAIN(suite, ...)                                                                      \
	int main(void)                                                                             \
	{                                                                                          \
		static const struct test_case cases[] = {__VA_ARGS__};                             \
		int r;                                                                             \
                                                                                                   \
		boot_setup();                                                                      \
		r = test_run(suite, cases, sizeof(cases) / sizeof(cases[0]));                      \
		boot_teardown();                                                                   \
		return r;                                                                          \
	}

#endif
