/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/skopeo.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "archive/path.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"
#include "base/process.h"
#include "image/importer.h"
#include "image/json.h"
#include "image/platform.h"

enum {
	ARGS_MAX = 24,
	LOOK_MS = 100,		   /* how often the progress is looked at */
	OTHER_BYTES_MAX = 8 << 20, /* manifest, config and signatures of an image */
	FREE_MIN = 16 << 20,	   /* bytes that a pull leaves free */
};

/* One run of skopeo. */
struct skopeo {
	struct vmb_process process;
	const char *argv[ARGS_MAX];
	size_t n_argv;
	char **made;  /* arguments that were put together */
	int authfile; /* a memory file, or -1 */
	struct vmb_buf out;
};
#define SKOPEO_INIT                                                                                \
	{                                                                                          \
		.process = VMB_PROCESS_INIT, .authfile = -1                                        \
	}

static void skopeo_done(struct skopeo *s)
{
	if (s->process.pid > 0) /* with skopeo, which is of its process group */
		kill(-s->process.pid, SIGKILL);
	vmb_process_done(&s->process);
	vmb_closep(&s->authfile);
	vmb_list_free(s->made);
	vmb_buf_done(&s->out);
}

static void add_arg(struct skopeo *s, const char *arg)
{
	if (s->n_argv + 1 < ARGS_MAX)
		s->argv[s->n_argv++] = arg;
}

/* "<name><value>" */
static int add_option(struct skopeo *s, const char *name, const char *value)
{
	_cleanup_free_ char *made = NULL;
	int r = vmb_asprintf(&made, "%s%s", name, value);

	if (r == 0)
		r = vmb_list_add(&s->made, made);
	if (r == 0)
		add_arg(s, s->made[vmb_list_len(vmb_list_const(s->made)) - 1]);
	return r;
}

/* ---- credentials ---- */

static void base64(const char *text, struct vmb_buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)text;

	for (size_t left = strlen(text); left > 0; p += 3) {
		size_t n = left < 3 ? left : 3;
		unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) |
			     (n > 2 ? (unsigned)p[2] : 0);

		vmb_buf_printf(out, "%c%c%c%c", digits[v >> 18], digits[v >> 12 & 63],
			       n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '=');
		left -= n;
	}
}

/*
 * A password is in no argument, which all users could read, and in no file: skopeo reads it from our
 * memory file, by /proc, as it would an authfile.
 */
static int write_authfile(struct skopeo *s, const char *registry, const char *creds)
{
	_cleanup_buf_ struct vmb_buf text = {0};
	int r;

	vmb_buf_printf(&text, "{\"auths\":{\"%s\":{\"auth\":\"", registry);
	base64(creds, &text);
	vmb_buf_str(&text, "\"}}}");
	if (text.failed)
		return vmb_oom();
	s->authfile = memfd_create("vmboot-authfile", MFD_CLOEXEC);
	if (s->authfile < 0)
		return vmb_errno(errno, "cannot keep the password for skopeo");
	r = fchmod(s->authfile, 0600) < 0
		    ? vmb_errno(errno, "cannot keep the password for skopeo")
		    : vmb_write_all(s->authfile, "the password for skopeo", text.data, text.len);
	explicit_bzero(text.data, text.len);
	return r;
}

static int add_authfile(struct skopeo *s, const struct vmboot_opts *opts, const char *registry)
{
	char path[64];
	int r;

	if (!opts->creds || !registry)
		return opts->authfile ? add_option(s, "--authfile=", opts->authfile) : 0;
	r = write_authfile(s, registry, opts->creds);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), s->authfile);
	return add_option(s, "--authfile=", path);
}

/* copy: its options of the source begin with --src-. */
static int add_access(struct skopeo *s, const struct vmboot_opts *opts, const char *registry,
		      bool copy)
{
	static const char *const words[] = {
		[VMBOOT_TLS_VERIFY_TRUE] = "true",
		[VMBOOT_TLS_VERIFY_FALSE] = "false",
	};
	int r = add_authfile(s, opts, registry);

	if (r == 0 && opts->cert_dir)
		r = add_option(s, copy ? "--src-cert-dir=" : "--cert-dir=", opts->cert_dir);
	if (r == 0 && opts->tls_verify != VMBOOT_TLS_VERIFY_AUTO)
		r = add_option(s, copy ? "--src-tls-verify=" : "--tls-verify=",
			       words[opts->tls_verify]);
	return r;
}

/* ---- running it ---- */

