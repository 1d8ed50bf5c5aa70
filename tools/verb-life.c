/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * start, stop, restart, rm, prune, wait: one thing done to each VM that is named, or with --all to
 * each VM of the store; one that fails stops no other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scope.h"
#include "verbs.h"

/* 0 or a negative code with the error set, or -1 for one that was said. */
typedef int (*vm_fn)(struct args *args, struct vmboot_vm *vm);

enum { STOP_SECONDS = 10 };

/* One whose files are gone cannot be opened, but libvirt may run it. */
static bool is_listed(const struct args *args, const char *name)
{
	struct vmboot_info **infos = NULL;
	bool found = false;

	if (vmboot_list(args->opts, &infos) < 0)
		return true;
	for (size_t i = 0; infos[i] && !found; i++)
		found = strcmp(infos[i]->name, name) == 0;
	vmboot_list_free(infos);
	return found;
}

static int open_and(struct args *args, const char *name, vm_fn fn)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	int r = vmboot_open(args->opts, name, &vm);

	if (r == -VMBOOT_ENOVM && args->force && !is_listed(args, name))
		return 0;
	if (r >= 0)
		r = fn(args, vm);
	return r < 0 ? show_error(EXIT_FAILED) : r;
}

static int each_operand(struct args *args, vm_fn fn)
{
	int status = 0;

	for (int i = 0; i < args->n_operands; i++) {
		int r = open_and(args, args->operands[i], fn);

		progress_clear();
		if (r && !status)
			status = r;
	}
	return status;
}

static int each_listed(struct args *args, struct vmboot_info *const *infos, vm_fn fn)
{
	int status = 0;

	for (; *infos; infos++) {
		int r = open_and(args, (*infos)->name, fn);

		progress_clear();
		if (r && !status)
			status = r;
	}
	return status;
}

/* The VMs that are named, or with --all those in these states. */
static int each_vm(struct args *args, unsigned states, vm_fn fn)
{
	_cleanup_(infos) struct vmboot_info **infos = NULL;
	const char *verb = args->verb->name;
	int r;

	if (args->all && args->n_operands)
		return usage_error(verb, "%s: give names or --all, not both", verb);
	if (!args->all && !args->n_operands)
		return usage_error(verb, "%s needs NAME...", verb);
	if (!args->all)
		return each_operand(args, fn);
	r = vms_list(args, states, &infos);
	return r ? r : each_listed(args, infos, fn);
}

static int done(int r, struct vmboot_vm *vm)
{
	if (r < 0)
		return r;
	out_name(vmboot_name(vm));
	return 0;
}

static int start(struct args *args, struct vmboot_vm *vm)
{
	int r = vmboot_start(vm);

	(void)args;
	return done(r == -EALREADY ? 0 : r, vm);
}

int verb_start(struct args *args)
{
	return each_vm(args, STATES_STOPPED, start);
}

static int stop(struct args *args, struct vmboot_vm *vm)
{
	int r = vmboot_stop(vm, (args->seconds < 0 ? STOP_SECONDS : args->seconds) * 1000);

	return done(r == -EALREADY ? 0 : r, vm);
}

int verb_stop(struct args *args)
{
	return each_vm(args, STATES_ACTIVE, stop);
}

static int pause_vm(struct args *args, struct vmboot_vm *vm)
{
	int r = vmboot_pause(vm);

	(void)args;
	return done(r == -EALREADY ? 0 : r, vm);
}

int verb_pause(struct args *args)
{
	return each_vm(args, STATE_BIT(VMBOOT_STATE_RUNNING), pause_vm);
}

static int unpause(struct args *args, struct vmboot_vm *vm)
{
	int r = vmboot_unpause(vm);

	(void)args;
	return done(r == -EALREADY ? 0 : r, vm);
}

int verb_unpause(struct args *args)
{
	return each_vm(args, STATE_BIT(VMBOOT_STATE_PAUSED), unpause);
}

