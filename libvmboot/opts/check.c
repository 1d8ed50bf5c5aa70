/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/sized.h"
#include "base/str.h"
#include "opts/opts.h"
#include "wire/text.h"

/* Of a program that was built with 0.1: whatever was added since, it says this. */
enum { OPTS_SIZE_0_1 = 216 };

_Static_assert(offsetof(struct vmboot_opts, progress_data) + sizeof(void *) == OPTS_SIZE_0_1,
	       "members are added behind all that 0.1 had");

static int refuse(const struct vmb_field *field, const char *value, const char *quote,
		  const char *type)
{
	char shown[80];

	vmb_strlcpy(shown, field->secret ? "(not shown)" : value, sizeof(shown));
	vmb_wire_clean_line(shown);
	vmb_error(VMBOOT_EOPTS, "%s: %s%s%s%s is not acceptable: it must be %s%s", field->pub.name,
		  quote, shown, strlen(value) >= sizeof(shown) ? "…" : "", quote, type,
		  field->pub.rule);
	vmb_error_field(field->pub.name);
	return -VMBOOT_EOPTS;
}

int vmb_field_refuse(const struct vmb_field *field, const char *value)
{
	return refuse(field, value, "\"", "");
}

int vmb_field_refuse_json(const struct vmb_field *field, const char *json)
{
	bool text = field->pub.type == VMBOOT_FIELD_STRING || field->pub.type == VMBOOT_FIELD_ENUM;

	return refuse(field, json, "", text && *json != '"' ? "a string: " : "");
}

int vmb_field_check_text(const struct vmb_field *field, const char *value)
{
	size_t n = strlen(value);

	if (n > field->pub.max || !vmb_wire_is_utf8(value, n) ||
	    (field->accepts && !field->accepts(value)))
		return vmb_field_refuse(field, value);
	return 0;
}

int vmb_field_check_uint(const struct vmb_field *field, uint64_t value)
{
	char text[24];

	if (value >= field->pub.min && value <= field->pub.max)
		return 0;
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return vmb_field_refuse(field, text);
}

int vmb_field_check_length(const struct vmb_field *field, size_t length)
{
	char text[48];

	if (length <= VMB_OPTS_LIST_MAX)
		return 0;
	snprintf(text, sizeof(text), "a list of %zu", length);
	return vmb_field_refuse(field, text);
}

static int check_enum(const struct vmb_field *field, unsigned value)
{
	char text[16];

	if (value < vmb_list_len(field->pub.choices))
		return 0;
	snprintf(text, sizeof(text), "%u", value);
	return vmb_field_refuse(field, text);
}

static int check_list(const struct vmb_field *field, const char *const *list)
{
	int r = vmb_field_check_length(field, vmb_list_len(list));

	for (size_t i = 0; list && list[i] && r == 0; i++)
		r = vmb_field_check_text(field, list[i]);
	return r;
}

static int check_member(const struct vmb_field *field, const struct vmboot_opts *opts)
{
	const void *member = vmb_field_member_const(field, opts);
	const char *text;
	uint64_t number;

	switch (field->pub.type) {
	case VMBOOT_FIELD_STRING:
		text = *(const char *const *)member;
		return text ? vmb_field_check_text(field, text) : 0;
	case VMBOOT_FIELD_UINT:
		number = *(const uint64_t *)member;
		return number ? vmb_field_check_uint(field, number) : 0;
	case VMBOOT_FIELD_ENUM:
		return check_enum(field, *(const unsigned *)member);
	case VMBOOT_FIELD_LIST:
		return check_list(field, *(const char *const *const *)member);
	case VMBOOT_FIELD_BOOL:
		break;
	}
	return 0;
}

static int need_member(const struct vmb_field *field, struct vmboot_opts *opts)
{
	void *member = vmb_field_member(field, opts);

	if (field->pub.type == VMBOOT_FIELD_UINT && *(uint64_t *)member == 0)
		*(uint64_t *)member = field->pub.default_value;
	if (!field->required || *(const char **)member)
		return 0;
	vmb_error(VMBOOT_EOPTS, "%s is missing: it must be %s", field->pub.name, field->pub.rule);
	vmb_error_field(field->pub.name);
	return -VMBOOT_EOPTS;
}

/* They are kept in the domain's metadata, which each list of VMs reads. */
static int check_label_bytes(const struct vmboot_opts *opts)
{
	size_t bytes = 0;

	for (const char *const *label = opts->label; label && *label; label++)
		bytes += strlen(*label);
	if (bytes <= VMB_OPTS_LABELS_MAX)
		return 0;
	vmb_error(VMBOOT_EOPTS, "label: all labels together have %zu bytes, over %d", bytes,
		  VMB_OPTS_LABELS_MAX);
	vmb_error_field("label");
	return -VMBOOT_EOPTS;
}

/* Values that are right, but not beside each other. */
static int check_together(const struct vmboot_opts *opts)
{
	if (opts->skip_guest_agent && opts->guest_agent == VMBOOT_AGENT_IMAGE) {
		vmb_error(VMBOOT_EOPTS,
			  "guest_agent: \"image\" says that the image brings an agent, and "
			  "skip_guest_agent that there is to be none; leave one of them out");
		vmb_error_field("guest_agent");
		return -VMBOOT_EOPTS;
	}
	return check_label_bytes(opts);
}

int vmb_opts_read(const struct vmboot_opts *opts, bool need_all, struct vmboot_opts *ret)
{
	struct vmboot_opts own = {.size = sizeof(own)};
	size_t n;
	const struct vmb_field *fields = vmb_fields(&n);
	int r = 0;

	if (opts)
		r = vmb_read_sized(opts, "opts", OPTS_SIZE_0_1, &own, sizeof(own));
	for (size_t i = 0; i < n && r == 0; i++)
		r = check_member(&fields[i], &own);
	for (size_t i = 0; i < n && r == 0 && need_all; i++)
		r = need_member(&fields[i], &own);
	if (r == 0 && need_all)
		r = check_together(&own);
	if (r < 0)
		return r;
	if (own.publish && own.publish[0] && own.network == VMBOOT_NETWORK_NONE)
		own.network = VMBOOT_NETWORK_USER;
	*ret = own;
	return 0;
}

int vmboot_opts_check(const struct vmboot_opts *opts)
{
	struct vmboot_opts own;

	return vmb_opts_read(opts, true, &own);
}
