/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exec mode on real guests: the program, its user, its output, its end. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "boot.h"

static void prints_and_exits(void)
{
	struct vmboot_opts opts =
		boot_opts("exec-print", "cat /etc/greeting; echo to-stderr >&2; exit 3");
	struct vmboot_vm *vm = boot_run(&opts, 3);

	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "hello\n");
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDERR), "to-stderr\n");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	boot_assert_nothing_left("exec-print");
}

static void uses_the_images_config(void)
{
	struct vmboot_opts opts = boot_opts("exec-config", "");
	struct vmboot_vm *vm;

	opts.cmd = NULL; /* the image's: cat /etc/greeting */
	vm = boot_run(&opts, 0);
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "hello\n");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void sets_env_workdir_and_user(void)
{
	static const char *const env[] = {"ADDED=1 2", "FROM_IMAGE=no", NULL};
	struct vmboot_opts opts = boot_opts(
		"exec-env",
		"echo \"$ADDED $FROM_IMAGE $HOSTNAME\"; pwd; id -u; id -g; id -G; echo $HOME");
	struct vmboot_vm *vm;

	opts.env = env;
	opts.workdir = "/made/here";
	opts.user = "app";
	vm = boot_run(&opts, 0);
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT),
		   "1 2 no exec-env\n/made/here\n1234\n2345\n2345 3456\n/home/app\n");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void takes_a_user_by_number(void)
{
	struct vmboot_opts opts = boot_opts("exec-uid", "id -u; id -g");
	struct vmboot_vm *vm;

	opts.user = "4711:42";
	vm = boot_run(&opts, 0);
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "4711\n42\n");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void fails_on_an_unknown_user(void)
{
	struct vmboot_opts opts = boot_opts("exec-nouser", "true");
	struct vmboot_vm *vm;

	opts.user = "nobody-here";
	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS), VMBOOT_EBOOT,
		     "nobody-here");
	ASSERT_STR(vmboot_last_error()->phase, "program");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void reports_a_signal(void)
{
	struct vmboot_opts opts = boot_opts("exec-signal", "kill -SEGV $$");
	struct vmboot_ledger *ledger;
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	CU_ASSERT(ledger->exited);
	CU_ASSERT_EQUAL(ledger->exit_signal, 11);
	CU_ASSERT_EQUAL(ledger->exit_code, -1);
	vmboot_ledger_free(ledger);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void names_a_missing_program(void)
{
	static const char *const cmd[] = {"/no/such/program", NULL};
	struct vmboot_opts opts = boot_opts("exec-missing", "");
	struct vmboot_vm *vm;

	opts.cmd = cmd;
	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS), VMBOOT_EBOOT,
		     "/no/such/program");
	CU_ASSERT_EQUAL(vmboot_last_error()->guest_errno, 2);
	/* a boot that failed powers the guest off */
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* The children of 500 shells that end at once become init's; none may stay a zombie, and none may
 * be taken for the program. */
static void reaps_500_orphans(void)
{
	struct vmboot_opts opts = boot_opts(
		"exec-orphans",
		"i=0; while [ $i -lt 500 ]; do (sleep 0.01 & exit 9) ; i=$((i+1)); done;"
		"n=1; t=0; while [ $n -gt 0 ] && [ $t -lt 300 ]; do "
		"n=0; for s in /proc/[0-9]*/stat; do read -r l <$s 2>/dev/null || continue; "
		"case \"$l\" in *') Z '*|*'(sleep)'*) n=$((n+1));; esac; done; "
		"t=$((t+1)); sleep 0.1; done; echo left=$n; exit 7");
	struct vmboot_vm *vm = boot_run(&opts, 7);

	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "left=0\n");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void keeps_the_vm_when_the_program_ends(void)
{
	struct vmboot_opts opts = boot_opts("exec-keep", "exit 0");
	struct vmboot_info *info;
	struct vmboot_vm *vm;

	opts.skip_guest_agent = true;
	vm = boot_run(&opts, 0);
	/* nothing is to happen, so some time must pass in which it does not */
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, 3000), ETIMEDOUT,
		     "phase stopped was not reached");
	ASSERT_OK(vmboot_info(vm, &info));
	CU_ASSERT_EQUAL(info->state, VMBOOT_STATE_RUNNING);
	CU_ASSERT(info->skip_guest_agent);
	vmboot_info_free(info);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void powers_off_when_asked_to(void)
{
	struct vmboot_opts opts = boot_opts("exec-poweroff", "echo bye >/kept; exit 5");
	struct vmboot_ledger *ledger;
	struct vmboot_vm *vm;

	opts.on_exit = VMBOOT_ON_EXIT_POWEROFF;
	vm = boot_run(&opts, 5);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	CU_ASSERT_PTR_NOT_NULL(boot_event(ledger, VMBOOT_PHASE_POWEROFF));
	CU_ASSERT_EQUAL(ledger->exit_code, 5);
	vmboot_ledger_free(ledger);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* What is remembered of the host's counter; false: nothing, since no counter matters here. */
static bool remembered(char *path, size_t size)
{
	const char *pattern = test_path("%s/memo/tsc-*", boot_store());
	glob_t memos;

	if (glob(pattern, 0, NULL, &memos) != 0)
		return false;
	snprintf(path, size, "%s", memos.gl_pathv[0]);
	globfree(&memos);
	return true;
}

/* As on a host with another counter; what was found to be so is forgotten again. */
static void start_elsewhere(struct vmboot_vm *vm)
{
	char memo[PATH_MAX], *xml = NULL;
	bool tsc = remembered(memo, sizeof(memo));

	if (tsc)
		test_write(memo, "2345670\n");
	ASSERT_OK(vmboot_start(vm));
	ASSERT_OK(vmboot_xml(vm, &xml));
	CU_ASSERT(!tsc || strstr(xml, " tsc_early_khz=2345670"));
	vmboot_free(xml);
	if (tsc)
		unlink(memo);
}

/* Until the program has said something on stderr: started is not done. */
static void await_words(struct vmboot_vm *vm)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd p = {.fd = vmboot_event_fd(vm), .events = POLLIN};

	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	while (!*boot_output(vm, VMBOOT_STREAM_STDERR) &&
	       poll(&p, 1, vmb_deadline_poll(deadline, -1)) > 0)
		ASSERT_OK(vmboot_dispatch(vm));
}

