/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt says about a domain that runs. */
#include <libxml/parser.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/xml.h"
#include "domain/domain.h"

enum { XML_MAX = 16 << 20 };

static xmlNodePtr next_named(xmlNodePtr n, const char *name)
{
	while (n && (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, name) != 0))
		n = n->next;
	return n;
}

static bool attr_is(xmlNodePtr n, const char *name, const char *wanted)
{
	xmlChar *value = xmlGetNoNsProp(n, BAD_CAST name);
	bool same = value && strcmp((const char *)value, wanted) == 0;

	xmlFree(value);
	return same;
}

int vmb_domain_agent_connected(const char *xml, bool *ret)
{
	const int flags = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
	size_t n = strnlen(xml, XML_MAX + 1);
	_cleanup_xml_ xmlDocPtr doc = NULL;
	xmlNodePtr root, channel, target;

	if (n <= XML_MAX)
		doc = xmlReadMemory(xml, (int)n, NULL, NULL, flags);
	root = doc ? xmlDocGetRootElement(doc) : NULL;
	if (!root || doc->intSubset)
		return vmb_error(VMBOOT_ELIBVIRT, "what libvirt says of the domain is no XML");
	*ret = false;
	channel = next_named(root->children, "devices");
	channel = channel ? channel->children : NULL;
	while ((channel = next_named(channel, "channel"))) {
		target = next_named(channel->children, "target");
		if (target && attr_is(target, "name", VMB_QGA_PORT))
			*ret = attr_is(target, "state", "connected");
		channel = channel->next;
	}
	return 0;
}
