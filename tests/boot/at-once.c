/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "at-once.h"

#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "boot.h"
#include "wire/stream.h"

enum {
	PROCESSES = 16,
	/* where the library would plug the next port but one: 17 programs run by then */
	FOREIGN_PORT = 31 - PROCESSES - 1,
};

/* A program in the guest, and a process of the host that holds it. */
struct held {
	pid_t pid;
	int in, out;
	char said[128];
	size_t n;
};

static void start(struct held *p, const char *name, const char *script)
{
	const char *const argv[] = {TEST_BUILDDIR "/tools/vmboot",
				    "--store",
				    boot_store(),
				    "--uri",
				    "qemu:///system",
				    "exec",
				    "-i",
				    name,
				    "--",
				    "sh",
				    "-c",
				    script,
				    NULL};
	int in[2], out[2];

	*p = (struct held){0};
	CU_ASSERT_FATAL(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	p->pid = fork();
	CU_ASSERT_FATAL(p->pid >= 0);
	if (p->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	close(in[0]);
	close(out[1]);
	p->in = in[1];
	p->out = out[0];
}

/* Reads until it has said these words; true if it did, and nothing else. */
static bool said(struct held *p, const char *words)
{
	struct vmb_deadline until = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd fd = {.fd = p->out, .events = POLLIN};
	ssize_t got;

	while (p->n < strlen(words)) {
		if (poll(&fd, 1, vmb_deadline_poll(until, -1)) <= 0)
			break;
		got = read(p->out, p->said + p->n, sizeof(p->said) - 1 - p->n);
		if (got <= 0)
			break;
		p->n += (size_t)got;
	}
	p->said[p->n] = '\0';
	if (strcmp(p->said, words) == 0)
		return true;
	printf("not \"%s\": \"%s\"\n", words, p->said);
	return false;
}

static int exit_code(struct held *p)
{
	int status = -1;

	close(p->in);
	close(p->out);
	if (waitpid(p->pid, &status, 0) != p->pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* How many of the library's ports a domain has. */
static int stream_ports(virDomainPtr d, unsigned flags)
{
	char *xml = virDomainGetXMLDesc(d, flags);
	int n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(xml);
	for (const char *at = xml; (at = strstr(at, "name='" VMB_STREAM_PORTS)); at++)
		n++;
	free(xml);
	return n;
}

/* Where libvirt adds no port: an error that says so, and the QEMU guest agent's way. */
static void without_another_port(virDomainPtr d, const char *name)
{
	const char *const args[] = {"echo", "hi", NULL}, *const missing[] = {"/no/such", NULL};
	const char *xml = test_path("<channel type='unix'><target type='virtio' name='other'/>"
				    "<address type='virtio-serial' controller='0' bus='0' "
				    "port='%d'/></channel>",
				    FOREIGN_PORT);
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	struct vmboot_opts here = boot_where();
	struct vmboot_exec_result *result;
	struct vmboot_vm *vm;
	int status;

	CU_ASSERT_EQUAL_FATAL(virDomainAttachDeviceFlags(d, xml, VIR_DOMAIN_AFFECT_LIVE), 0);
	ASSERT_OK(vmboot_open(&here, name, &vm));
	ASSERT_ERROR(vmboot_exec_stream(vm, &opts, (int[]){-1, -1, -1}, -1, &status), EBUSY,
		     "libvirt adds no other");
	ASSERT_OK(vmboot_exec(vm, &opts, &result));
	ASSERT_STR(result->out, "hi\n");
	vmboot_exec_result_free(result);
	opts.args = missing;
	ASSERT_ERROR(vmboot_exec(vm, &opts, &result), ENOENT, "/no/such");
	CU_ASSERT_EQUAL(vmboot_last_error()->guest_errno, ENOENT);
	vmboot_close(vm);
}

static void let_end(struct held *p, int number)
{
	const char *word = test_path("word %d\n", number);

	CU_ASSERT_EQUAL(write(p->in, word, strlen(word)), (ssize_t)strlen(word));
	CU_ASSERT(said(p, test_path("ready %d\ngot word %d\n", number, number)));
	CU_ASSERT_EQUAL(exit_code(p), 3);
}

void at_once_run(const char *name)
{
	virConnectPtr c = virConnectOpen("qemu:///system");
	virDomainPtr d = virDomainLookupByName(c, name);
	struct held p[PROCESSES], last;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	for (int i = 0; i < PROCESSES; i++)
		start(&p[i], name,
		      test_path("echo ready %d; read word; echo got $word; exit 3", i));
	for (int i = 0; i < PROCESSES; i++)
		CU_ASSERT(said(&p[i], test_path("ready %d\n", i)));
	start(&last, name, "cat");
	CU_ASSERT_EQUAL(write(last.in, "one more", 8), 8);
	CU_ASSERT(said(&last, "one more"));
	CU_ASSERT_EQUAL(stream_ports(d, 0), PROCESSES + 1);
	CU_ASSERT_EQUAL(stream_ports(d, VIR_DOMAIN_XML_INACTIVE), 1);
	without_another_port(d, name);
	for (int i = 0; i < PROCESSES; i++)
		let_end(&p[i], i);
	CU_ASSERT_EQUAL(exit_code(&last), 0);
	/* a port that is there is used before another is added */
	start(&p[0], name, "read word; echo got $word");
	start(&p[1], name, "read word; echo got $word; exit 3");
	CU_ASSERT_EQUAL(write(p[0].in, "a\n", 2), 2);
	CU_ASSERT(said(&p[0], "got a\n"));
	CU_ASSERT_EQUAL(write(p[1].in, "b\n", 2), 2);
	CU_ASSERT(said(&p[1], "got b\n"));
	CU_ASSERT_EQUAL(exit_code(&p[0]), 0);
	CU_ASSERT_EQUAL(exit_code(&p[1]), 3);
	CU_ASSERT_EQUAL(stream_ports(d, 0), PROCESSES + 1);
	virDomainFree(d);
	virConnectClose(c);
}
