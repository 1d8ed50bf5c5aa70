/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/squash.h"

#include <sys/resource.h>

#include "base/error.h"

struct vmb_squash_root vmb_squash_root_of(unsigned mode, int64_t uid, int64_t gid, int64_t mtime)
{
	return (struct vmb_squash_root){
		.mode = mode & 07777,
		.uid = uid >= 0 && uid < UINT32_MAX ? (unsigned)uid : 0,
		.gid = gid >= 0 && gid < UINT32_MAX ? (unsigned)gid : 0,
		.mtime = mtime >= 0 && mtime <= INT32_MAX ? (unsigned)mtime : 0,
	};
}

/*
 * The soft limit of memory is that of the process that unpacks (image/importer.h). The tool has a
 * thread and its buffers for each CPU, and reads only what we write.
 */
static void lift_memory_limit(pid_t pid)
{
	struct rlimit limit;

	if (prlimit(pid, RLIMIT_AS, NULL, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	prlimit(pid, RLIMIT_AS, &limit, NULL);
}

int vmb_squash_start(struct vmb_squash *s, const char *path, const struct vmb_squash_root *root,
		     const struct vmb_log *log)
{
	_cleanup_free_ char *tool = vmb_find_tool("sqfstar");
	/* clang-format off */
	const char *argv[] = {
		/* it would change all times, and cannot be had together with -mkfs-time */
		"env", "-u", "SOURCE_DATE_EPOCH",
		tool ? tool : "sqfstar", "-comp", "lz4", "-mkfs-time", "0",
		"-noI", /* for squash-root.h */
		"-no-progress", "-quiet", "-exit-on-error", path, NULL,
	};
	/* clang-format on */
	int r = vmb_process_start(&s->process, tool ? argv : argv + 3, VMB_PIPE_STDIN);

	if (r < 0)
		return r;
	lift_memory_limit(s->process.pid);
	s->process.tool = "sqfstar";
	s->path = path;
	s->root = *root;
	return vmb_tarout_init(&s->out, s->process.stdin_fd, "sqfstar", log);
}

int vmb_squash_finish(struct vmb_squash *s, int result)
{
	int r;

	if (result == 0)
		result = vmb_tarout_end(&s->out);
	if (result < 0 && result != -EPIPE)
		return result;
	r = vmb_process_finish(&s->process);
	if (r == 0 && result < 0)
		r = vmb_error(VMBOOT_EHOST, "sqfstar ended before it had read everything");
	if (r == 0)
		r = vmb_squash_set_root(s->path, &s->root);
	if (r > 0)
		vmb_log(s->out.log, VMBOOT_LOG_WARNING,
			"the root folder belongs to %u:%u, not to %u:%u, which owns nothing else",
			getuid(), getgid(), s->root.uid, s->root.gid);
	return r < 0 ? r : 0;
}

void vmb_squash_done(struct vmb_squash *s)
{
	vmb_process_done(&s->process);
	vmb_tarout_done(&s->out);
}
