/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts/rules.h"

#include <string.h>

#include "wire/settings.h"
#include "wire/text.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

bool vmb_rule_vm_name(const char *value)
{
	static const char first[] = LETTERS DIGITS, rest[] = LETTERS DIGITS "_.-";
	size_t n = strlen(value);

	/* a folder whose name has ".tmp-" in it is half made, see store/store.h */
	return n > 0 && n <= 128 && strchr(first, value[0]) && strspn(value, rest) == n &&
	       !strstr(value, ".tmp-");
}

/* RFC 1123's, with room for Linux' HOST_NAME_MAX. */
bool vmb_rule_hostname(const char *value)
{
	size_t n = strlen(value), label;

	if (n == 0 || n > 64)
		return false;
	for (;; value += label + 1) {
		label = strcspn(value, ".");
		if (label == 0 || label > 63 || strspn(value, LETTERS DIGITS "-") < label ||
		    value[0] == '-' || value[label - 1] == '-')
			return false;
		if (!value[label])
			return true;
	}
}

bool vmb_rule_line(const char *value)
{
	return *value && vmb_wire_is_line(value, strlen(value));
}

bool vmb_rule_creds(const char *value)
{
	return vmb_rule_line(value) && value[0] != ':' && strchr(value, ':');
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

bool vmb_rule_label(const char *value)
{
	return vmb_rule_env(value) && vmb_rule_line(value);
}

bool vmb_rule_user(const char *value)
{
	const char *colon = strchr(value, ':');

	if (!vmb_rule_line(value) || value[0] == ':' || strpbrk(value, " \t/"))
		return false;
	return !colon || (colon[1] && !strchr(colon + 1, ':'));
}

bool vmb_rule_size(const char *value)
{
	return vmb_is_size(value);
}

bool vmb_rule_time(const char *value)
{
	uint64_t ms;

	return vmb_duration_parse(value, &ms) == 0 && ms > 0;
}

bool vmb_rule_tmpfs(const char *value)
{
	struct vmb_tmpfs tmpfs;

	return vmb_rule_line(value) && vmb_tmpfs_parse(value, &tmpfs) == 0;
}

bool vmb_rule_sysctl(const char *value)
{
	char path[VMB_SYSCTL_PATH_MAX];
	const char *text;

	return vmb_sysctl_parse(value, path, &text) == 0;
}

bool vmb_rule_ulimit(const char *value)
{
	struct vmb_ulimit limit;

	return vmb_ulimit_parse(value, &limit) == 0;
}

bool vmb_rule_restart(const char *value)
{
	struct vmb_restart restart;

	return vmb_restart_parse(value, &restart) == 0;
}

bool vmb_rule_duration(const char *value)
{
	uint64_t ms;

	return vmb_duration_parse(value, &ms) == 0;
}
