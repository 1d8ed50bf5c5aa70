/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts/set.h"
#include "base/error.h"
#include "base/str.h"
#include "opts/opts.h"

/* Opts of ours; how long their lists are is kept, as some are long. */
struct own_opts {
	struct vmboot_opts pub;
	size_t lengths[]; /* by field */
};

int vmboot_opts_new(struct vmboot_opts **ret_opts)
{
	struct own_opts *own;
	size_t n;

	vmb_fields(&n);
	own = calloc(1, sizeof(*own) + n * sizeof(own->lengths[0]));
	if (!own)
		return vmb_oom();
	own->pub.size = sizeof(own->pub);
	*ret_opts = &own->pub;
	return 0;
}

static size_t *list_length(struct vmboot_opts *opts, const struct vmb_field *field)
{
	size_t n;

	return &((struct own_opts *)opts)->lengths[field - vmb_fields(&n)];
}

void vmboot_opts_free(struct vmboot_opts *opts)
{
	size_t n;
	const struct vmb_field *fields = vmb_fields(&n);

	for (size_t i = 0; opts && i < n; i++) {
		void *member = vmb_field_member(&fields[i], opts);

		if (fields[i].pub.type == VMBOOT_FIELD_STRING)
			free(*(char **)member);
		else if (fields[i].pub.type == VMBOOT_FIELD_LIST)
			vmb_list_free(*(char ***)member);
	}
	free(opts);
}

int vmb_opts_set_string(struct vmboot_opts *opts, const struct vmb_field *field, const char *value)
{
	char **member = vmb_field_member(field, opts);
	char *copy;
	int r;

	r = value ? vmb_field_check_text(field, value) : 0;
	if (r == 0)
		r = vmb_strdup(value, &copy);
	if (r < 0)
		return r;
	free(*member);
	*member = copy;
	return 0;
}

/*
 * The lists of our opts are made in this file alone: with n strings, an array has room for as many
 * pointers as the next power of two. Some lists are long, and to copy one for each string takes long.
 */
static int append_string(char ***list, size_t n, const char *value)
{
	_cleanup_free_ char *copy = NULL;
	char **grown = *list;
	int r = vmb_strdup(value, &copy);

	if (r < 0)
		return r;
	if ((n & (n + 1)) == 0)
		grown = reallocarray(*list, 2 * (n + 1), sizeof(*grown));
	if (!grown)
		return vmb_oom();
	grown[n] = TAKE_PTR(copy);
	grown[n + 1] = NULL;
	*list = grown;
	return 0;
}

int vmb_opts_add(struct vmboot_opts *opts, const struct vmb_field *field, const char *value)
{
	char ***member = vmb_field_member(field, opts);
	size_t *length = list_length(opts, field);
	int r = vmb_field_check_text(field, value);

	if (r == 0)
		r = vmb_field_check_length(field, *length + 1);
	if (r == 0)
		r = append_string(member, *length, value);
	*length += r == 0;
	return r;
}

int vmb_opts_empty(struct vmboot_opts *opts, const struct vmb_field *field)
{
	char ***member = vmb_field_member(field, opts);
	char **empty = calloc(1, sizeof(*empty));

	if (!empty)
		return vmb_oom();
	vmb_list_free(*member);
	*member = empty;
	*list_length(opts, field) = 0;
	return 0;
}

int vmb_opts_set_uint(struct vmboot_opts *opts, const struct vmb_field *field, uint64_t value)
{
	int r = vmb_field_check_uint(field, value);

	if (r == 0)
		*(uint64_t *)vmb_field_member(field, opts) = value;
	return r;
}

int vmb_opts_set_choice(struct vmboot_opts *opts, const struct vmb_field *field, const char *value)
{
	for (unsigned i = 0; field->pub.choices[i]; i++)
		if (vmb_streq(field->pub.choices[i], value)) {
			*(unsigned *)vmb_field_member(field, opts) = i;
			return 0;
		}
	return vmb_field_refuse(field, value);
}

static int set_bool(struct vmboot_opts *opts, const struct vmb_field *field, const char *value)
{
	if (!vmb_streq(value, "true") && !vmb_streq(value, "false"))
		return vmb_field_refuse(field, value);
	*(bool *)vmb_field_member(field, opts) = vmb_streq(value, "true");
	return 0;
}

static int set_uint_text(struct vmboot_opts *opts, const struct vmb_field *field, const char *value)
{
	uint64_t number;

	if (vmb_parse_u64(value, &number) < 0)
		return vmb_field_refuse(field, value);
	return vmb_opts_set_uint(opts, field, number);
}

int vmboot_opts_set(struct vmboot_opts *opts, const char *name, const char *value)
{
	const struct vmb_field *field = vmb_field_find(name);

	if (!field) {
		vmb_error(VMBOOT_EOPTS, "there is no field \"%s\"", name);
		vmb_error_field(name);
		return -VMBOOT_EOPTS;
	}
	switch (field->pub.type) {
	case VMBOOT_FIELD_STRING:
		return vmb_opts_set_string(opts, field, value);
	case VMBOOT_FIELD_LIST:
		return value ? vmb_opts_add(opts, field, value) : vmb_opts_empty(opts, field);
	case VMBOOT_FIELD_BOOL:
		return set_bool(opts, field, value ? value : "");
	case VMBOOT_FIELD_UINT:
		return set_uint_text(opts, field, value ? value : "");
	case VMBOOT_FIELD_ENUM:
		return vmb_opts_set_choice(opts, field, value ? value : "");
	}
	return vmb_error(EINVAL, "%s has no type", name);
}
