/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "init.h"

/*
 * What programs look names up in: /etc/hosts, /etc/hostname and /etc/resolv.conf, plain files on the
 * overlay, each replaced in one step before the program starts.
 *
 * hosts keeps the lines that the image or a user wrote; it only gets those that are missing, so that
 * localhost and the VM's own name resolve. The others have one line, which is ours to say; what we wrote
 * last is kept on the overlay disk outside of the guest's tree (KEPT), and a file that is not that any
 * more is somebody's: it stays, over restarts, too.
 *
 * podman gives a container these three files as well, but mounts them, so nothing can rename over
 * them.
 */

enum { FILE_MAX = 1 << 20, LINE_MAX = 256 };

#define KEPT "names"
#define TEMPORARY "/etc/.vmboot-new"

/* ---- hosts ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Whether a line has the name behind its address; n: its length. */
static bool line_has(const char *line, size_t n, const char *name)
{
	size_t len = strlen(name), i = 0;
	bool address = true;

	while (i < n && line[i] != '#') {
		size_t start = i;

		while (i < n && !is_space(line[i]) && line[i] != '#')
			i++;
		if (i > start) {
			if (!address && i - start == len && memcmp(line + start, name, len) == 0)
				return true;
			address = false;
		}
		while (i < n && is_space(line[i]))
			i++;
	}
	return false;
}

static bool has_name(const char *text, const char *name)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (line_has(text, n, name))
			return true;
	}
	return false;
}

size_t init_names_missing(const char *hosts, const char *name, char *text, size_t size)
{
	const bool local = has_name(hosts, "localhost");
	const bool own = !name[0] || has_name(hosts, name);
	const size_t n = strlen(hosts);

	return init_format(text, size, "%s%s%s%s%s",
			   !(local && own) && n > 0 && hosts[n - 1] != '\n' ? "\n" : "",
			   local ? "" : "127.0.0.1 localhost\n::1 localhost\n",
			   own ? "" : "127.0.1.1 ", own ? "" : name, own ? "" : "\n");
}

/* ---- files ---- */

/* Whoever reads it sees the old text or the new one. */
static int replace_file(const struct init *init, const char *name, const char *text, size_t n)
{
	char path[INIT_PATH_MAX], new[INIT_PATH_MAX];
	int r;

	init_path(init, new, TEMPORARY);
	init_path(init, path, "/etc/%s", name);
	r = init_write_file(new, 0644, text, n);
	if (r == 0 && rename(new, path) < 0)
		r = -errno;
	if (r < 0) /* a program that looks up no names does not miss them */
		init_log(init, "no /etc/%s: %s", name, strerror(-r));
	return r;
}

static void write_hosts(const struct init *init)
{
	_cleanup_free_ char *text = NULL;
	char path[INIT_PATH_MAX], more[LINE_MAX], *all;
	size_t n, n_more;

	if (init_read_file(init_path(init, path, "/etc/hosts"), FILE_MAX, &text) < 0 &&
	    !(text = strdup("")))
		return;
	n_more = init_names_missing(text, init->config.hostname, more, sizeof(more));
	if (n_more == 0 || n_more >= sizeof(more))
		return;
	n = strlen(text);
	all = realloc(text, n + n_more + 1);
	if (!all)
		return;
	text = all;
	memcpy(text + n, more, n_more + 1);
	replace_file(init, "hosts", text, n + n_more);
}

/* ---- files of one line ---- */

static bool is_there(const struct init *init, const char *name)
{
	char path[INIT_PATH_MAX];
	struct stat st;

	return lstat(init_path(init, path, "/etc/%s", name), &st) == 0;
}

/* It has that text, and is a plain file. */
static bool has_text(const struct init *init, const char *name, const char *text)
{
	char path[INIT_PATH_MAX], found[LINE_MAX + 1];
	_cleanup_close_ int fd = open(init_path(init, path, "/etc/%s", name),
				      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, found, sizeof(found));

	return n == (ssize_t)strlen(text) && memcmp(found, text, (size_t)n) == 0;
}

/*
 * systemd-resolved and its like have a link into /run, and write there when they run: the link stays, and
 * what it points to is there for as long as they do not run. True: done.
 */
static bool write_behind_link(const struct init *init, const char *text)
{
	char path[INIT_PATH_MAX], target[INIT_PATH_MAX], *name = target;
	ssize_t n = readlink(init_path(init, path, "/etc/resolv.conf"), target, sizeof(target) - 1);

	if (n < 0 || init->config.init_mode != VMBOOT_INIT_SYSTEMD)
		return false;
	target[n] = '\0';
	while (strncmp(name, "../", 3) == 0)
		name += 3;
	name += *name == '/';
	if (strncmp(name, "run/", 4) != 0 || strstr(name, ".."))
		return false;
	init_path(init, path, "/%s", name);
	for (char *slash = strchr(path + strlen(init->root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	return init_write_file(path, 0644, text, strlen(text)) == 0;
}

/* What we wrote at the last boot: two texts, one after the other, each with its 0. */
struct kept {
	char hostname[LINE_MAX], resolver[LINE_MAX];
};

static void read_kept(const struct init *init, struct kept *kept)
{
	_cleanup_close_ int fd =
		init->overlay < 0 ? -1
				  : openat(init->overlay, KEPT, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || read(fd, kept, sizeof(*kept)) != sizeof(*kept))
		memset(kept, 0, sizeof(*kept));
	kept->hostname[LINE_MAX - 1] = kept->resolver[LINE_MAX - 1] = '\0';
}

static void write_kept(const struct init *init, const struct kept *kept)
{
	_cleanup_close_ int fd =
		init->overlay < 0 ? -1
				  : openat(init->overlay, KEPT,
					   O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd >= 0 && write(fd, kept, sizeof(*kept)) != sizeof(*kept))
		init_debug(init, "cannot keep %s", KEPT);
}

/* Writes what is new; kept: what was written last, which becomes text. */
static bool write_line(const struct init *init, const char *name, char kept[LINE_MAX],
		       const char *text)
{
	if (kept[0] && !has_text(init, name, kept))
		return false; /* a user's */
	if (kept[0] && strcmp(kept, text) == 0)
		return false;
	if (replace_file(init, name, text, strlen(text)) < 0)
		return false;
	init_format(kept, LINE_MAX, "%s", text);
	return true;
}

void init_names(struct init *init)
{
	const struct vmb_guest_config *c = &init->config;
	char path[INIT_PATH_MAX], text[LINE_MAX];
	struct kept kept;
	bool changed = false;

	mkdir(init_path(init, path, "/etc"), 0755);
	write_hosts(init);
	read_kept(init, &kept);
	/* an init system of an image without the file leaves the name alone */
	if (c->hostname[0] && (c->init_mode != VMBOOT_INIT_SYSTEMD || is_there(init, "hostname")) &&
	    init_format(text, sizeof(text), "%s\n", c->hostname) < sizeof(text))
		changed |= write_line(init, "hostname", kept.hostname, text);
	if (c->nameserver[0] &&
	    init_format(text, sizeof(text), "nameserver %s\n", c->nameserver) < sizeof(text) &&
	    !write_behind_link(init, text))
		changed |= write_line(init, "resolv.conf", kept.resolver, text);
	if (changed)
		write_kept(init, &kept);
}
