/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"

/*
 * What programs look names up in. An image made for containers has these files empty or not at all;
 * ours lie in /run and are mounted over them, so that nothing is written into the image. What the
 * image says itself is left: only the name server, if there is one, is ours to say.
 */

#define OURS "/run/vmboot"

static bool empty_or_none(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT;
	return S_ISREG(st.st_mode) && st.st_size == 0;
}

static bool file_or_none(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? errno == ENOENT : S_ISREG(st.st_mode);
}

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t n = strlen(text);

	if (fd < 0)
		return -errno;
	return write(fd, text, n) == (ssize_t)n ? 0 : -EIO;
}

/* A boot goes on without: a program that looks up no names does not miss them. */
static void put_over(struct init *init, const char *name, const char *text)
{
	char ours[INIT_PATH_MAX], path[INIT_PATH_MAX];
	int fd, r;

	init_path(init, ours, OURS "/%s", name);
	init_path(init, path, "/etc/%s", name);
	r = write_text(ours, text);
	fd = r < 0 ? -1 : open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (r == 0 && fd < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	if (r == 0)
		r = init->ops->mount(ours, path, NULL, MS_BIND, NULL);
	if (r < 0)
		init_log(init, "no /etc/%s: %s", name, strerror(-r));
}

void init_names(struct init *init)
{
	const struct vmb_guest_config *c = &init->config;
	char path[INIT_PATH_MAX], text[256];

	if (access(init_path(init, path, "/etc"), F_OK) < 0)
		return; /* an image of one static program: nobody would look */
	mkdir(init_path(init, path, OURS), 0755);
	if (empty_or_none(init_path(init, path, "/etc/hosts"))) {
		init_format(text, sizeof(text),
			    "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n", c->hostname);
		put_over(init, "hosts", text);
	}
	if (c->nameserver[0] && file_or_none(init_path(init, path, "/etc/resolv.conf"))) {
		init_format(text, sizeof(text), "nameserver %s\n", c->nameserver);
		put_over(init, "resolv.conf", text);
	}
}
