/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/uri.h"

#include <libxml/uri.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "base/str.h"

VMB_DEFINE_CLEANUP(xml_uri_freep, xmlURIPtr, xmlFreeURI)

/* Without their domains, unless both have one. */
static bool is_same_host(const char *a, const char *b)
{
	size_t n = strcspn(a, ".");

	if (strcasecmp(a, b) == 0)
		return true;
	return (!a[n] || !strchr(b, '.')) && n == strcspn(b, ".") && strncasecmp(a, b, n) == 0;
}

bool vmb_uri_is_own_name(const char *name)
{
	struct utsname host;

	return uname(&host) == 0 && *name && is_same_host(name, host.nodename);
}

static bool is_loopback(const char *server)
{
	static const char *const names[] = {"localhost", "::1", "[::1]"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcasecmp(server, names[i]) == 0)
			return true;
	return strncmp(server, "127.", 4) == 0;
}

enum vmb_uri_place vmb_uri_place(const char *uri)
{
	vmb_cleanup(xml_uri_freep) xmlURIPtr parsed = xmlParseURI(uri);

	if (!parsed || !parsed->scheme)
		return VMB_URI_UNSURE;
	if (!parsed->server || !*parsed->server)
		return VMB_URI_HERE;
	if (is_loopback(parsed->server) || vmb_uri_is_own_name(parsed->server))
		return VMB_URI_UNSURE;
	return VMB_URI_ELSEWHERE;
}