/* As for containers: one that is stopped is started. */
static int restart(struct args *args, struct vmboot_vm *vm)
{
	int r = vmboot_reboot(vm, (args->seconds < 0 ? STOP_SECONDS : args->seconds) * 1000);

	if (r == -VMBOOT_EENDED)
		r = vmboot_start(vm);
	return done(r, vm);
}

int verb_restart(struct args *args)
{
	return each_vm(args, STATES_ALL, restart);
}

static int rm(struct args *args, struct vmboot_vm *vm)
{
	_cleanup_(info) struct vmboot_info *info = NULL;
	char *name;
	int r = vm_check_store(args, vm);

	if (r)
		return r;
	if (!args->force) {
		r = vmboot_info(vm, &info);
		if (r < 0)
			return r;
		if (info->state != VMBOOT_STATE_STOPPED) {
			say("%s is running; stop it first, or use rm --force", vmboot_name(vm));
			return EXIT_FAILED;
		}
	}
	name = xasprintf("%s", vmboot_name(vm)); /* the handle's goes with the VM */
	r = vmboot_destroy(vm);
	if (r >= 0)
		out_name(name);
	free(name);
	return r;
}

int verb_rm(struct args *args)
{
	return each_vm(args, STATES_ALL, rm);
}

static bool is_confirmed(size_t n)
{
	char *question = xasprintf("Remove %zu stopped VM%s with %s disks and logs?", n,
				   n == 1 ? "" : "s", n == 1 ? "its" : "their");
	bool yes = ask(question);

	free(question);
	return yes;
}

int verb_prune(struct args *args)
{
	_cleanup_(infos) struct vmboot_info **infos = NULL;
	size_t n = 0;
	int r;

	if (!args->force && !isatty(STDIN_FILENO))
		return usage_error("prune", "prune: no terminal to ask on; give --force");
	r = vms_list(args, STATES_STOPPED, &infos);
	if (r)
		return r;
	while (infos[n])
		n++;
	if (n == 0 || (!args->force && !is_confirmed(n)))
		return 0;
	/* one that was started meanwhile is not removed: --force is only the answer */
	args->force = false;
	return each_listed(args, infos, rm);
}

static int print_exit(struct vmboot_vm *vm)
{
	_cleanup_(ledger) struct vmboot_ledger *ledger = NULL;
	int r = vmboot_ledger(vm, &ledger);

	if (r >= 0)
		out("%d\n",
		    ledger->exit_signal ? EXIT_SIGNAL + ledger->exit_signal : ledger->exit_code);
	return r;
}

/* A guest without a program whose exit could be told ended as it should: it powered off. */
static bool powered_off(struct vmboot_vm *vm)
{
	_cleanup_(ledger) struct vmboot_ledger *ledger = NULL;

	if (vmboot_ledger(vm, &ledger) < 0 || ledger->exited)
		return false;
	for (size_t i = 0; i < ledger->n_events; i++)
		if (ledger->events[i]->phase == VMBOOT_PHASE_STOPPED)
			return strcmp(ledger->events[i]->detail, "shutdown") == 0;
	return false;
}

static int wait_phase(struct args *args, struct vmboot_vm *vm)
{
	int ms = args->seconds < 0 ? VMBOOT_FOREVER : args->seconds * 1000;
	enum vmboot_phase phase = VMBOOT_PHASE_EXIT;
	int r;

	if (args->phase)
		phase = (enum vmboot_phase)vmboot_phase_from_name(args->phase);
	r = args->next_boot ? vmboot_wait_next_boot(vm, phase, ms) : vmboot_wait(vm, phase, ms);
	if (r == -VMBOOT_EENDED && !args->phase && !args->next_boot && powered_off(vm)) {
		out("0\n");
		return 0;
	}
	return r >= 0 && phase == VMBOOT_PHASE_EXIT ? print_exit(vm) : r;
}

int verb_wait(struct args *args)
{
	if (args->phase && vmboot_phase_from_name(args->phase) < 0) {
		char *safe = printable(args->phase);

		usage_error("wait", "--phase: \"%s\" is no phase; see vmboot-events(7)", safe);
		free(safe);
		return EXIT_USAGE;
	}
	return each_vm(args, STATES_ALL, wait_phase);
}
