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

/* The length without the last part. */
static size_t drop_part(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

int vmb_path_clean(const char *raw, char out[PATH_MAX])
{
	size_t len = 0;

	if (!raw || !*raw)
		return vmb_error(VMBOOT_EIMAGE, "an entry has no name");
	for (const char *p = raw; *p;) {
		size_t n = strcspn(p, "/");

		bool up = n == 2 && p[0] == '.' && p[1] == '.';

		if (up && len == 0)
			return vmb_error(VMBOOT_EIMAGE, "an entry's name leads out of the root: %s",
					 vmb_show(raw).text);
		if (n > NAME_MAX || len + n + 2 > PATH_MAX)
			return vmb_error(VMBOOT_EIMAGE, "an entry's name is too long: %s",
					 vmb_show(raw).text);
		if (up) {
			len = drop_part(out, len);
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
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
