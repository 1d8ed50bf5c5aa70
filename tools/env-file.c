/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of variables, as container engines read it. */
#include "env-file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *skip_blanks(char *s)
{
	return s + strspn(s, " \t");
}

/* KEY=VALUE as it is; KEY alone has the caller's value, and is left out if there is none. */
static char *variable_of(char *line)
{
	const char *value;

	line[strcspn(line, "\r\n")] = '\0';
	line = skip_blanks(line);
	if (!*line || *line == '#')
		return NULL;
	if (strchr(line, '='))
		return xasprintf("%s", line);
	value = getenv(line);
	return value ? xasprintf("%s=%s", line, value) : NULL;
}

int env_file_read(const char *path, void (*add)(char *variable, void *data), void *data)
{
	FILE *f = fopen(path, "re");
	char *line = NULL, *variable;
	size_t size = 0;
	ssize_t n;
	int error = f ? 0 : errno;

	while (f && (n = getline(&line, &size, f)) >= 0) {
		if (strlen(line) != (size_t)n) {
			error = EINVAL; /* a 0 byte */
			break;
		}
		variable = variable_of(line);
		if (variable)
			add(variable, data);
	}
	if (f && ferror(f))
		error = errno;
	if (f)
		fclose(f);
	free(line);
	return error;
}
