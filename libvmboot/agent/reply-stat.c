/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/reply.h"
#include "base/error.h"

enum { NS = 1000000000 };

/* The reply's members; all are numbers from 0 to INT64_MAX unless the row says otherwise. */
static const struct member {
	const char *key;
	size_t offset;
	size_t size;
	int64_t min, max;
} members[] = {
#define AT(m) offsetof(struct vmboot_stat, m), sizeof(((struct vmboot_stat *)0)->m)
	{"mode", AT(mode), 0, 0177777},
	{"uid", AT(uid), 0, UINT32_MAX},
	{"gid", AT(gid), 0, UINT32_MAX},
	{"nlink", AT(nlink), 0, UINT32_MAX},
	{"size", AT(bytes), 0, INT64_MAX},
	{"blocks", AT(blocks), 0, INT64_MAX},
	{"ino", AT(inode), 0, INT64_MAX},
	{"dev", AT(device), 0, INT64_MAX},
	{"atime-ns", AT(atime_ns), INT64_MIN, INT64_MAX},
	{"mtime-ns", AT(mtime_ns), INT64_MIN, INT64_MAX},
	{"ctime-ns", AT(ctime_ns), INT64_MIN, INT64_MAX},
#undef AT
};

static void put(struct vmboot_stat *st, const struct member *m, int64_t value)
{
	void *at = (char *)st + m->offset;

	if (m->size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)value;
	else
		*(int64_t *)at = value;
}

int vmb_reply_stat_target(const char *target, struct vmb_reply_stat *st)
{
	if (strlen(target) >= sizeof(st->target) || (*target && !S_ISLNK(st->pub.mode)))
		return vmb_error(VMBOOT_EGUEST,
				 "the agent reports a symbolic link that cannot exist");
	strcpy(st->target, target);
	return 0;
}

int vmb_reply_stat(struct json_object *reply, struct vmb_reply_stat *st)
{
	struct json_object *exists = vmb_json_get(reply, "exists");
	const char *target = vmb_json_get_str(reply, "target");
	int64_t v;
	int r = 0;

	if (!json_object_is_type(exists, json_type_boolean))
		return vmb_error(VMBOOT_EGUEST, "the agent does not say whether the path exists");
	st->pub.exists = json_object_get_boolean(exists);
	if (!st->pub.exists)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++) {
		r = vmb_reply_int(reply, members[i].key, members[i].min, members[i].max, &v);
		if (r == 0)
			put(&st->pub, &members[i], v);
	}
	return r < 0 ? r : vmb_reply_stat_target(target ? target : "", st);
}

/* The members in their order, the first in hex, times in seconds. */
int vmb_reply_stat_text(const char *text, struct vmb_reply_stat *st)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct member *m = &members[i];
		bool time = m->min < 0;
		long long v;
		char *end;

		errno = 0;
		v = strtoll(text, &end, i == 0 ? 16 : 10);
		if (end == text || errno || (!time && (v < m->min || v > m->max)) ||
		    (time && (v > INT64_MAX / NS || v < INT64_MIN / NS)))
			return vmb_error(VMBOOT_EGUEST, "the guest's stat prints no number for %s",
					 m->key);
		put(&st->pub, m, time ? v * NS : v);
		text = end;
	}
	st->pub.exists = true;
	return *text && *text != '\n' ? vmb_error(VMBOOT_EGUEST, "the guest's stat says too much")
				      : 0;
}
