/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt says about a domain that runs. */
#include <libxml/parser.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/xml.h"
#include "domain/domain.h"
#include "domain/metadata.h"
#include "plan/cmdline.h"

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

static int parse(const char *xml, xmlDocPtr *ret)
{
	const int flags = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
	size_t n = strnlen(xml, XML_MAX + 1);
	_cleanup_xml_ xmlDocPtr doc = NULL;

	if (n <= XML_MAX)
		doc = xmlReadMemory(xml, (int)n, NULL, NULL, flags);
	if (!doc || !xmlDocGetRootElement(doc) || doc->intSubset)
		return vmb_error(VMBOOT_ELIBVIRT, "what libvirt says of the domain is no XML");
	*ret = TAKE_PTR(doc);
	return 0;
}

/* The first of that name below a node; NULL below none. */
static xmlNodePtr child(xmlNodePtr n, const char *name)
{
	return n ? next_named(n->children, name) : NULL;
}

/* The target of the channel of that name, or NULL. */
static xmlNodePtr channel_target(xmlDocPtr doc, const char *name)
{
	xmlNodePtr channel = child(xmlDocGetRootElement(doc), "devices"), target;

	channel = channel ? channel->children : NULL;
	while ((channel = next_named(channel, "channel"))) {
		target = next_named(channel->children, "target");
		if (target && attr_is(target, "name", name))
			return target;
		channel = channel->next;
	}
	return NULL;
}

int vmb_domain_has_channel(const char *xml, const char *name, bool *ret)
{
	_cleanup_xml_ xmlDocPtr doc = NULL;
	int r = parse(xml, &doc);

	if (r == 0)
		*ret = channel_target(doc, name) != NULL;
	return r;
}

int vmb_domain_has_user_network(const char *xml, bool *ret)
{
	_cleanup_xml_ xmlDocPtr doc = NULL;
	xmlNodePtr devices, n;
	int r = parse(xml, &doc);

	if (r < 0)
		return r;
	devices = child(xmlDocGetRootElement(doc), "devices");
	n = devices ? child(devices, "interface") : NULL;
	*ret = n && attr_is(n, "type", "user");
	return 0;
}

int vmb_domain_agent_connected(const char *xml, bool *ret)
{
	_cleanup_xml_ xmlDocPtr doc = NULL;
	xmlNodePtr target;
	int r = parse(xml, &doc);

	if (r < 0)
		return r;
	target = channel_target(doc, VMB_QGA_PORT);
	*ret = target && attr_is(target, "state", "connected");
	return 0;
}

/* ---- the counter of the host on which it was planned ---- */

/* Our element about the frequency, if the plan had one. */
static xmlNodePtr tsc_fact(xmlNodePtr domain)
{
	xmlNodePtr vm = child(child(domain, "metadata"), "vm");

	while (vm && !(vm->ns && strcmp((const char *)vm->ns->href, VMB_DOMAIN_XMLNS) == 0))
		vm = next_named(vm->next, "vm");
	return child(vm, VMB_METADATA_TSC);
}

/* The first word, which is the plan's: the user's own come behind it, and are left alone. */
static int replace_word(const char *line, const char *old, const char *new, char **ret)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	const char *at = line;
	size_t n = strlen(old);

	while ((at = strstr(at, old)) &&
	       !((at == line || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')))
		at++;
	if (!at)
		return 0;
	vmb_buf_add(&b, line, (size_t)(at - line));
	vmb_buf_str(&b, new);
	at += n;
	vmb_buf_str(&b, *new || *at != ' ' ? at : at + 1);
	return vmb_buf_take(&b, ret);
}

/* new is "" if it is not known. */
static int set_tsc(xmlNodePtr fact, xmlNodePtr cmdline, const char *old, const char *new)
{
	_cleanup_free_ char *line = NULL;
	char old_word[64], new_word[64] = "";
	int r;

	if (!cmdline->children || cmdline->children->type != XML_TEXT_NODE)
		return 0;
	snprintf(old_word, sizeof(old_word), VMB_CMDLINE_TSC "%s", old);
	if (*new)
		snprintf(new_word, sizeof(new_word), VMB_CMDLINE_TSC "%s", new);
	r = replace_word((const char *)cmdline->children->content, old_word, new_word, &line);
	if (r < 0 || !line)
		return r;
	xmlNodeSetContent(cmdline, NULL);
	xmlNodeAddContent(cmdline, BAD_CAST line);
	if (*new) {
		xmlNodeSetContent(fact, BAD_CAST new);
	} else {
		xmlUnlinkNode(fact);
		xmlFreeNode(fact);
	}
	return 1;
}

int vmb_domain_set_tsc(const char *xml, unsigned khz, char **ret)
{
	_cleanup_xml_ xmlDocPtr doc = NULL;
	xmlNodePtr fact, cmdline;
	char old[16], new[16] = "";
	int r = parse(xml, &doc);

	if (r < 0)
		return r;
	fact = tsc_fact(xmlDocGetRootElement(doc));
	cmdline = child(child(xmlDocGetRootElement(doc), "os"), "cmdline");
	if (!fact || !fact->children || fact->children->type != XML_TEXT_NODE || !cmdline)
		return 0;
	snprintf(old, sizeof(old), "%s", (const char *)fact->children->content);
	if (khz > 0)
		snprintf(new, sizeof(new), "%u", khz);
	if (vmb_streq(old, new))
		return 0;
	r = set_tsc(fact, cmdline, old, new);
	if (r <= 0)
		return r;
	r = vmb_xml_text(doc, ret);
	return r < 0 ? r : 1;
}
