/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opts that come as a struct, and setting them one by one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "opts/opts.h"
#include "test.h"

VMB_DEFINE_CLEANUP(opts_freep, struct vmboot_opts *, vmboot_opts_free)
#define _cleanup_opts_ vmb_cleanup(opts_freep)

static struct vmboot_opts *new_opts(void)
{
	struct vmboot_opts *o = NULL;

	ASSERT_OK(vmboot_opts_new(&o));
	return o;
}

/* ---- the struct ---- */

/* A caller's struct of another version: ours and a tail, in memory that ends where it ends. */
static struct vmboot_opts *of_size(size_t size, size_t allocated)
{
	struct vmboot_opts ours = VMBOOT_OPTS(.name = "a", .image = "b");
	struct vmboot_opts *o = test_alloc(allocated);

	memcpy(o, &ours, allocated < sizeof(ours) ? allocated : sizeof(ours));
	o->size = size;
	return o;
}

enum { SIZE_0_1 = 216 }; /* for ever */

static void a_size_that_never_was_is_refused(void)
{
	static const size_t sizes[] = {0, 1, sizeof(size_t), SIZE_0_1 - 1, 4097, SIZE_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct vmboot_opts *o = of_size(sizes[i], sizeof(*o));

		ASSERT_ERROR(vmboot_opts_check(o), EINVAL, "set it to sizeof(struct vmboot_opts)");
	}
}

static void a_newer_caller_is_served_while_it_asks_for_nothing_new(void)
{
	const size_t more = sizeof(struct vmboot_opts) + 24;
	struct vmboot_opts *o = of_size(more, more), ret;

	ASSERT_OK(vmb_opts_read(o, true, &ret));
	CU_ASSERT_EQUAL(ret.size, sizeof(ret));
	ASSERT_STR(ret.name, "a");
	((char *)o)[more - 1] = 1;
	ASSERT_ERROR(vmboot_opts_check(o), VMBOOT_EOPTS, "newer libvmboot than " PACKAGE_VERSION);
}

/* What such a caller has behind its struct is not looked at. */
static void an_older_caller_is_served(void)
{
	struct vmboot_opts *o = of_size(SIZE_0_1, sizeof(*o) + 8), ret;

	memset((char *)o + SIZE_0_1, 0xff, sizeof(*o) + 8 - SIZE_0_1);
	ASSERT_OK(vmb_opts_read(o, false, &ret));
	CU_ASSERT_EQUAL(ret.size, sizeof(ret));
	ASSERT_STR(ret.name, "a");
	for (size_t i = SIZE_0_1; i < sizeof(ret); i++)
		CU_ASSERT_EQUAL(((const char *)&ret)[i], 0);
}

static void required_fields(void)
{
	struct vmboot_opts o = VMBOOT_OPTS(.image = "b");

	ASSERT_ERROR(vmboot_opts_check(NULL), VMBOOT_EOPTS, "name is missing: it must be 1 to 128");
	ASSERT_STR(vmboot_last_error()->field, "name");
	ASSERT_ERROR(vmboot_opts_check(&o), VMBOOT_EOPTS, "name is missing");
	o.name = "a";
	ASSERT_OK(vmboot_opts_check(&o));
	o.image = NULL;
	ASSERT_ERROR(vmboot_opts_check(&o), VMBOOT_EOPTS, "image is missing: it must be NAME");
	ASSERT_STR(vmboot_last_error()->field, "image");
	o.image = "";
	ASSERT_ERROR(vmboot_opts_check(&o), VMBOOT_EOPTS, "image: \"\" is not acceptable");
}

static void an_agent_and_none(void)
{
	struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b", .skip_guest_agent = true,
					   .guest_agent = VMBOOT_AGENT_IMAGE);

	ASSERT_ERROR(vmboot_opts_check(&o), VMBOOT_EOPTS, "leave one of them out");
	ASSERT_STR(vmboot_last_error()->field, "guest_agent");
	o.skip_guest_agent = false;
	ASSERT_OK(vmboot_opts_check(&o));
}

static void defaults_are_filled_in_where_all_is_needed(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b", .memory_mib = 128);
	struct vmboot_opts ret;

	ASSERT_OK(vmb_opts_read(&o, true, &ret));
	CU_ASSERT_EQUAL(ret.vcpus, 1);
	CU_ASSERT_EQUAL(ret.memory_mib, 128);
	CU_ASSERT_EQUAL(ret.overlay_mib, 10240);
	CU_ASSERT_PTR_EQUAL(ret.name, o.name);
	CU_ASSERT(ret.init_mode == VMBOOT_INIT_AUTO && ret.on_exit == VMBOOT_ON_EXIT_KEEP);
	ASSERT_OK(vmb_opts_read(&o, false, &ret));
	CU_ASSERT_EQUAL(ret.vcpus, 0);
	ASSERT_OK(vmb_opts_read(NULL, false, &ret));
	CU_ASSERT(!ret.name && !ret.vcpus && ret.size == sizeof(ret));
}

