/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/squash.h"

#include <sys/resource.h>

#include "base/error.h"
#include "base/str.h"

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
	_cleanup_free_ char *tool = NULL, *mode = NULL, *uid = NULL, *gid = NULL, *mtime = NULL;
	int r = vmb_find_installed("vmboot-squash", "the writer of squashfs", X_OK, &tool);

	if (r == 0)
		r = vmb_asprintf(&mode, "%u", root->mode);
	if (r == 0)
		r = vmb_asprintf(&uid, "%u", root->uid);
	if (r == 0)
		r = vmb_asprintf(&gid, "%u", root->gid);
	if (r == 0)
		r = vmb_asprintf(&mtime, "%u", root->mtime);
	if (r == 0)
		r = vmb_process_start(
			&s->process, (const char *const[]){tool, path, mode, uid, gid, mtime, NULL},
			VMB_PIPE_STDIN);
	if (r < 0)
		return r;
	lift_memory_limit(s->process.pid);
	s->process.tool = "vmboot-squash";
	return vmb_tarout_init(&s->out, s->process.stdin_fd, "vmboot-squash", log);
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
		r = vmb_error(VMBOOT_EHOST, "vmboot-squash ended before it had read everything");
	return r;
}

void vmb_squash_done(struct vmb_squash *s)
{
	vmb_process_done(&s->process);
	vmb_tarout_done(&s->out);
}
