/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_COMPLETE_H
#define VMBOOT_TOOLS_COMPLETE_H

/*
 * `vmboot __complete [WORD…]`: what the last word, perhaps empty, can become, for the shells'
 * completions in tools/completion. In: the command line and the tables that the help is made of.
 * Out: a line for each candidate, WORD or WORD<tab>HELP; then perhaps ":files" or ":folders": such
 * names on this host fit too, behind an "oci:", "--flag=" or the like.
 */

#include "args.h"

int complete(const struct verb *verbs, size_t n_verbs, const struct verb *no_verb, int argc,
	     char *const *argv);

#endif
