/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies: a pax archive between the host's tree and a program that is in the agent. */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <vmboot/exec.h>

#include "agent/agent.h"
#include "agent/tree.h"
#include "base/error.h"
#include "base/file.h"
#include "base/sigpipe.h"
#include "domain/domain.h"
#include "wire/text.h"

enum {
	WORDS_MAX = 1024,
	REST_MAX = 1 << 20, /* of bytes behind an archive's end */
};

struct copy {
	struct vmb_agent *agent;
	struct vmb_session *session;
	struct vmb_piece *piece; /* lent to the reader */
	struct vmb_sink words;	 /* what the guest's side says is wrong */
	bool ended;
	int status;
};

static void copy_done(struct copy *c)
{
	free(c->piece);
	vmb_buf_done(&c->words.buf);
	if (c->session)
		vmb_agent_close(c->agent, c->session);
}

static int start(struct copy *c, const char *program, const char *path)
{
	_cleanup_free_ struct vmb_exec_request *request = calloc(1, sizeof(*request));
	int r;

	c->words.max = WORDS_MAX;
	if (!request)
		return vmb_oom();
	request->args[0] = program;
	request->args[1] = path;
	r = vmb_agent_wanted(c->agent);
	if (r < 0)
		return r;
	if (c->agent->vm.metadata->guest_agent == VMBOOT_AGENT_IMAGE)
		return vmb_qga_cannot(c->agent, "copy files with their owners, modes and times",
				      "port " VMB_STREAM_PORT);
	r = vmb_agent_session(c->agent, request, vmb_deadline_in(VMB_AGENT_ANSWER_MS), &c->session);
	if (r == -ETIMEDOUT || r == -ENOENT)
		return vmb_error(VMBOOT_ENOAGENT,
				 "no agent that can copy answers in the VM \"%s\"; has it booted "
				 "(vmboot wait --phase agent)?",
				 c->agent->vm.name);
	return r;
}

/* The next piece of the archive, or NULL; words go aside. */
static struct vmb_piece *take(struct copy *c)
{
	struct vmb_piece *piece;

	while ((piece = vmb_session_take(c->session)) && piece->err) {
		size_t room = c->words.max - c->words.buf.len;

		vmb_buf_add(&c->words.buf, piece->bytes, piece->n < room ? piece->n : room);
		vmb_session_give_back(c->session, piece);
	}
	return piece;
}

/*
 * 1: the guest's side ended. It waits until something changes, unless that is so already. Only the
 * archive's bytes are progress: words and the like could come for ever.
 */
static int wait_for_change(struct copy *c, struct vmb_deadline until)
{
	struct pollfd fd = {.fd = vmb_session_fd(c->session), .events = POLLIN};
	int r = vmb_session_status(c->session, &c->status);

	c->ended = r == 1;
	if (r != 0)
		return r;
	if (vmb_deadline_passed(until))
		return vmb_error(ETIMEDOUT, "the copy has stood still for %d s",
				 VMB_AGENT_STALL_MS / 1000);
	poll(&fd, 1, vmb_deadline_poll(until, -1));
	return 0;
}

static ssize_t read_piece(void *data, const void **ret)
{
	const struct vmb_deadline until = vmb_deadline_in(VMB_AGENT_STALL_MS);
	struct copy *c = data;
	int r = 0;

	if (c->piece)
		vmb_session_give_back(c->session, TAKE_PTR(c->piece));
	while (r == 0) {
		vmb_session_clear(c->session);
		c->piece = take(c);
		if (c->piece) {
			*ret = c->piece->bytes;
			return (ssize_t)c->piece->n;
		}
		r = wait_for_change(c, until);
	}
	return r < 0 ? r : 0;
}

static int write_piece(void *data, const void *bytes, size_t n)
{
	struct vmb_deadline until = vmb_deadline_in(VMB_AGENT_STALL_MS);
	struct copy *c = data;
	int r = 0;

	while (n && r == 0) {
		struct vmb_piece *piece;
		size_t room;

		vmb_session_clear(c->session);
		while ((piece = take(c))) /* it has nothing to say on standard output */
			vmb_session_give_back(c->session, piece);
		room = vmb_session_room(c->session);
		if (room == 0) {
			r = wait_for_change(c, until);
			continue;
		}
		until = vmb_deadline_in(VMB_AGENT_STALL_MS);
		room = room < n ? room : n;
		vmb_session_send(c->session, bytes, room);
		bytes = (const char *)bytes + room;
		n -= room;
	}
	if (r == 1)
		return vmb_error(EIO, "the guest takes no more");
	return r;
}

