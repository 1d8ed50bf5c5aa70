/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_FACTS_H
#define TEST_FACTS_H

/* Facts of a host that does not exist, so that a plan can be made without one. */

#include "plan/plan.h"

/* Emptied by vmb_plan_make(); else by vmb_facts_done(). */
struct vmb_facts test_facts(void);

/* Put a copy of value in place of a string of the facts. */
void test_facts_set(char **member, const char *value);

/* The plan of these opts (which get their defaults) and facts; aborts if there is none. */
struct vmb_plan test_plan(const struct vmboot_opts *opts, struct vmb_facts facts);

#endif
