/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/libvirt.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/str.h"

/* A guest with one disk takes 15 to start, of libvirt's and QEMU's own; a connection, fewer. */
enum { DESCRIPTORS = 16 };

/* True while this thread opens a connection of ours. */
static _Thread_local bool opens;

/*
 * libvirt hands the error of a connection that it could not open to the one function of the process,
 * and prints it if there is none. So there is one: for what is not ours it does what libvirt does
 * by itself. It is set when this library is loaded, and not later, so that a function that the program
 * sets replaces it; which one is set libvirt tells nobody.
 */
static void report_error(void *data VMB_UNUSED, virErrorPtr error)
{
	if (!opens)
		virDefaultErrorFunc(error);
}

__attribute__((constructor)) static void set_error_function(void)
{
	virSetErrorFunc(NULL, report_error);
}

/* Errors reach the caller as ours; on a connection of ours libvirt need not print them. */
static void ignore_error(void *data VMB_UNUSED, virErrorPtr error VMB_UNUSED)
{
}

/*
 * libvirt writes warnings of its embedded QEMU driver to standard error, such as one for each guest
 * whose XML chooses how QEMU is asked for its CPU. It reads what to write from the environment, once,
 * in virInitialize(), and has no function for that. So it finds a filter there, unless the user or the
 * program has chosen. setenv() would move the environment under the feet of other threads that
 * read it; this is another list of the same strings, which stays for those that read it just then.
 */
static void filter_driver_warnings(void)
{
	static const char *const chosen[] = {"LIBVIRT_DEBUG", "LIBVIRT_LOG_FILTERS",
					     "LIBVIRT_LOG_OUTPUTS"};
	static char filter[] = "LIBVIRT_LOG_FILTERS=4:qemu.";
	static char **with_filter;
	char **before = environ;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(chosen); i++)
		if (getenv(chosen[i]))
			return;
	while (before && before[n])
		n++;
	with_filter = calloc(n + 2, sizeof(*with_filter));
	if (!with_filter)
		return;
	for (size_t i = 0; i < n; i++)
		with_filter[i] = before[i];
	with_filter[n] = filter;
	environ = with_filter;
	virInitialize();
	if (environ == with_filter)
		environ = before;
	else
		unsetenv("LIBVIRT_LOG_FILTERS"); /* another thread has made its own of it */
}

virConnectPtr vmb_libvirt_open(const char *uri)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	virConnectPtr c;

	pthread_once(&once, filter_driver_warnings);
	opens = true;
	c = virConnectOpen(uri);
	opens = false;
	if (c)
		virConnSetErrorFunc(c, NULL, ignore_error);
	return c;
}

int vmb_libvirt_code(void)
{
	virErrorPtr e = virGetLastError();

	return e ? e->code : VIR_ERR_OK;
}

bool vmb_libvirt_disconnected(void)
{
	virErrorPtr e = virGetLastError();

	if (!e)
		return false;
	return e->code == VIR_ERR_SYSTEM_ERROR || e->code == VIR_ERR_RPC ||
	       e->code == VIR_ERR_INVALID_CONN ||
	       (e->code == VIR_ERR_INTERNAL_ERROR && e->domain == VIR_FROM_RPC);
}

int vmb_libvirt_descriptors(void)
{
	int fds[DESCRIPTORS], n = 0, err = 0;

	while (n < DESCRIPTORS && (fds[n] = eventfd(0, EFD_CLOEXEC)) >= 0)
		n++;
	if (n < DESCRIPTORS)
		err = errno;
	while (n > 0)
		close(fds[--n]);
	if (err)
		return vmb_errno(err,
				 "libvirt may need %d file descriptors: raise the limit "
				 "(ulimit -n), or close some",
				 DESCRIPTORS);
	return 0;
}

int vmb_libvirt_error(const char *fmt, ...)
{
	virErrorPtr e = virGetLastError();
	const char *theirs = e && e->message ? e->message : "libvirt gave no reason";
	char ours[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ours, sizeof(ours), fmt, ap);
	va_end(ap);
	vmb_error(VMBOOT_ELIBVIRT, "%s: %s", ours, theirs);
	vmb_error_libvirt(e ? e->code : 0, theirs);
	return -VMBOOT_ELIBVIRT;
}
