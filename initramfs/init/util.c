/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>

#include "init.h"

void init_setup(struct init *init, const char *root, const struct init_ops *ops)
{
	init->root = root;
	init->ops = ops;
	init->console = init->uevents = init->overlay = init->signals = init->acpi = -1;
	init->trace = init->pid_ns = -1;
	init->events.fd = init->self = init->agent.self = init->agent.control = -1;
	init->patience = (struct init_patience){
		.disk = 2000, .stop = 8000, .kill = 2000, .drain = 2000, .rest = 2000};
	init->ttl = init->restart.at = init->health.at = init->health.until = vmb_deadline_in(-1);
	init->how = RB_POWER_OFF;
	init->why = "";
	init_disks_begin(init);
	for (int i = 0; i < INIT_N_PORTS; i++)
		init->ports[i] = -1;
	for (int i = 0; i < 2; i++)
		init->relays[i].from = init->relays[i].to = -1;
}

/* A path that does not fit becomes "", which no system call takes. */
const char *init_path(const struct init *init, char path[INIT_PATH_MAX], const char *fmt, ...)
{
	size_t n = strlen(init->root);
	va_list ap;

	path[0] = '\0';
	if (n >= INIT_PATH_MAX)
		return path;
	memcpy(path, init->root, n + 1);
	va_start(ap, fmt);
	if (init_vformat(path + n, INIT_PATH_MAX - n, fmt, ap) >= INIT_PATH_MAX - n)
		path[0] = '\0';
	va_end(ap);
	return path;
}

int init_read_text(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return (int)strlen(text);
}

/* An image can have anything in place of a file: only regular ones are read. */
int init_read_file(const char *path, size_t max, char **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n = 0;
	ssize_t r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return -EFBIG;
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (n < (size_t)st.st_size && (r = read(fd, text + n, (size_t)st.st_size - n)) != 0) {
		if (r < 0)
			return -errno;
		n += (size_t)r;
	}
	text[n] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

/* A file of /proc has no size. */
char *init_read_proc(const char *path)
{
	enum { MAX = 16384 };
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = malloc(MAX);
	size_t n = 0;
	ssize_t r;

	if (fd < 0 || !text)
		return NULL;
	while (n < MAX - 1 && (r = read(fd, text + n, MAX - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	return TAKE_PTR(text);
}

int init_write_file(const char *path, mode_t mode, const void *bytes, size_t n)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0 || fchmod(fd, mode) < 0)
		return -errno;
	errno = ENOSPC;
	return write(fd, bytes, n) == (ssize_t)n ? 0 : -errno;
}

void init_make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	mkdir(path, 0755);
}

bool init_has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	while (*(words += strspn(words, " \t\n"))) {
		size_t len = strcspn(words, " \t\n");

		if (len == n && memcmp(words, word, n) == 0)
			return true;
		words += len;
	}
	return false;
}
