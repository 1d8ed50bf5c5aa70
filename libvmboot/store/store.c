/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/store.h"

#include <stdarg.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"

/* Others (libvirt's user among them) may pass through, but not list; each file has its own mode. */
enum { STORE_MODE = 0711, LOCK_RETRY_MS = 20 };

static int default_path(char **ret)
{
	const char *store = secure_getenv("VMBOOT_STORE");
	const char *data = secure_getenv("XDG_DATA_HOME");
	const char *home = secure_getenv("HOME");

	if (store && *store)
		return vmb_strdup(store, ret);
	if (geteuid() == 0)
		return vmb_strdup("/var/lib/vmboot", ret);
	if (data && data[0] == '/')
		return vmb_asprintf(ret, "%s/vmboot", data);
	if (home && home[0] == '/')
		return vmb_asprintf(ret, "%s/.local/share/vmboot", home);
	return vmb_error(VMBOOT_EOPTS, "no store folder: set `store`, $VMBOOT_STORE or $HOME");
}

static int absolute_path(const char *path, char **ret)
{
	_cleanup_free_ char *chosen = NULL;
	int r = path ? vmb_strdup(path, &chosen) : default_path(&chosen);

	return r < 0 ? r : vmb_absolute(chosen, ret);
}

/* Who could change what is in it could choose what the caller's VMs boot, and where links lead. */
static int check_owner(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return vmb_errno(errno, "cannot use the store %s", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return vmb_error(
			EPERM,
			"the store %s belongs to the user %u, not to you or root: choose "
			"another with `store` or $VMBOOT_STORE, or make it yours with chown",
			path, st.st_uid);
	if (st.st_mode & S_IWOTH || (st.st_mode & S_IWGRP && geteuid() == 0 && st.st_gid != 0))
		return vmb_error(EPERM,
				 "others can write to the store %s, whose mode is %04o: run `chmod "
				 "go-w %s`, or choose another with `store` or $VMBOOT_STORE",
				 path, st.st_mode & 07777, path);
	return 0;
}

static int use_folder(const char *path, struct vmb_store *ret)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	int r;

	if (!real)
		return vmb_errno(errno, "cannot use the store %s", path);
	r = check_owner(real);
	if (r == 0)
		ret->path = TAKE_PTR(real);
	return r;
}

int vmb_store_open(const char *path, struct vmb_store *ret)
{
	_cleanup_free_ char *absolute = NULL;
	int r = absolute_path(path, &absolute);

	if (r < 0)
		return r;
	r = vmb_mkdir_p(absolute, STORE_MODE);
	if (r < 0)
		return vmb_error_prefix("cannot make the store");
	if (access(absolute, R_OK | W_OK | X_OK) < 0)
		return vmb_errno(errno,
				 "cannot write to the store %s; choose another with `store` or "
				 "$VMBOOT_STORE",
				 absolute);
	return use_folder(absolute, ret);
}

int vmb_store_find(const char *path, struct vmb_store *ret)
{
	_cleanup_free_ char *absolute = NULL;
	struct stat st;
	int r = absolute_path(path, &absolute);

	if (r < 0)
		return r;
	if (stat(absolute, &st) < 0) {
		if (errno != ENOENT)
			return vmb_errno(errno, "cannot use the store %s", absolute);
		ret->path = TAKE_PTR(absolute);
		return 0;
	}
	r = !S_ISDIR(st.st_mode) ? -ENOTDIR : access(absolute, R_OK | X_OK) < 0 ? -errno : 0;
	if (r < 0)
		return vmb_errno(-r,
				 "cannot read the store %s; choose another with `store` or "
				 "$VMBOOT_STORE",
				 absolute);
	r = use_folder(absolute, ret);
	return r < 0 ? r : 1;
}

void vmb_store_done(struct vmb_store *store)
{
	free(TAKE_PTR(store->path));
}

int vmb_store_path(const struct vmb_store *store, char **ret, const char *fmt, ...)
{
	_cleanup_free_ char *rest = NULL, *path = NULL;
	char *slash;
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vasprintf(&rest, fmt, ap);
	va_end(ap);
	if (n < 0) {
		rest = NULL;
		return vmb_oom();
	}
	r = vmb_asprintf(&path, "%s/%s", store->path, rest);
	if (r < 0)
		return r;
	slash = strrchr(path, '/');
	*slash = '\0';
	r = vmb_mkdir_p(path, STORE_MODE);
	if (r < 0)
		return r;
	*slash = '/';
	*ret = TAKE_PTR(path);
	return 0;
}

/* False: whoever had the lock has removed the file, and the lock with it. */
static bool still_there(int fd, const char *path)
{
	struct stat ours, now;

	return fstat(fd, &ours) == 0 && stat(path, &now) == 0 && ours.st_dev == now.st_dev &&
	       ours.st_ino == now.st_ino;
}