static const struct {
	const char *words; /* in skopeo's message */
	int code;
	const char *advice;
} failures[] = {
	{"manifest unknown", VMBOOT_ENOIMAGE, "the registry has no such image"},
	{"name unknown", VMBOOT_ENOIMAGE, "the registry has no such image"},
	{"repository name not known", VMBOOT_ENOIMAGE, "the registry has no such image"},
	{"unauthorized", EACCES,
	 "check the user and the password: --creds, --authfile, or `podman login`"},
	{"authentication required", EACCES,
	 "check the user and the password: --creds, --authfile, or `podman login`"},
	{"denied", EACCES,
	 "it does not exist, or needs a user and a password: --creds, --authfile, or `podman "
	 "login`"},
	{"x509:", VMBOOT_EIMAGE,
	 "put the registry's CA into a folder as ca.crt, and name that with --cert-dir; or see "
	 "containers-certs.d(5)"},
	{"server gave HTTP response", VMBOOT_EIMAGE,
	 "the registry has no TLS: --tls-verify=false, or \"insecure\" in registries.conf"},
	{"rejected by policy", VMBOOT_EIMAGE, "see containers-policy.json(5)"},
};

/* The text of the last msg="…" of a log line, without its escapes; else all of it. */
static void cut_message(const char *all, char *out, size_t size)
{
	const char *at = strstr(all, "msg=\""), *next;
	size_t n = 0;

	while (at && (next = strstr(at + 1, "msg=\"")))
		at = next;
	if (!at) {
		vmb_strlcpy(out, all, size);
		return;
	}
	for (at += strlen("msg=\""); *at && *at != '"' && n + 1 < size; at++) {
		at += *at == '\\' && at[1];
		out[n++] = *at;
	}
	out[n] = '\0';
}

static int explain_failure(const char *ref)
{
	char words[1024];

	cut_message(vmboot_last_error()->message, words, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (strstr(words, failures[i].words))
			return vmb_error(failures[i].code, "cannot read %s: %s (skopeo: %s)", ref,
					 failures[i].advice, words);
	return vmb_error(VMBOOT_EIMAGE, "cannot read %s: skopeo: %s", ref, words);
}

/* registries.conf is podman's to choose by a variable, and skopeo has a flag for it. */
static int begin(struct skopeo *s, char **ret_program, char **ret_tool, const char *verb)
{
	const char *conf = secure_getenv("CONTAINERS_REGISTRIES_CONF");
	char *tool = vmb_find_tool("skopeo");
	int r;

	*ret_tool = tool;
	if (!tool)
		return vmb_error(VMBOOT_EHOST, "skopeo is not installed, which pulls images; on "
					       "Debian, install the package skopeo");
	r = vmb_find_installed("vmboot-import", "the importer", X_OK, ret_program);
	if (r < 0)
		return r;
	add_arg(s, *ret_program);
	add_arg(s, VMB_IMPORTER_PROTOCOL);
	add_arg(s, VMB_IMPORTER_TOOL);
	add_arg(s, tool);
	if (conf && *conf)
		r = add_option(s, "--registries-conf=", conf);
	add_arg(s, verb);
	return r;
}

static int start(struct skopeo *s)
{
	int r = vmb_process_start(&s->process, s->argv, VMB_PIPE_STDIN | VMB_PIPE_STDOUT);

	s->process.tool = "skopeo";
	return r;
}

/* Its output, of which max bytes are kept, until look() fails or nothing comes of it for stall_ms. */
static int read_output(struct skopeo *s, size_t max, int stall_ms, const char *ref,
		       int (*look)(void *data, bool *ret_moved), void *data)
{
	struct vmb_deadline stall = vmb_deadline_in(stall_ms);
	struct pollfd fd = {.fd = s->process.stdout_fd, .events = POLLIN};
	char chunk[4096];
	ssize_t n = 1;

	while (n != 0) {
		bool moved = false;
		int r = vmb_limit_poll(&fd, vmb_deadline_in(LOOK_MS));

		if (r > 0) {
			n = read(fd.fd, chunk, sizeof(chunk));
			if (n < 0 && errno != EINTR)
				return vmb_errno(errno, "cannot read what skopeo writes");
			if (n > 0 && s->out.len < max)
				vmb_buf_add(&s->out, chunk, (size_t)n);
			moved = true;
		}
		if (r >= 0 && look)
			r = look(data, &moved);
		if (r < 0)
			return r;
		if (moved)
			stall = vmb_deadline_in(stall_ms);
		else if (vmb_deadline_passed(stall))
			return vmb_error(ETIMEDOUT, "%s does not answer: nothing came for %d s",
					 ref, stall_ms / 1000);
	}
	return 0;
}

static int finish(struct skopeo *s, const char *ref)
{
	int r = vmb_process_finish(&s->process);

	return r == -VMBOOT_EHOST ? explain_failure(ref) : r;
}

int vmb_skopeo_inspect(const struct vmboot_opts *opts, const char *ref, const char *registry,
		       char **ret, size_t *ret_n)
{
	vmb_cleanup(skopeo_done) struct skopeo s = SKOPEO_INIT;
	_cleanup_free_ char *program = NULL, *tool = NULL;
	int r = begin(&s, &program, &tool, "inspect");

	if (r == 0)
		r = add_access(&s, opts, registry, false);
	if (r < 0)
		return r;
	add_arg(&s, "--raw");
	add_arg(&s, ref);
	r = start(&s);
	if (r == 0)
		r = read_output(&s, VMB_IMAGE_JSON_MAX + 1, VMB_SKOPEO_STALL_MS, ref, NULL, NULL);
	if (r == 0)
		r = finish(&s, ref);
	if (r < 0)
		return r;
	if (s.out.len > VMB_IMAGE_JSON_MAX)
		return vmb_error(VMBOOT_EIMAGE, "the manifest of %s is larger than %d bytes", ref,
				 VMB_IMAGE_JSON_MAX);
	*ret_n = s.out.len;
	return vmb_buf_take(&s.out, ret);
}

/* ---- copying ---- */

struct watch {
	const struct vmb_skopeo_copy *copy;
	uint64_t seen;	/* bytes at the last look */
	uint64_t start; /* of layers that were there before */
};

/* What skopeo has half fetched, and all else that it wrote there. */
static uint64_t bytes_in(const char *folder)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	uint64_t sum = 0;
	struct dirent *d;
	struct stat st;

	while (dir && (d = readdir(dir)))
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	return sum;
}