/* What a program wrote is on its disk after a stop, and the same VM boots from it again. */
static void stops_and_starts_with_its_writes(void)
{
	struct vmboot_opts opts = boot_opts(
		"exec-restart",
		"cat /count 2>/dev/null; echo once >>/count; echo counted >&2; sleep 1000");
	struct vmboot_vm *vm;
	int r;

	ASSERT_OK(vmboot_create(&opts, &vm));
	await_words(vm);
	CU_ASSERT_EQUAL(vmboot_start(vm), -EALREADY);
	r = vmboot_stop(vm, BOOT_TIMEOUT_MS);
	CU_ASSERT_EQUAL(r, 0); /* it went by itself */
	CU_ASSERT_EQUAL(vmboot_stop(vm, 0), -EALREADY);
	start_elsewhere(vm);
	await_words(vm);
	r = vmboot_stop(vm, BOOT_TIMEOUT_MS);
	CU_ASSERT_EQUAL(r, 0);
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "once\n");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* ---- the network ---- */

/* A server on this host's loopback, which the guest sees at its gateway's address. */
static void *serve_once(void *listener)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nfrom host";
	int fd = accept(*(const int *)listener, NULL, NULL);
	char request[1024];

	if (fd >= 0 && read(fd, request, sizeof(request)) > 0 &&
	    write(fd, answer, sizeof(answer) - 1) > 0)
		shutdown(fd, SHUT_WR);
	if (fd >= 0)
		close(fd);
	return NULL;
}

static int listen_on_loopback(int *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CU_ASSERT_FATAL(fd >= 0 && bind(fd, (const struct sockaddr *)&at, n) == 0);
	CU_ASSERT_FATAL(listen(fd, 1) == 0 && getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static void reaches_what_the_host_does(void)
{
	struct vmboot_opts opts;
	struct vmboot_ledger *ledger;
	struct vmboot_vm *vm;
	pthread_t server;
	int port, fd = listen_on_loopback(&port);

	CU_ASSERT_EQUAL_FATAL(pthread_create(&server, NULL, serve_once, &fd), 0);
	opts = boot_opts("exec-net", test_path("wget -q -O - http://10.0.2.2:%d/ && echo && "
					       "cat /etc/resolv.conf && ip route | grep default && "
					       "grep -c localhost /etc/hosts && "
					       "nc -l -p 80 -w 1; echo $?",
					       port));
	opts.network = VMBOOT_NETWORK_USER;
	opts.user = "app";
	vm = boot_run(&opts, 0);
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "from host\nnameserver 10.0.2.3\n"
							  "default via 10.0.2.2 dev eth0 \n2\n1\n");
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDERR), "nc: timed out\n");
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	ASSERT_STR(boot_event(ledger, VMBOOT_PHASE_NETWORK)->device, "eth0");
	ASSERT_STR(boot_event(ledger, VMBOOT_PHASE_NETWORK)->detail, "10.0.2.15/24");
	vmboot_ledger_free(ledger);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	shutdown(fd, SHUT_RDWR); /* ends the accept of a server that nobody asked */
	pthread_join(server, NULL);
	close(fd);
}

/* The answer of the guest's web server at a port of this host; "" if there is none. */
static const char *fetch(int port)
{
	static const char request[] = "GET /greeting HTTP/1.0\r\n\r\n";
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static char answer[1024];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *body = NULL;
	size_t have = 0;
	ssize_t n = 0;

	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	    write(fd, request, sizeof(request) - 1) > 0)
		while ((n = read(fd, answer + have, sizeof(answer) - 1 - have)) > 0)
			have += (size_t)n;
	close(fd);
	answer[have] = '\0';
	body = strstr(answer, "\r\n\r\n");
	return body ? body + 4 : "";
}

