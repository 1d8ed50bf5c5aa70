/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/path.h"

#include "base/error.h"

struct vmb_shown vmb_show(const char *s)
{
	struct vmb_shown shown = {""};

	vmb_strlcpy(shown.text, s ? s : "(no name)", sizeof(shown.text));
	for (char *c = shown.text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return shown;
}

int vmb_path_clean(const char *raw, char out[PATH_MAX])
{
	size_t len = 0;

	if (!raw || !*raw)
		return vmb_error(VMBOOT_EIMAGE, "an entry has no name");
	for (const char *p = raw; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return vmb_error(VMBOOT_EIMAGE, "an entry's name has a \"..\": %s",
					 vmb_show(raw).text);
		if (n > NAME_MAX || len + n + 2 > PATH_MAX)
			return vmb_error(VMBOOT_EIMAGE, "an entry's name is too long: %s",
					 vmb_show(raw).text);
		if (n > 0 && !(n == 1 && p[0] == '.')) {
			if (len > 0)
				out[len++] = '/';
			memcpy(out + len, p, n);
			len += n;
		}
		p += n + (p[n] == '/');
	}
	out[len] = '\0';
	return 0;
}
