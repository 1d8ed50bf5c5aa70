/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_REPLY_H
#define VMB_AGENT_REPLY_H

/*
 * What an agent returns. In: text of a guest's, which is hostile. Out: records within bounds, or
 * -VMBOOT_EGUEST. No I/O.
 */

#include <limits.h>
#include <vmboot/exec.h>

#include "base/json.h"

#define VMB_STAT_COMMAND "__org.vmboot_stat"

/* The value that a reply returns, with a reference of the caller's. */
int vmb_reply_parse(const char *text, struct json_object **ret_return);

/* A number of a reply, if it is one from min to max. */
int vmb_reply_int(struct json_object *reply, const char *key, int64_t min, int64_t max,
		  int64_t *ret);

/* guest-info: who it is, and whether it has a command. */
struct vmb_reply_info {
	char version[32];
	bool ours;
	bool known, enabled; /* the command */
};
int vmb_reply_info(struct json_object *reply, const char *command, struct vmb_reply_info *ret);

/*
 * guest-exec-status. 1: it ended, and ret->out and ret->err are the caller's to free, at most max
 * bytes and a 0 each; 0: it runs.
 */
int vmb_reply_exec(struct json_object *reply, size_t max, struct vmboot_exec_result *ret);

/* __org.vmboot_stat; and what `stat -c VMB_STAT_FORMAT` prints. */
struct vmb_reply_stat {
	struct vmboot_stat pub;
	char target[PATH_MAX];
};
#define VMB_STAT_FORMAT "%f %u %g %h %s %b %i %d %X %Y %Z"
int vmb_reply_stat(struct json_object *reply, struct vmb_reply_stat *ret);
int vmb_reply_stat_text(const char *text, struct vmb_reply_stat *ret);
int vmb_reply_stat_target(const char *target, struct vmb_reply_stat *st);

#endif
