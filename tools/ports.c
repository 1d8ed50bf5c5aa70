/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ports.h"

#include <stdio.h>
#include <stdlib.h>

bool port_parse(const char *text, struct port *ret)
{
	return sscanf(text, "%15[0-9.]:%5u:%5u/%3[a-z]", ret->ip, &ret->host, &ret->guest,
		      ret->protocol) == 4;
}

char *ports_text(const char *const *publish)
{
	char *text = xasprintf("%s", "");
	struct port port;

	for (; publish && *publish; publish++) {
		char *longer;

		if (!port_parse(*publish, &port))
			continue;
		longer = xasprintf("%s%s%s:%u->%u/%s", text, *text ? ", " : "", port.ip, port.host,
				   port.guest, port.protocol);
		free(text);
		text = longer;
	}
	return text;
}
