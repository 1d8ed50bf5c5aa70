/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that is restarted: reattach create NAME IMAGE, then reattach resume.
 *
 * The first process makes a VM and ends. The second, which knows nothing, lists what there is,
 * opens each VM, asks it something, tells how its boot went, and removes it. libvirt and the VM's
 * files hold all that is to be known.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

static int said(void)
{
	fprintf(stderr, "%s\n", vmboot_last_error()->message);
	return 1;
}

static int create(const char *name, const char *image)
{
	struct vmboot_opts opts = VMBOOT_OPTS(.name = name, .image = image);
	struct vmboot_vm *vm;

	if (vmboot_create(&opts, &vm) < 0)
		return said();
	printf("created %s\n", vmboot_name(vm));
	vmboot_close(vm); /* the VM goes on */
	return 0;
}

/* The boot went on meanwhile, or is still going on: waiting is the same. */
static int talk(struct vmboot_vm *vm)
{
	static const char *const args[] = {"hostname", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = 60000);
	struct vmboot_exec_result *result;
	struct vmboot_ledger *ledger;

	if (vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, 120000) < 0 ||
	    vmboot_exec(vm, &opts, &result) < 0)
		return said();
	printf("found %s, which answers: %s", vmboot_name(vm), result->out);
	vmboot_exec_result_free(result);
	if (vmboot_ledger(vm, &ledger) < 0)
		return said();
	printf("its program ran after %lld ms\n", (long long)ledger->program_us / 1000);
	vmboot_ledger_free(ledger);
	return 0;
}

static int resume(void)
{
	struct vmboot_info **infos;
	struct vmboot_vm *vm;
	int r = 0;

	if (vmboot_list(NULL, &infos) < 0)
		return said();
	for (struct vmboot_info **i = infos; *i; i++) {
		if (vmboot_open(NULL, (*i)->name, &vm) < 0) {
			r = said();
			continue;
		}
		r |= talk(vm);
		if (vmboot_destroy(vm) < 0)
			r = said();
		vmboot_close(vm);
	}
	vmboot_list_free(infos);
	return r;
}

int main(int argc, char **argv)
{
	int r = 2;

	if (argc == 4 && strcmp(argv[1], "create") == 0)
		r = create(argv[2], argv[3]);
	else if (argc == 2 && strcmp(argv[1], "resume") == 0)
		r = resume();
	else
		fprintf(stderr, "usage: %s create NAME IMAGE | resume\n", argv[0]);
	fflush(stdout);
	_exit(r);
}