/* 0, also if the file is gone by now; or a negative errno. */
static int lock_file(int fd, const char *path, int operation, struct vmb_deadline deadline)
{
	int r;

	while (flock(fd, operation | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return vmb_errno(errno, "cannot lock %s", path);
		if (vmb_deadline_passed(deadline))
			return vmb_error(ETIMEDOUT, "another process holds %s; is it still alive?",
					 path);
		r = vmb_limit_poll(NULL,
				   vmb_deadline_in(vmb_deadline_poll(deadline, LOCK_RETRY_MS)));
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_lock(const struct vmb_store *store, const char *name, int operation, int timeout_ms,
		     int *ret_fd)
{
	struct vmb_deadline deadline = vmb_deadline_in(timeout_ms);
	int r;

	for (;;) {
		_cleanup_free_ char *path = NULL;
		_cleanup_close_ int fd = -1;

		r = vmb_store_path(store, &path, "%s.lock", name);
		if (r < 0)
			return r;
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT && !vmb_deadline_passed(deadline))
			continue; /* its folder was removed just now */
		if (fd < 0)
			return vmb_errno(errno, "cannot open %s", path);
		r = lock_file(fd, path, operation, deadline);
		if (r < 0)
			return r;
		if (still_there(fd, path)) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
	}
}

int vmb_store_lock(const struct vmb_store *store, const char *name, int timeout_ms, int *ret_fd)
{
	return take_lock(store, name, LOCK_EX, timeout_ms, ret_fd);
}

int vmb_store_lock_shared(const struct vmb_store *store, const char *name, int timeout_ms,
			  int *ret_fd)
{
	return take_lock(store, name, LOCK_SH, timeout_ms, ret_fd);
}

int vmb_store_lock_folder(const char *path, int timeout_ms, int *ret_fd)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return vmb_errno(errno, "cannot open %s", path);
	r = lock_file(fd, path, LOCK_EX, vmb_deadline_in(timeout_ms));
	if (r == 0 && !still_there(fd, path))
		r = vmb_error(ENOENT, "%s was removed just now", path);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

int vmb_store_tmp_folder(const char *path, char **ret, int *ret_fd)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	int r = vmb_asprintf(&tmp, "%s.tmp-XXXXXX", path);

	if (r < 0)
		return r;
	if (!mkdtemp(tmp))
		return vmb_errno(errno, "cannot make the folder %s", tmp);
	fd = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = vmb_errno(errno, "cannot lock %s", tmp);
		rmdir(tmp);
		return r;
	}
	*ret = TAKE_PTR(tmp);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void vmb_store_tmp_folder_done(char **path)
{
	struct vmb_saved_error *saved;

	if (!*path)
		return;
	saved = vmb_error_save();
	(void)vmb_rm_rf(*path);
	vmb_error_restore(saved);
	free(TAKE_PTR(*path));
}

int vmb_store_make_unique(char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	char *x = name + strlen(name) - strlen("XXXXXX");
	uint8_t random[6];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return vmb_errno(errno, "cannot get random bytes");
	for (size_t i = 0; i < sizeof(random); i++)
		x[i] = letters[random[i] % (sizeof(letters) - 1)];
	return 0;
}

int vmb_store_remove_folder(const char *path)
{
	_cleanup_free_ char *tmp = NULL;
	int r = vmb_asprintf(&tmp, "%s.tmp-XXXXXX", path);

	if (r == 0)
		r = vmb_store_make_unique(tmp);
	if (r < 0)
		return r;
	if (rename(path, tmp) == 0)
		return vmb_rm_rf(tmp);
	return errno == ENOENT ? 0 : vmb_rm_rf(path); /* a full disk may have no room for a name */
}

/* What must not stand for itself in a name: it would be a path, hidden, half-made or a lock. */
static bool must_encode(const char *name, const char *p)
{
	return *p == '/' || *p == '%' || (p == name && *p == '.') || vmb_skip_prefix(p, ".tmp-") ||
	       vmb_streq(p, ".lock");
}

int vmb_store_encode(const char *name, char **ret)
{
	_cleanup_buf_ struct vmb_buf b = {0};

	for (const char *p = name; *p; p++) {
		if (must_encode(name, p))
			vmb_buf_printf(&b, "%%%02X", (unsigned)(unsigned char)*p);
		else
			vmb_buf_add(&b, p, 1);
	}
	return vmb_buf_take(&b, ret);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int vmb_store_decode(const char *file, char **ret)
{
	_cleanup_buf_ struct vmb_buf b = {0};

	for (const char *p = file; *p; p++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;
		char c = *p;

		if (low >= 0 && high + low > 0) {
			c = (char)(high * 16 + low);
			p += 2;
		}
		vmb_buf_add(&b, &c, 1);
	}
	return vmb_buf_take(&b, ret);
}
