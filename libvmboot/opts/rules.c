/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts/rules.h"

#include <string.h>

#include "wire/text.h"

bool vmb_rule_vm_name(const char *value)
{
	size_t n = strlen(value);

	return n > 0 && n <= 63 && value[0] != '-' && value[n - 1] != '-' &&
	       strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

bool vmb_rule_line(const char *value)
{
	return *value && vmb_wire_is_line(value, strlen(value));
}

bool vmb_rule_ascii(const char *value)
{
	for (const char *p = value; *p; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return true;
}

bool vmb_rule_absolute(const char *value)
{
	return value[0] == '/' && vmb_wire_is_line(value, strlen(value));
}

bool vmb_rule_env(const char *value)
{
	return value[0] != '=' && strchr(value, '=');
}

bool vmb_rule_user(const char *value)
{
	const char *colon = strchr(value, ':');

	if (!vmb_rule_line(value) || value[0] == ':' || strpbrk(value, " \t/"))
		return false;
	return !colon || (colon[1] && !strchr(colon + 1, ':'));
}