/* The layers that are there: how many, their bytes, and the bytes of all. A layer may be twice. */
static void count_layers(const struct vmb_skopeo_copy *copy, size_t *n, uint64_t *there,
			 uint64_t *all)
{
	*n = 0;
	*there = *all = 0;
	for (size_t i = 0; copy->layers && i < copy->layers->n; i++) {
		const struct vmb_oci_blob *b = &copy->layers->blobs[i];
		char path[PATH_MAX];
		bool is_there;

		snprintf(path, sizeof(path), "%s/sha256/%s", copy->blobs, b->hex);
		is_there = vmb_exists(path);
		*n += is_there;
		*there += is_there ? b->size : 0;
		if (__builtin_add_overflow(*all, b->size, all))
			*all = UINT64_MAX;
	}
}

static int check_room(const struct vmb_skopeo_copy *copy, uint64_t needed)
{
	struct statvfs fs;
	uint64_t room;

	if (statvfs(copy->layout, &fs) < 0)
		return vmb_errno(errno, "cannot look at the disk of %s", copy->layout);
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= FREE_MIN && room - FREE_MIN >= needed)
		return 0;
	return vmb_error(ENOSPC,
			 "pulling %s takes %llu MiB, and the disk of the store has %llu free",
			 copy->what, (unsigned long long)(needed >> 20),
			 (unsigned long long)(room >> 20));
}

/* Tells how far it is, and ends what a registry that lies would go on with. */
static int look(void *data, bool *ret_moved)
{
	struct watch *w = data;
	const struct vmb_skopeo_copy *copy = w->copy;
	uint64_t half = bytes_in(copy->layout), there, all, done;
	char what[600];
	size_t n;

	count_layers(copy, &n, &there, &all);
	done = there + half;
	if (copy->layers && half > all - there + OTHER_BYTES_MAX)
		return vmb_error(VMBOOT_EIMAGE,
				 "%s: more comes than its manifest says, which is %llu bytes",
				 copy->what, (unsigned long long)(all - there));
	if (done == w->seen)
		return check_room(copy, 0);
	*ret_moved = true;
	w->seen = done;
	if (copy->layers)
		snprintf(what, sizeof(what), "pulling %s: %zu of %zu layers", copy->what, n,
			 copy->layers->n);
	else
		snprintf(what, sizeof(what), "pulling %s", copy->what);
	vmb_progress(copy->log, what, done < all || !all ? done : all, all);
	return check_room(copy, 0);
}

static int copy_args(struct skopeo *s, const struct vmb_skopeo_copy *copy)
{
	struct vmb_platform p;
	int r = add_access(s, copy->opts, copy->registry, true);

	if (r == 0)
		r = vmb_platform_parse(copy->opts->platform, &p);
	if (r < 0)
		return r;
	r = add_option(s, "--override-os=", p.os);
	if (r == 0)
		r = add_option(s, "--override-arch=", p.arch);
	if (r == 0 && *p.variant)
		r = add_option(s, "--override-variant=", p.variant);
	if (r == 0)
		r = add_option(s, "--tmpdir=", copy->layout);
	if (r < 0)
		return r;
	add_arg(s, "--dest-oci-accept-uncompressed-layers");
	add_arg(s, "--dest-shared-blob-dir");
	add_arg(s, copy->blobs);
	add_arg(s, copy->ref);
	return add_option(s, "oci:", copy->layout);
}

int vmb_skopeo_copy(const struct vmb_skopeo_copy *copy)
{
	vmb_cleanup(skopeo_done) struct skopeo s = SKOPEO_INIT;
	_cleanup_free_ char *program = NULL, *tool = NULL;
	struct watch watch = {.copy = copy};
	uint64_t there, all;
	size_t n;
	int r = begin(&s, &program, &tool, "copy");

	if (r == 0)
		r = copy_args(&s, copy);
	if (r < 0)
		return r;
	count_layers(copy, &n, &there, &all);
	r = check_room(copy, all - there);
	if (r == 0)
		r = start(&s);
	if (r == 0)
		r = read_output(&s, 0, copy->stall_ms, copy->what, look, &watch);
	return r < 0 ? r : finish(&s, copy->what);
}
