/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_VERBS_H
#define VMBOOT_TOOLS_VERBS_H

/* The verbs' functions, for the table in vmboot.c. Each returns an exit code. */

#include "args.h"

int verb_cp(struct args *args);
int verb_df(struct args *args);
int verb_doctor(struct args *args);
int verb_events(struct args *args);
int verb_exec(struct args *args);
int verb_gc(struct args *args);
int verb_image_inspect(struct args *args);
int verb_image_prune(struct args *args);
int verb_images(struct args *args);
int verb_import(struct args *args);
int verb_pull(struct args *args);
int verb_inspect(struct args *args);
int verb_logs(struct args *args);
int verb_pause(struct args *args);
int verb_plan(struct args *args);
int verb_ps(struct args *args);
int verb_port(struct args *args);
int verb_report(struct args *args);
int verb_restart(struct args *args);
int verb_rm(struct args *args);
int verb_prune(struct args *args);
int verb_rmi(struct args *args);
int verb_run(struct args *args);
int verb_save(struct args *args);
int verb_start(struct args *args);
int verb_stat(struct args *args);
int verb_stats(struct args *args);
int verb_stop(struct args *args);
int verb_tag(struct args *args);
int verb_top(struct args *args);
int verb_unpause(struct args *args);
int verb_wait(struct args *args);
int verb_xml(struct args *args);

/* The name of a VM that is only planned, so that the same plan has the same bytes. */
#define NAME_OF_PLAN "unnamed"

#endif