static void what_is_no_field_is_passed_on(void)
{
	int x;
	const struct vmboot_opts o = VMBOOT_OPTS(.log_data = &x, .progress_data = &x);
	struct vmboot_opts ret;

	ASSERT_OK(vmb_opts_read(&o, false, &ret));
	CU_ASSERT(ret.log_data == &x && ret.progress_data == &x);
}

static void members_are_checked(void)
{
	static const char *const env[] = {"A=1", "B", NULL}, *const bad_utf8[] = {"\xff", NULL};
	static const struct {
		struct vmboot_opts opts;
		const char *field, *words;
	} rows[] = {
		{VMBOOT_OPTS(.name = "_"), "name", "name: \"_\" is not acceptable: it must be"},
		{VMBOOT_OPTS(.vcpus = 256), "vcpus", "vcpus: \"256\" is not"},
		{VMBOOT_OPTS(.memory_mib = UINT64_MAX), "memory_mib", "\"18446744073709551615\""},
		{VMBOOT_OPTS(.accel = (enum vmboot_accel)3), "accel", "accel: \"3\" is not"},
		{VMBOOT_OPTS(.on_exit = (enum vmboot_on_exit) - 1), "on_exit",
		 "it must be keep or"},
		{VMBOOT_OPTS(.env = env), "env", "env: \"B\" is not"},
		{VMBOOT_OPTS(.cmd = bad_utf8), "cmd", "cmd: \"?\" is not"},
		{VMBOOT_OPTS(.kernel = "\xff"), "kernel", "kernel: \"?\" is not"},
	};
	struct vmboot_opts ret = {0};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_ERROR(vmb_opts_read(&rows[i].opts, false, &ret), VMBOOT_EOPTS,
			     rows[i].words);
		ASSERT_STR(vmboot_last_error()->field, rows[i].field);
		CU_ASSERT_EQUAL(ret.size, 0);
	}
}

static void lists_of_a_struct_have_bounds(void)
{
	const char **list = test_alloc((VMB_OPTS_LIST_MAX + 2) * sizeof(*list));
	struct vmboot_opts o = VMBOOT_OPTS(.cmd = list), ret;

	for (int i = 0; i < VMB_OPTS_LIST_MAX; i++)
		list[i] = "x";
	ASSERT_OK(vmb_opts_read(&o, false, &ret));
	list[VMB_OPTS_LIST_MAX] = "x";
	ASSERT_ERROR(vmb_opts_read(&o, false, &ret), VMBOOT_EOPTS, "cmd: \"a list of 233017\" is");
}

/* ---- one by one ---- */

static void sets_each_type(void)
{
	_cleanup_opts_ struct vmboot_opts *o = new_opts();

	ASSERT_OK(vmboot_opts_set(o, "name", "a"));
	ASSERT_OK(vmboot_opts_set(o, "name", "b"));
	ASSERT_STR(o->name, "b");
	ASSERT_OK(vmboot_opts_set(o, "name", NULL));
	CU_ASSERT_PTR_NULL(o->name);

	ASSERT_OK(vmboot_opts_set(o, "debug", "true"));
	CU_ASSERT_TRUE(o->debug);
	ASSERT_OK(vmboot_opts_set(o, "debug", "false"));
	CU_ASSERT_FALSE(o->debug);

	ASSERT_OK(vmboot_opts_set(o, "vcpus", "255"));
	CU_ASSERT_EQUAL(o->vcpus, 255);

	ASSERT_OK(vmboot_opts_set(o, "accel", "tcg"));
	CU_ASSERT_EQUAL(o->accel, VMBOOT_ACCEL_TCG);
	ASSERT_OK(vmboot_opts_set(o, "accel", "auto"));
	CU_ASSERT_EQUAL(o->accel, VMBOOT_ACCEL_AUTO);

	ASSERT_OK(vmboot_opts_set(o, "env", "A=1"));
	ASSERT_OK(vmboot_opts_set(o, "env", "B=2"));
	CU_ASSERT_EQUAL_FATAL(vmb_list_len(o->env), 2);
	ASSERT_STR(o->env[1], "B=2");
	ASSERT_OK(vmboot_opts_set(o, "env", NULL));
	CU_ASSERT(o->env && !o->env[0]);
}

