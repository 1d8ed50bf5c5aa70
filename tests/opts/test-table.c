/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table that drives everything else: its rows agree with the struct and with each other. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "opts/opts.h"
#include "test.h"

static size_t member_size(enum vmboot_field_type type)
{
	switch (type) {
	case VMBOOT_FIELD_STRING:
	case VMBOOT_FIELD_LIST:
		return sizeof(void *);
	case VMBOOT_FIELD_BOOL:
		return sizeof(bool);
	case VMBOOT_FIELD_UINT:
		return sizeof(uint64_t);
	case VMBOOT_FIELD_ENUM:
		return sizeof(unsigned);
	}
	return 0;
}

static void rows_are_in_the_structs_order(void)
{
	size_t n, end = sizeof(size_t);
	const struct vmb_field *f = vmb_fields(&n);

	for (size_t i = 0; i < n; i++) {
		size_t size = member_size(f[i].pub.type);

		CU_ASSERT_FATAL(size > 0);
		CU_ASSERT(f[i].pub.offset >= end);
		CU_ASSERT_EQUAL(f[i].pub.offset % size, 0);
		end = f[i].pub.offset + size;
	}
	CU_ASSERT(end <= sizeof(struct vmboot_opts));
}

/* Members that are no fields: each is named here, and all others have a row. */
#define MEMBER(name)                                                                               \
	{                                                                                          \
		offsetof(struct vmboot_opts, name), sizeof(((struct vmboot_opts *)0)->name)        \
	}
static const struct {
	size_t offset, size;
} others[] = {
	MEMBER(size),	  MEMBER(connection),	 MEMBER(log),	 MEMBER(log_data),
	MEMBER(progress), MEMBER(progress_data), MEMBER(cancel),
};

static void rows_and_other_members_cover_the_struct(void)
{
	unsigned char covered[sizeof(struct vmboot_opts)] = {0};
	size_t n, gap = 0;
	const struct vmb_field *f = vmb_fields(&n);

	for (size_t i = 0; i < n; i++)
		memset(covered + f[i].pub.offset, 1, member_size(f[i].pub.type));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		memset(covered + others[i].offset, 1, others[i].size);
	for (size_t i = 0; i < sizeof(covered); i++) {
		gap = covered[i] ? 0 : gap + 1;
		CU_ASSERT(gap < sizeof(void *)); /* what the compiler leaves free */
	}
}

static void names_and_flags_are_unique(void)
{
	size_t n;
	const struct vmb_field *f = vmb_fields(&n);

	for (size_t i = 0; i < n; i++) {
		CU_ASSERT_PTR_EQUAL(vmb_field_find(f[i].pub.name), &f[i]);
		for (size_t j = 0; j < i; j++) {
			CU_ASSERT_NOT_EQUAL(strcmp(f[i].pub.name, f[j].pub.name), 0);
			CU_ASSERT(!f[i].pub.short_flag ||
				  f[i].pub.short_flag != f[j].pub.short_flag);
		}
	}
	CU_ASSERT_PTR_NULL(vmb_field_find("connection"));
	CU_ASSERT_PTR_NULL(vmb_field_find(""));
	CU_ASSERT_PTR_NULL(vmb_field_find("Name"));
}