/* The server may not listen yet: then QEMU closes the connection. */
static const char *fetch_when_it_answers(int port)
{
	struct vmb_deadline until = vmb_deadline_in(60000);
	const char *body = "";

	while (!body[0] && !vmb_deadline_passed(until)) {
		body = fetch(port);
		if (!body[0])
			poll(NULL, 0, 20);
	}
	return body;
}

/* The host's port of its row i, which is for that of the guest. */
static int published_port(struct vmboot_vm *vm, size_t i, int guest)
{
	struct vmboot_info *info;
	int host = 0, theirs = 0;

	ASSERT_OK(vmboot_info(vm, &info));
	CU_ASSERT_FATAL(info->publish[0] != NULL);
	CU_ASSERT_EQUAL_FATAL(sscanf(info->publish[i], "127.0.0.1:%d:%d/tcp", &host, &theirs), 2);
	CU_ASSERT_EQUAL(theirs, guest);
	vmboot_info_free(info);
	return host;
}

static void publishes_ports(void)
{
	static const char *const publish[] = {"127.0.0.1::80", NULL};
	struct vmboot_opts opts = boot_opts("exec-ports", "httpd -f -h /etc"), clash;
	struct vmboot_vm *vm, *second;
	char *more = NULL;
	int port;

	opts.publish = publish;
	ASSERT_OK(vmboot_create(&opts, &vm));
	port = published_port(vm, 0, 80);
	ASSERT_STR(fetch_when_it_answers(port), "hello\n");

	/* one that is taken is refused before anything is made */
	clash = opts;
	clash.name = "exec-ports-2";
	clash.publish = (const char *const[]){test_path("%d:80", port), NULL};
	ASSERT_ERROR(vmboot_create(&clash, &second), EADDRINUSE, "in use by qemu-system");
	ASSERT_ERROR(vmboot_open(&opts, "exec-ports-2", &second), VMBOOT_ENOVM, "there is no VM");

	/* more of them while it runs, and fewer */
	ASSERT_ERROR(vmboot_publish(vm, "80:", NULL), VMBOOT_EOPTS, "publish");
	ASSERT_ERROR(vmboot_publish(vm, test_path("127.0.0.1:%d:81", port), NULL), EADDRINUSE,
		     "in use");
	ASSERT_OK(vmboot_publish(vm, "127.0.0.1:0:80", &more));
	ASSERT_STR(fetch_when_it_answers(published_port(vm, 1, 80)), "hello\n");
	ASSERT_OK(vmboot_unpublish(vm, test_path("127.0.0.1:%d:80", port)));
	ASSERT_STR(fetch(port), "");
	port = published_port(vm, 0, 80);
	ASSERT_STR(more, test_path("127.0.0.1:%d:80/tcp", port));
	ASSERT_ERROR(vmboot_unpublish(vm, "127.0.0.1:1:80"), ENOENT, "is not published");
	vmboot_free(more);

	/* they come back with the VM, to a handle of somebody else's, too */
	CU_ASSERT(vmboot_stop(vm, 10000) >= 0);
	ASSERT_STR(fetch(port), "");
	vmboot_close(vm);
	ASSERT_OK(vmboot_open(&opts, "exec-ports", &vm));
	ASSERT_OK(vmboot_start(vm));
	CU_ASSERT_EQUAL(published_port(vm, 0, 80), port);
	ASSERT_STR(fetch_when_it_answers(port), "hello\n");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void has_no_network_unless_asked(void)
{
	struct vmboot_opts opts = boot_opts("exec-nonet", "ls /sys/class/net; hostname -i");
	struct vmboot_vm *vm = boot_run(&opts, 0);

	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "lo\n127.0.1.1\n");
	ASSERT_ERROR(vmboot_publish(vm, "80:80", NULL), ENOTSUP, "has no user network");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

BOOT_MAIN("boot/exec", {"prints and exits", prints_and_exits},
	  {"uses the image's config", uses_the_images_config},
	  {"sets env, workdir and user", sets_env_workdir_and_user},
	  {"takes a user by number", takes_a_user_by_number},
	  {"fails on an unknown user", fails_on_an_unknown_user},
	  {"reports a signal", reports_a_signal},
	  {"names a missing program", names_a_missing_program},
	  {"reaps 500 orphans", reaps_500_orphans},
	  {"keeps the VM when the program ends", keeps_the_vm_when_the_program_ends},
	  {"powers off when asked to", powers_off_when_asked_to},
	  {"reaches what the host does", reaches_what_the_host_does},
	  {"has no network unless asked", has_no_network_unless_asked},
	  {"publishes ports", publishes_ports},
	  {"stops and starts with its writes", stops_and_starts_with_its_writes})
