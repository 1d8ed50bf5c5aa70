/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/reply.h"

#include <nettle/base64.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/text.h"

enum {
	REPLY_MAX = 64 << 20,
	REPLY_DEPTH = 16,
	/* a value costs json-c fifty times its byte, so few bytes must not make many */
	VALUES_MAX = 65536,
	CODE_MAX = 255,
	SIGNAL_MAX = 64,
};

/* In any text that is honest this is more than there are values; base64 has none of these. */
static size_t count_values(const char *text, size_t n)
{
	size_t values = 0;

	for (size_t i = 0; i < n; i++)
		values += text[i] == ',' || text[i] == '[' || text[i] == '{';
	return values;
}

int vmb_reply_parse(const char *text, struct json_object **ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *value;
	size_t n = strnlen(text, (size_t)REPLY_MAX + 1);
	int r;

	if (n > REPLY_MAX || count_values(text, n) > VALUES_MAX)
		return vmb_error(VMBOOT_EGUEST, "the agent's reply is over %d bytes or %d values",
				 REPLY_MAX, VALUES_MAX);
	r = vmb_json_parse(text, n, REPLY_DEPTH, VMBOOT_EGUEST, "the agent's reply", &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, "return", &value))
		return vmb_error(VMBOOT_EGUEST, "the agent's reply returns nothing");
	*ret = json_object_get(value);
	return 0;
}

int vmb_reply_int(struct json_object *reply, const char *key, int64_t min, int64_t max,
		  int64_t *ret)
{
	struct json_object *value = vmb_json_get(reply, key);
	int64_t v = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int) || v < min || v > max)
		return vmb_error(VMBOOT_EGUEST, "the agent's reply has no right \"%s\"", key);
	*ret = v;
	return 0;
}

int vmb_reply_info(struct json_object *reply, const char *command, struct vmb_reply_info *ret)
{
	struct json_object *list = vmb_json_get(reply, "supported_commands");
	const char *version = vmb_json_get_str(reply, "version");

	if (!json_object_is_type(list, json_type_array))
		return vmb_error(VMBOOT_EGUEST, "the agent does not say which commands it has");
	*ret = (struct vmb_reply_info){0};
	vmb_strlcpy(ret->version, version ? version : "of no version", sizeof(ret->version));
	vmb_wire_clean_line(ret->version);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i);
		const char *name = vmb_json_get_str(row, "name");

		if (!name)
			continue;
		ret->ours |= vmb_streq(name, VMB_STAT_COMMAND);
		if (!vmb_streq(name, command))
			continue;
		ret->known = true;
		ret->enabled = json_object_get_boolean(vmb_json_get(row, "enabled"));
	}
	return 0;
}

/* ---- guest-exec-status ---- */

/* A member of a reply as bytes, with a 0 behind them; at most max of them. */
static int unbase64(struct json_object *reply, const char *key, size_t max, char **ret,
		    size_t *ret_n, bool *ret_cut)
{
	const char *text = vmb_json_get_str(reply, key);
	size_t size = strlen(text ? text : ""), n = BASE64_DECODE_LENGTH(size);
	_cleanup_free_ char *bytes = malloc(n + 1);
	struct base64_decode_ctx ctx;

	if (!bytes)
		return vmb_oom();
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &n, (uint8_t *)bytes, size, text ? text : "") ||
	    !base64_decode_final(&ctx))
		return vmb_error(VMBOOT_EGUEST, "the agent's reply has no base64 in \"%s\"", key);
	*ret_cut |= n > max;
	n = n < max ? n : max;
	bytes[n] = '\0';
	*ret_n = n;
	*ret = TAKE_PTR(bytes);
	return 0;
}

static int read_status(struct json_object *reply, struct vmboot_exec_result *ret)
{
	int64_t v = 0;
	int r;

	ret->exit_code = -1;
	if (vmb_json_get(reply, "signal")) {
		r = vmb_reply_int(reply, "signal", 1, SIGNAL_MAX, &v);
		ret->exit_signal = (int)v;
	} else {
		r = vmb_reply_int(reply, "exitcode", 0, CODE_MAX, &v);
		ret->exit_code = (int)v;
	}
	ret->out_cut = json_object_get_boolean(vmb_json_get(reply, "out-truncated"));
	ret->err_cut = json_object_get_boolean(vmb_json_get(reply, "err-truncated"));
	return r;
}

int vmb_reply_exec(struct json_object *reply, size_t max, struct vmboot_exec_result *ret)
{
	struct json_object *exited = vmb_json_get(reply, "exited");
	_cleanup_free_ char *out = NULL, *err = NULL;
	struct vmboot_exec_result result = {.size = sizeof(result)};
	int r;

	if (!json_object_is_type(exited, json_type_boolean))
		return vmb_error(VMBOOT_EGUEST, "the agent does not say whether the program ended");
	if (!json_object_get_boolean(exited))
		return 0;
	r = read_status(reply, &result);
	if (r == 0)
		r = unbase64(reply, "out-data", max, &out, &result.out_size, &result.out_cut);
	if (r == 0)
		r = unbase64(reply, "err-data", max, &err, &result.err_size, &result.err_cut);
	if (r < 0)
		return r;
	result.out = TAKE_PTR(out);
	result.err = TAKE_PTR(err);
	*ret = result;
	return 1;
}
