/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that has a libvirt connection already: lend URI IMAGE.
 *
 * It runs libvirt's event loop in a thread of its own, as such programs do, lends its connection,
 * and finds the VM on it with libvirt's own calls. The library closes nothing that it was lent.
 */
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

static void *run_loop(void *data)
{
	while (virEventRunDefaultImpl() == 0)
		;
	return data;
}

static int talk(struct vmboot_vm *vm)
{
	static const char *const args[] = {"uname", "-s", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = 60000);
	struct vmboot_exec_result *result;
	int r = vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, 120000);

	if (r == 0)
		r = vmboot_exec(vm, &opts, &result);
	if (r < 0)
		return r;
	printf("the guest says: %s", result->out);
	vmboot_exec_result_free(result);
	return 0;
}

int main(int argc, char **argv)
{
	struct vmboot_opts opts = VMBOOT_OPTS(.name = "lent");
	struct vmboot_vm *vm = NULL;
	virDomainPtr domain;
	pthread_t thread;
	int r;

	if (argc < 3 || virEventRegisterDefaultImpl() < 0 ||
	    pthread_create(&thread, NULL, run_loop, NULL) != 0)
		return 2;
	opts.image = argv[2];
	opts.connection = virConnectOpen(argv[1]);
	if (!opts.connection)
		return 1; /* libvirt has said why */
	r = vmboot_create(&opts, &vm);
	if (r == 0)
		r = talk(vm);
	if (r < 0)
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
	domain = virDomainLookupByName(opts.connection, "lent");
	if (domain) {
		printf("libvirt knows it as number %u\n", virDomainGetID(domain));
		virDomainFree(domain);
	}
	if (vm)
		vmboot_destroy(vm);
	vmboot_close(vm);
	printf("the connection is %s\n",
	       virConnectIsAlive(opts.connection) == 1 ? "alive" : "gone");
	virConnectClose(opts.connection);
	fflush(stdout);
	_exit(r < 0);
}
