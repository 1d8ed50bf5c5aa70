/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an agent replies, to each of the host's decoders: what they take keeps its bounds. */
#include "fuzz.h"

#include <string.h>
#include <sys/stat.h>

#include "agent/reply.h"

enum { OUTPUT_MAX = 100 };

static void check_output(const char *bytes, size_t n, bool cut)
{
	FUZZ_CHECK(bytes && n <= OUTPUT_MAX && bytes[n] == '\0');
	FUZZ_CHECK(!cut || n <= OUTPUT_MAX);
	free((char *)(uintptr_t)bytes);
}

static void check_exec(struct json_object *reply)
{
	struct vmboot_exec_result r;

	if (vmb_reply_exec(reply, OUTPUT_MAX, &r) != 1)
		return;
	FUZZ_CHECK(r.exit_code >= -1 && r.exit_code <= 255);
	FUZZ_CHECK(r.exit_signal >= 0 && r.exit_signal <= 64);
	FUZZ_CHECK((r.exit_code == -1) == (r.exit_signal > 0));
	check_output(r.out, r.out_size, r.out_cut);
	check_output(r.err, r.err_size, r.err_cut);
}

static void check_stat(int r, const struct vmb_reply_stat *st)
{
	if (r < 0)
		return;
	FUZZ_CHECK(st->pub.mode <= 0177777 && st->pub.bytes <= INT64_MAX);
	FUZZ_CHECK(strnlen(st->target, sizeof(st->target)) < sizeof(st->target));
	FUZZ_CHECK(!*st->target || S_ISLNK(st->pub.mode));
}

static void check_info(struct json_object *reply)
{
	struct vmb_reply_info info;

	if (vmb_reply_info(reply, "guest-exec", &info) < 0)
		return;
	FUZZ_CHECK(strnlen(info.version, sizeof(info.version)) < sizeof(info.version));
	FUZZ_CHECK(info.known || !info.enabled);
	for (const char *c = info.version; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct vmb_reply_stat st;
	struct json_object *reply = NULL;
	char *text = malloc(n + 1);
	int64_t pid;

	FUZZ_CHECK(text);
	memcpy(text, data, n);
	text[n] = '\0';
	memset(&st, 0, sizeof(st));
	check_stat(vmb_reply_stat_text(text, &st), &st);
	if (vmb_reply_parse(text, &reply) == 0) {
		check_exec(reply);
		check_info(reply);
		memset(&st, 0, sizeof(st));
		check_stat(vmb_reply_stat(reply, &st), &st);
		if (vmb_reply_int(reply, "pid", 1, 100, &pid) == 0)
			FUZZ_CHECK(pid >= 1 && pid <= 100);
		json_object_put(reply);
	}
	free(text);
	return 0;
}