static void names_are_plain(void)
{
	size_t n;
	const struct vmb_field *f = vmb_fields(&n);

	for (size_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(strspn(f[i].pub.name, "abcdefghijklmnopqrstuvwxyz_"),
				strlen(f[i].pub.name));
}

static void every_row_says_all(void)
{
	size_t n;
	const struct vmb_field *f = vmb_fields(&n);

	for (size_t i = 0; i < n; i++) {
		const struct vmboot_field *p = &f[i].pub;

		CU_ASSERT_EQUAL(p->size, sizeof(*p));
		CU_ASSERT(p->rule && *p->rule);
		CU_ASSERT(p->help && *p->help && !vmb_ends_with(p->help, "."));
		CU_ASSERT(p->since && *p->since);
		CU_ASSERT(p->type == VMBOOT_FIELD_BOOL || (p->metavar && *p->metavar));
	}
}

static void each_type_has_its_bounds(void)
{
	char words[32];
	size_t n;
	const struct vmb_field *f = vmb_fields(&n);

	for (size_t i = 0; i < n; i++) {
		const struct vmboot_field *p = &f[i].pub;

		CU_ASSERT_EQUAL(p->choices != NULL, p->type == VMBOOT_FIELD_ENUM);
		switch (p->type) {
		case VMBOOT_FIELD_STRING:
		case VMBOOT_FIELD_LIST:
			CU_ASSERT(p->max > 0);
			break;
		case VMBOOT_FIELD_UINT: /* 0 means the default, so it is no value of its own */
			CU_ASSERT(p->min > 0 && p->min <= p->default_value &&
				  p->default_value <= p->max);
			snprintf(words, sizeof(words), "from %llu to %llu",
				 (unsigned long long)p->min, (unsigned long long)p->max);
			CU_ASSERT_PTR_NOT_NULL(strstr(p->rule, words));
			break;
		case VMBOOT_FIELD_ENUM:
			for (size_t c = 0; p->choices[c]; c++)
				CU_ASSERT_PTR_NOT_NULL(strstr(p->rule, p->choices[c]));
			break;
		case VMBOOT_FIELD_BOOL:
			break;
		}
	}
}

static void the_public_table_is_the_same(void)
{
	size_t n, n_public = 0;
	const struct vmb_field *f = vmb_fields(&n);
	const struct vmboot_field *const *rows = vmboot_opts_fields(&n_public);

	CU_ASSERT_EQUAL_FATAL(n_public, n);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_PTR_EQUAL(rows[i], &f[i].pub);
}

/* The C enums and the tables of their names are two lists: each constant has its word. */
static void choices_are_the_enums(void)
{
	static const struct {
		const char *field, *choice;
		unsigned value;
	} rows[] = {
		{"init_mode", "auto", VMBOOT_INIT_AUTO},
		{"init_mode", "exec", VMBOOT_INIT_EXEC},
		{"init_mode", "systemd", VMBOOT_INIT_SYSTEMD},
		{"init_mode", "pid1", VMBOOT_INIT_PID1},
		{"on_exit", "keep", VMBOOT_ON_EXIT_KEEP},
		{"on_exit", "poweroff", VMBOOT_ON_EXIT_POWEROFF},
		{"accel", "auto", VMBOOT_ACCEL_AUTO},
		{"accel", "kvm", VMBOOT_ACCEL_KVM},
		{"accel", "tcg", VMBOOT_ACCEL_TCG},
		{"guest_agent", "vmboot", VMBOOT_AGENT_VMBOOT},
		{"guest_agent", "image", VMBOOT_AGENT_IMAGE},
		{"network", "none", VMBOOT_NETWORK_NONE},
		{"network", "user", VMBOOT_NETWORK_USER},
		{"kernel_start", "auto", VMBOOT_KERNEL_START_AUTO},
		{"kernel_start", "bzimage", VMBOOT_KERNEL_START_BZIMAGE},
		{"pull", "missing", VMBOOT_PULL_MISSING},
		{"pull", "always", VMBOOT_PULL_ALWAYS},
		{"pull", "newer", VMBOOT_PULL_NEWER},
		{"pull", "never", VMBOOT_PULL_NEVER},
		{"tls_verify", "auto", VMBOOT_TLS_VERIFY_AUTO},
		{"tls_verify", "true", VMBOOT_TLS_VERIFY_TRUE},
		{"tls_verify", "false", VMBOOT_TLS_VERIFY_FALSE},
	};
	size_t n, seen = 0, choices = 0;
	const struct vmb_field *f = vmb_fields(&n);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++, seen++) {
		const struct vmb_field *field = vmb_field_find(rows[i].field);

		CU_ASSERT_PTR_NOT_NULL_FATAL(field);
		CU_ASSERT_FATAL(rows[i].value < vmb_list_len(field->pub.choices));
		ASSERT_STR(field->pub.choices[rows[i].value], rows[i].choice);
	}
	for (size_t i = 0; i < n; i++)
		choices += vmb_list_len(f[i].pub.choices);
	CU_ASSERT_EQUAL(seen, choices);
}

TEST_MAIN("opts/table", {"rows are in the struct's order", rows_are_in_the_structs_order},
	  {"rows and other members cover the struct", rows_and_other_members_cover_the_struct},
	  {"names and flags are unique", names_and_flags_are_unique},
	  {"names are plain", names_are_plain}, {"every row says all", every_row_says_all},
	  {"each type has its bounds", each_type_has_its_bounds},
	  {"the public table is the same", the_public_table_is_the_same},
	  {"choices are the enums", choices_are_the_enums})
