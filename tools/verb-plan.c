/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan and xml: what run would do, without doing it. */
#include "verbs.h"

static int print(struct args *args, int (*render)(const struct vmboot_opts *, char **))
{
	_cleanup_(text) char *text = NULL;
	int r = 0;

	if (!args->opts->name)
		r = vmboot_opts_set(args->opts, "name", NAME_OF_PLAN);
	/* as run in the foreground, so that the plan is that of the same words */
	if (r >= 0 && !args_given(args, "on_exit"))
		r = vmboot_opts_set(args->opts, "on_exit", "poweroff");
	if (r >= 0)
		r = render(args->opts, &text);
	progress_clear();
	if (r < 0)
		return show_error(EXIT_FAILED);
	out_line(text);
	return 0;
}

int verb_plan(struct args *args)
{
	return print(args, vmboot_plan);
}

int verb_xml(struct args *args)
{
	return print(args, vmboot_render_xml);
}
