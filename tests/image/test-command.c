/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "image/command.h"
#include "test.h"

#define LIST(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}
#define EMPTY ((const char *const[]){NULL})

static const char *join(char **list)
{
	const char *text = "";

	for (; list && *list; list++)
		text = test_path("%s%s%s", text, *text ? "|" : "", *list);
	return text;
}

struct row {
	const char *const *image_entrypoint, *const *image_cmd, *const *entrypoint, *const *cmd;
	const char *args; /* NULL: there is nothing to run */
};

static const struct row rows[] = {
	{LIST("e"), LIST("c"), NULL, NULL, "e|c"},
	{LIST("e", "1"), NULL, NULL, NULL, "e|1"},
	{NULL, LIST("c", "1"), NULL, NULL, "c|1"},
	{EMPTY, LIST("c"), NULL, NULL, "c"},
	/* a cmd replaces the image's */
	{LIST("e"), LIST("c"), NULL, LIST("C", "2"), "e|C|2"},
	{NULL, LIST("c"), NULL, LIST("C"), "C"},
	{LIST("e"), LIST("c"), NULL, EMPTY, "e"},
	/* an entrypoint replaces the image's and discards its cmd */
	{LIST("e"), LIST("c"), LIST("E"), NULL, "E"},
	{LIST("e"), LIST("c"), LIST("E"), LIST("C"), "E|C"},
	{LIST("e"), LIST("c"), EMPTY, LIST("C"), "C"},
	{NULL, LIST("c"), LIST("E"), NULL, "E"},
	/* nothing */
	{LIST("e"), LIST("c"), EMPTY, NULL, NULL},
	{NULL, LIST("c"), NULL, EMPTY, NULL},
	{NULL, NULL, NULL, NULL, NULL},
	{EMPTY, EMPTY, EMPTY, EMPTY, NULL},
};

static void joins_entrypoint_and_cmd(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_command_ struct vmb_command command = {0};
		struct vmb_image image = {.name = (char *)"x"};
		struct vmboot_opts opts =
			VMBOOT_OPTS(.entrypoint = rows[i].entrypoint, .cmd = rows[i].cmd);
		int r;

		image.config.entrypoint = (char **)rows[i].image_entrypoint;
		image.config.cmd = (char **)rows[i].image_cmd;
		r = vmb_image_command(&image, &opts, &command);
		if (rows[i].args) {
			ASSERT_OK(r);
			ASSERT_STR(join(command.args), rows[i].args);
			ASSERT_STR(command.workdir, "/");
			ASSERT_STR(command.user, "");
		} else {
			ASSERT_ERROR(r, VMBOOT_EIMAGE,
				     "the image x has no entrypoint or cmd, and none was given");
		}
	}
}

static void an_empty_program_is_refused(void)
{
	_cleanup_command_ struct vmb_command command = {0};
	struct vmb_image image = {.name = (char *)"x"};
	struct vmboot_opts opts = VMBOOT_OPTS(.cmd = LIST(""));

	ASSERT_ERROR(vmb_image_command(&image, &opts, &command), VMBOOT_EIMAGE, "is empty");
}

static void env_is_overridden_by_key(void)
{
	const struct {
		const char *const *image, *const *given;
		const char *env;
	} table[] = {
#define P "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
		{NULL, NULL, P},
		{LIST("A=1", "B=2"), NULL, P "|A=1|B=2"},
		{LIST("A=1", "B=2"), LIST("A=3"), P "|A=3|B=2"},
		{LIST("A=1"), LIST("AB=3", "A="), P "|A=|AB=3"},
		{LIST("PATH=/x"), NULL, "PATH=/x"},
		{LIST("PATH=/x"), LIST("PATH=/y"), "PATH=/y"},
		{LIST("A=1", "A=2"), NULL, P "|A=2"},
		{LIST("A=x=y"), LIST("A=z=w"), P "|A=z=w"},
		{LIST("nonsense", "=x", ""), NULL, P},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_command_ struct vmb_command command = {0};
		struct vmb_image image = {.name = (char *)"x",
					  .config.env = (char **)table[i].image};
		struct vmboot_opts opts = VMBOOT_OPTS(.cmd = LIST("c"), .env = table[i].given);

		ASSERT_OK(vmb_image_command(&image, &opts, &command));
		ASSERT_STR(join(command.env), table[i].env);
	}
}

static void workdir_and_user_are_the_callers_first(void)
{
	static const struct {
		const char *image, *given, *result;
	} workdirs[] = {
		{NULL, NULL, "/"},     {"", NULL, "/"},	     {"/app", NULL, "/app"},
		{"app", NULL, "/app"}, {"/app", "/x", "/x"}, {NULL, "/x", "/x"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(workdirs); i++) {
		_cleanup_command_ struct vmb_command command = {0};
		struct vmb_image image = {.name = (char *)"x",
					  .config = {.workdir = (char *)workdirs[i].image,
						     .user = (char *)"1:2"}};
		struct vmboot_opts opts =
			VMBOOT_OPTS(.cmd = LIST("c"), .workdir = workdirs[i].given,
				    .user = workdirs[i].given ? "me" : NULL);

		ASSERT_OK(vmb_image_command(&image, &opts, &command));
		ASSERT_STR(command.workdir, workdirs[i].result);
		ASSERT_STR(command.user, workdirs[i].given ? "me" : "1:2");
	}
}

TEST_MAIN("image/command", {"joins entrypoint and cmd", joins_entrypoint_and_cmd},
	  {"an empty program is refused", an_empty_program_is_refused},
	  {"env is overridden by key", env_is_overridden_by_key},
	  {"workdir and user are the caller's first", workdir_and_user_are_the_callers_first})
