/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/squash.h"

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

int vmb_squash_start(struct vmb_squash *s, const char *path, const struct vmb_squash_root *root,
		     const struct vmb_log *log)
{
	char mode[16], uid[16], gid[16], mtime[16];
	/* clang-format off */
	const char *argv[] = {
		"sqfstar", "-comp", "lz4", "-mkfs-time", "0", "-no-progress", "-quiet",
		"-exit-on-error",
		"-root-mode", mode, "-root-uid", uid, "-root-gid", gid, "-root-time", mtime,
		path, NULL,
	};
	/* clang-format on */
	int r;

	snprintf(mode, sizeof(mode), "%o", root->mode);
	snprintf(uid, sizeof(uid), "%u", root->uid);
	snprintf(gid, sizeof(gid), "%u", root->gid);
	snprintf(mtime, sizeof(mtime), "%u", root->mtime);
	r = vmb_process_start(&s->process, argv, VMB_PIPE_STDIN);
	if (r < 0)
		return r;
	s->path = path;
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
	if (r < 0)
		return r;
	if (result < 0)
		return vmb_error(VMBOOT_EHOST, "sqfstar ended before it had read everything");
	return 0;
}

void vmb_squash_done(struct vmb_squash *s)
{
	vmb_process_done(&s->process);
	vmb_tarout_done(&s->out);
}