static void set_refuses_and_leaves_the_old(void)
{
	static const struct {
		const char *name, *value, *words;
	} rows[] = {
		{"name", "_", "name: \"_\" is not acceptable: it must be 1 to 128"},
		{"name", "", "name: \"\" is not"},
		{"debug", "yes", "debug: \"yes\" is not acceptable: it must be true or false"},
		{"debug", NULL, "debug: \"\" is not"},
		{"vcpus", "0", "vcpus: \"0\" is not acceptable: it must be a number from 1 to 255"},
		{"vcpus", "256", "vcpus: \"256\" is not"},
		{"vcpus", "-1", "vcpus: \"-1\" is not"},
		{"vcpus", "+1", "vcpus: \"+1\" is not"},
		{"vcpus", "1 ", "vcpus: \"1 \" is not"},
		{"vcpus", "0x1", "vcpus: \"0x1\" is not"},
		{"vcpus", "18446744073709551617", "vcpus: \"18446744073709551617\" is not"},
		{"vcpus", "", "vcpus: \"\" is not"},
		{"vcpus", NULL, "vcpus: \"\" is not"},
		{"accel", "hvf", "accel: \"hvf\" is not acceptable: it must be auto, kvm or tcg"},
		{"accel", NULL, "accel: \"\" is not"},
		{"env", "A", "env: \"A\" is not"},
		{"nmae", "a", "there is no field \"nmae\""},
		{"connection", "a", "there is no field \"connection\""},
	};
	_cleanup_opts_ struct vmboot_opts *o = new_opts();

	ASSERT_OK(vmboot_opts_set(o, "name", "a"));
	ASSERT_OK(vmboot_opts_set(o, "debug", "true"));
	ASSERT_OK(vmboot_opts_set(o, "vcpus", "7"));
	ASSERT_OK(vmboot_opts_set(o, "accel", "tcg"));
	ASSERT_OK(vmboot_opts_set(o, "env", "A=1"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_ERROR(vmboot_opts_set(o, rows[i].name, rows[i].value), VMBOOT_EOPTS,
			     rows[i].words);
		ASSERT_STR(vmboot_last_error()->field, rows[i].name);
	}
	ASSERT_STR(o->name, "a");
	CU_ASSERT(o->debug && o->vcpus == 7 && o->accel == VMBOOT_ACCEL_TCG);
	CU_ASSERT_EQUAL(vmb_list_len(o->env), 1);
}

static void set_has_the_lists_bound(void)
{
	_cleanup_opts_ struct vmboot_opts *o = new_opts();

	for (int i = 0; i < VMB_OPTS_LIST_MAX; i++)
		if (vmboot_opts_set(o, "cmd", "") < 0)
			CU_FAIL_FATAL("a list has room");
	ASSERT_ERROR(vmboot_opts_set(o, "cmd", ""), VMBOOT_EOPTS,
		     "cmd: \"a list of 233017\" is not");
	CU_ASSERT_EQUAL(vmb_list_len(o->cmd), VMB_OPTS_LIST_MAX);
	ASSERT_OK(vmboot_opts_set(o, "cmd", NULL));
	ASSERT_OK(vmboot_opts_set(o, "cmd", "x"));
	CU_ASSERT_EQUAL(vmb_list_len(o->cmd), 1);
}

static void nothing_is_freed_without_harm(void)
{
	vmboot_opts_free(NULL);
	vmboot_opts_free(new_opts());
}

TEST_MAIN("opts/check", {"a size that never was is refused", a_size_that_never_was_is_refused},
	  {"a newer caller is served while it asks for nothing new",
	   a_newer_caller_is_served_while_it_asks_for_nothing_new},
	  {"an older caller is served", an_older_caller_is_served},
	  {"required fields", required_fields}, {"an agent and none", an_agent_and_none},
	  {"defaults are filled in where all is needed",
	   defaults_are_filled_in_where_all_is_needed},
	  {"what is no field is passed on", what_is_no_field_is_passed_on},
	  {"members are checked", members_are_checked},
	  {"lists of a struct have bounds", lists_of_a_struct_have_bounds},
	  {"sets each type", sets_each_type},
	  {"set refuses and leaves the old", set_refuses_and_leaves_the_old},
	  {"set has the list's bound", set_has_the_lists_bound},
	  {"nothing is freed without harm", nothing_is_freed_without_harm})
