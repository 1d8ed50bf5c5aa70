/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boots an image, shows its program's output and where the boot's time went: boot IMAGE. */
#include <stdio.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

static void show(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes, size_t n,
		 void *data)
{
	(void)vm, (void)data;
	fwrite(bytes, 1, n, stream == VMBOOT_STREAM_STDERR ? stderr : stdout);
}

int main(int argc, char **argv)
{
	struct vmboot_opts opts = VMBOOT_OPTS(.name = "example", .image = argc > 1 ? argv[1] : "",
					      .on_exit = VMBOOT_ON_EXIT_POWEROFF);
	struct vmboot_ledger *ledger = NULL;
	struct vmboot_vm *vm = NULL;
	char *table = NULL;

	if (vmboot_create(&opts, &vm) < 0 ||
	    vmboot_on_output(vm, VMBOOT_STREAM_STDOUT, show, NULL) < 0 ||
	    vmboot_wait(vm, VMBOOT_PHASE_STOPPED, 60000) < 0 || vmboot_ledger(vm, &ledger) < 0 ||
	    vmboot_ledger_table(ledger, &table) < 0)
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
	else
		fputs(table, stdout);
	if (vm)
		vmboot_destroy(vm);
	vmboot_close(vm);
	vmboot_ledger_free(ledger);
	vmboot_free(table);
	fflush(stdout);
	_exit(!table); /* with libvirt's embedded driver: see README.md */
}