static int drop_rest(struct copy *c)
{
	const struct vmb_deadline until = vmb_deadline_in(VMB_AGENT_STALL_MS);
	const void *bytes;
	ssize_t n, sum = 0;

	while ((n = read_piece(c, &bytes)) > 0) {
		sum += n;
		if (sum > REST_MAX || vmb_deadline_passed(until))
			return vmb_error(VMBOOT_EGUEST, "the guest sends more than an archive");
	}
	return (int)n;
}

/* The archive was written or read as far as it went: how the guest's side ended, and why. */
static int finish(struct copy *c, int r, const char *what)
{
	char *words;

	if (!c->ended && r == 0) {
		vmb_session_send_end(c->session);
		r = drop_rest(c);
	}
	if (!c->ended || c->status == 0)
		return r;
	vmb_buf_add(&c->words.buf, "", 0);
	words = c->words.buf.data ? c->words.buf.data : (char[]){""};
	words[strcspn(words, "\n")] = '\0';
	vmb_wire_clean_line(words);
	return vmb_error(EIO, "the guest cannot %s: %s", what,
			 *words ? words : "it gave no reason");
}

/* ---- names ---- */

/* The last component, without slashes; "." if there is none: "/", "." or "..". */
static int last_name(const char *path, char out[NAME_MAX + 1])
{
	size_t end = strlen(path), at;

	while (end && path[end - 1] == '/')
		end--;
	for (at = end; at && path[at - 1] != '/';)
		at--;
	if (end - at > NAME_MAX)
		return vmb_error(ENAMETOOLONG, "%s: too long a name", path);
	memcpy(out, path + at, end - at);
	out[end - at] = '\0';
	if (!*out || strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
		strcpy(out, ".");
	return 0;
}

/* What lies above the last component. */
static int folder_of(const char *path, char **ret)
{
	size_t end = strlen(path);

	while (end > 1 && path[end - 1] == '/')
		end--;
	while (end && path[end - 1] != '/')
		end--;
	while (end > 1 && path[end - 1] == '/')
		end--;
	return vmb_asprintf(ret, "%.*s", end ? (int)end : 1, end ? path : ".");
}

/*
 * Where a copy goes, as with cp: into a folder that is there, under its own name; else it is what
 * has the name. there: the mode of what stands at to, links followed, or 0. A device, which others
 * use, does not give way to a copy: /dev/stdout was meant to be written to.
 */
static int choose_place(const char *from, const char *to, mode_t there, char **ret_folder,
			char name[NAME_MAX + 1])
{
	int r;

	if (S_ISDIR(there)) {
		r = last_name(from, name);
		return r < 0 ? r : vmb_strdup(to, ret_folder);
	}
	if (there && !S_ISREG(there))
		return vmb_error(EINVAL, "%s is neither a file nor a folder, and not replaced", to);
	r = last_name(to, name);
	if (r == 0 && (strcmp(name, ".") == 0 || to[strlen(to) - 1] == '/'))
		r = vmb_error(ENOENT, "the folder %s is not there", to);
	return r < 0 ? r : folder_of(to, ret_folder);
}

static int check_guest_path(const char *path)
{
	if (!path || *path != '/' || strlen(path) >= PATH_MAX)
		return vmb_error(EINVAL, "\"%s\" is not an absolute path", path ? path : "");
	return 0;
}

/* ---- to ---- */

/* The archive's root as libarchive reads it: without slashes at the end, and a link followed if
 * there was one, as cp does. */
static int host_root(const char *from, char **ret)
{
	size_t n = strlen(from);
	struct stat st;
	char *real;

	if (lstat(from, &st) < 0)
		return vmb_errno(errno, "cannot read %s", from);
	if (n > 1 && from[n - 1] == '/') {
		real = realpath(from, NULL);
		if (!real)
			return vmb_errno(errno, "cannot read %s", from);
		*ret = real;
		return 0;
	}
	return vmb_strdup(from, ret);
}

static int guest_place(struct vmb_agent *agent, const char *from, const char *to, char **ret_folder,
		       char name[NAME_MAX + 1])
{
	struct vmboot_stat *st = NULL;
	mode_t there;
	int r;

	r = vmb_agent_stat(agent, to, true, &st);
	if (r < 0)
		return r;
	there = st->mode;
	vmboot_stat_free(st);
	return choose_place(from, to, there, ret_folder, name);
}

int vmb_agent_copy_to(struct vmb_agent *agent, const char *from, const char *to)
{
	VMB_NO_SIGPIPE;
	_cleanup_free_ char *root = NULL, *folder = NULL;
	vmb_cleanup(copy_done) struct copy c = {.agent = agent};
	char name[NAME_MAX + 1];
	int r;

	r = check_guest_path(to);
	if (r == 0)
		r = vmb_agent_wanted(agent);
	if (r == 0 && (!from || !*from))
		r = vmb_error(EINVAL, "what is to be copied?");
	if (r == 0)
		r = host_root(from, &root);
	if (r == 0)
		r = guest_place(agent, from, to, &folder, name);
	if (r == 0)
		r = start(&c, VMB_TAR_IN, folder);
	if (r < 0)
		return r;
	r = vmb_tree_pack(root, name, write_piece, &c);
	return finish(&c, r, "write the copy");
}

/* ---- from ---- */

/* What /dev/stdout leads to may be a file, but the link is not to become one. */
static bool leads_into_proc(const char *path)
{
	char target[sizeof("/proc/") - 1];

	return readlink(path, target, sizeof(target)) == (ssize_t)sizeof(target) &&
	       memcmp(target, "/proc/", sizeof(target)) == 0;
}

static mode_t host_mode(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	return S_ISREG(st.st_mode) && leads_into_proc(path) ? S_IFCHR : st.st_mode;
}

static int host_place(const char *from, const char *to, int *ret_folder, char name[NAME_MAX + 1])
{
	_cleanup_free_ char *folder = NULL;
	int r, fd;

	r = choose_place(from, to, host_mode(to), &folder, name);
	if (r < 0)
		return r;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vmb_errno(errno, "cannot write to the folder %s", folder);
	*ret_folder = fd;
	return 0;
}

static int explain(struct vmb_agent *agent, const char *from, int r)
{
	struct vmb_saved_error *saved = vmb_error_save();
	struct vmboot_stat *st = NULL;
	bool missing = vmb_agent_stat(agent, from, false, &st) == 0 && !st->exists;

	vmboot_stat_free(st);
	vmb_error_restore(saved);
	return missing ? vmb_error(ENOENT, "there is no %s in the VM \"%s\"", from, agent->vm.name)
		       : r;
}

static int finish_from(struct copy *c, const char *from, int r)
{
	r = finish(c, r, "send the copy");
	return r == -EIO && c->status ? explain(c->agent, from, r) : r;
}

int vmb_agent_copy_from(struct vmb_agent *agent, const char *from, const char *to)
{
	VMB_NO_SIGPIPE;
	vmb_cleanup(copy_done) struct copy c = {.agent = agent};
	_cleanup_close_ int folder = -1;
	char theirs[NAME_MAX + 1], name[NAME_MAX + 1];
	int r;

	r = check_guest_path(from);
	if (r == 0 && (!to || !*to))
		r = vmb_error(EINVAL, "where to?");
	if (r == 0)
		r = vmb_agent_wanted(agent);
	if (r == 0)
		r = last_name(from, theirs);
	if (r == 0)
		r = host_place(from, to, &folder, name);
	if (r == 0)
		r = start(&c, VMB_TAR_OUT, from);
	if (r < 0)
		return r;
	return finish_from(&c, from, vmb_tree_extract(folder, theirs, name, read_piece, &c));
}

/* ---- archives ---- */

int vmb_agent_copy_archive_to(struct vmb_agent *agent, int fd, const char *to)
{
	VMB_NO_SIGPIPE;
	vmb_cleanup(copy_done) struct copy c = {.agent = agent};
	int r;

	r = check_guest_path(to);
	if (r == 0)
		r = start(&c, VMB_TAR_IN, to);
	if (r < 0)
		return r;
	r = vmb_tree_repack(fd, write_piece, &c);
	return finish(&c, r, "write the copy");
}

static int pass_on(struct copy *c, int fd)
{
	const void *bytes;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read_piece(c, &bytes)) != 0)
		r = n < 0 ? (int)n : vmb_write_all(fd, "the archive", bytes, (size_t)n);
	return r;
}

int vmb_agent_copy_archive_from(struct vmb_agent *agent, const char *from, int fd)
{
	VMB_NO_SIGPIPE;
	vmb_cleanup(copy_done) struct copy c = {.agent = agent};
	int r;

	r = check_guest_path(from);
	if (r == 0)
		r = start(&c, VMB_TAR_OUT, from);
	if (r < 0)
		return r;
	return finish_from(&c, from, pass_on(&c, fd));
}
