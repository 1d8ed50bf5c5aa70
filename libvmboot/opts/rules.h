/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_OPTS_RULES_H
#define VMB_OPTS_RULES_H

/* Rules for text; true if value is acceptable. The value is UTF-8 already. */

#include <stdbool.h>

bool vmb_rule_vm_name(const char *value);
bool vmb_rule_hostname(const char *value);
bool vmb_rule_line(const char *value);	   /* not empty, no control characters */
bool vmb_rule_ascii(const char *value);	   /* printable ASCII */
bool vmb_rule_absolute(const char *value); /* absolute path, no control characters */
bool vmb_rule_env(const char *value);	   /* KEY=VALUE */
bool vmb_rule_creds(const char *value);	   /* USER:PASSWORD, no control characters */
bool vmb_rule_label(const char *value);	   /* KEY=VALUE, no control characters */
bool vmb_rule_user(const char *value);	   /* USER[:GROUP] */
bool vmb_rule_size(const char *value);	   /* see wire/settings.h for these */
bool vmb_rule_time(const char *value);	   /* a duration that is not 0 */
bool vmb_rule_duration(const char *value); /* 0 as well */
bool vmb_rule_tmpfs(const char *value);
bool vmb_rule_sysctl(const char *value);
bool vmb_rule_ulimit(const char *value);
bool vmb_rule_restart(const char *value);

#endif
