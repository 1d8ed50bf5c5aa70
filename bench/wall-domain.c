/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wall-domain ROOT XML SOCKET START: starts libvirt's embedded driver with this root, then the
 * domain of a file of XML, whose console connects to SOCKET, and passes what the console says to
 * standard output. Into the file START it writes, before the call that starts the domain,
 * CLOCK_MONOTONIC and the processor time that it has taken until then, both in nanoseconds. SIGTERM
 * ends the domain and it.
 *
 * It is to a domain of somebody else's what wall-ours is to ours: the connection is open before.
 */
#include <libvirt/libvirt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { XML_MAX = 262144 };

static void __attribute__((noreturn)) failed(const char *what)
{
	fprintf(stderr, "wall-domain: %s\n", what);
	_exit(1);
}

static long long read_clock(clockid_t id)
{
	struct timespec t = {0};

	clock_gettime(id, &t);
	return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *run_loop(void *data)
{
	while (virEventRunDefaultImpl() == 0)
		;
	return data;
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		failed("the socket's path is too long");
	strcpy(a.sun_path, path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, 0777) < 0 ||
	    listen(fd, 1) < 0)
		failed("no socket for the console");
	return fd;
}

static void *pass_on(void *data)
{
	static char buf[4096];
	int fd = accept(*(int *)data, NULL, NULL);
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(STDOUT_FILENO, buf, (size_t)n) < 0)
			break;
	close(fd);
	return NULL;
}

static char *read_xml(const char *path)
{
	static char xml[XML_MAX];
	FILE *f = fopen(path, "re");

	if (!f || fread(xml, 1, sizeof(xml) - 1, f) == 0)
		failed("no XML");
	fclose(f);
	return xml;
}

static void stamp(const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		failed("no file for the time");
	fprintf(f, "%lld %lld\n", read_clock(CLOCK_MONOTONIC),
		read_clock(CLOCK_PROCESS_CPUTIME_ID));
	fclose(f);
}

int main(int argc, char **argv)
{
	pthread_t loop, console;
	virConnectPtr conn;
	virDomainPtr d;
	sigset_t set;
	char uri[4096];
	const char *xml;
	int fd, sig;

	if (argc != 5)
		failed("usage: wall-domain ROOT XML SOCKET START");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	xml = read_xml(argv[2]);
	fd = listen_at(argv[3]);
	snprintf(uri, sizeof(uri), "qemu:///embed?root=%s", argv[1]);
	if (virEventRegisterDefaultImpl() < 0 || pthread_create(&loop, NULL, run_loop, NULL) != 0 ||
	    pthread_create(&console, NULL, pass_on, &fd) != 0)
		failed("no threads");
	conn = virConnectOpen(uri);
	if (!conn)
		failed("no connection");
	stamp(argv[4]);
	d = virDomainCreateXML(conn, xml, 0);
	if (!d)
		failed("the domain does not start");
	sigwait(&set, &sig);
	virDomainDestroy(d);
	_exit(0);
}
