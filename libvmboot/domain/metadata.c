/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/metadata.h"

#include <libxml/parser.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

enum { METADATA_MAX = 65536 }; /* bytes; ours has two paths and a few words */

static const char *bool_text(bool b)
{
	return b ? "true" : "false";
}

struct fact {
	const char *name, *text;
};

static void add_facts(xmlNodePtr domain, const struct fact *facts, size_t n)
{
	xmlNodePtr vm = vmb_xml_add(vmb_xml_add(domain, "metadata", NULL), "vm", NULL);
	xmlNsPtr ns;

	if (!vm)
		return;
	ns = xmlNewNs(vm, BAD_CAST VMB_DOMAIN_XMLNS, BAD_CAST VMB_DOMAIN_PREFIX);
	xmlSetNs(vm, ns);
	for (size_t i = 0; i < n; i++) {
		xmlNodePtr node = vmb_xml_add(vm, facts[i].name, facts[i].text);

		if (node)
			xmlSetNs(node, ns);
	}
}

void vmb_metadata_add_plan(xmlNodePtr domain, const struct vmb_plan *plan)
{
	const struct vmb_facts *f = &plan->facts;
	bool tsc = f->accel == VMBOOT_ACCEL_TCG && f->tsc_khz > 0;
	char khz[16];
	const struct fact facts[] = {
		{"store", f->store},
		{"image", f->image.name},
		{"digest", f->image.digest},
		{"accel", f->accel == VMBOOT_ACCEL_KVM ? "kvm" : "tcg"},
		{"init_mode", plan->init_mode == VMBOOT_INIT_SYSTEMD ? "systemd" : "exec"},
		{"ephemeral", bool_text(plan->ephemeral)},
		{"skip_kernel_headers", bool_text(plan->skip_kernel_headers)},
		{"skip_guest_agent", bool_text(plan->skip_guest_agent)},
		{"skip_module_signatures", bool_text(plan->skip_module_signatures)},
		{"guest_agent", plan->guest_agent == VMBOOT_AGENT_IMAGE ? "image" : "vmboot"},
		{VMB_METADATA_TSC, khz},
	};

	snprintf(khz, sizeof(khz), "%u", f->tsc_khz);
	add_facts(domain, facts, ARRAY_SIZE(facts) - !tsc);
}

void vmb_metadata_add_probe(xmlNodePtr domain, const struct vmb_probe *probe)
{
	const struct fact facts[] = {{"store", probe->store}, {"probe", "true"}};

	add_facts(domain, facts, ARRAY_SIZE(facts));
}

void vmb_metadata_done(struct vmb_metadata *m)
{
	free(m->store);
	free(m->image);
	free(m->digest);
	free(m->accel);
	*m = (struct vmb_metadata){0};
}

/* The text of our child of that name, "" if there is none; freed by the caller. */
static int child_text(xmlNodePtr vm, const char *name, char **ret)
{
	for (xmlNodePtr n = vm->children; n; n = n->next) {
		if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, name) != 0)
			continue;
		if (!n->children || n->children->type != XML_TEXT_NODE)
			break;
		return vmb_strdup((const char *)n->children->content, ret);
	}
	return vmb_strdup("", ret);
}

static int child_is(xmlNodePtr vm, const char *name, const char *wanted, bool *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = child_text(vm, name, &text);

	if (r == 0)
		*ret = vmb_streq(text, wanted);
	return r;
}

static int not_ours(void)
{
	return vmb_error(VMBOOT_ELIBVIRT, "the domain's metadata is not ours");
}

static int read_facts(xmlNodePtr vm, struct vmb_metadata *ret)
{
	_cleanup_metadata_ struct vmb_metadata m = {0};
	bool systemd = false, image_agent = false;
	int r;

	r = child_text(vm, "store", &m.store);
	if (r == 0)
		r = child_text(vm, "image", &m.image);
	if (r == 0)
		r = child_text(vm, "digest", &m.digest);
	if (r == 0)
		r = child_text(vm, "accel", &m.accel);
	if (r == 0)
		r = child_is(vm, "init_mode", "systemd", &systemd);
	if (r == 0)
		r = child_is(vm, "probe", "true", &m.probe);
	if (r == 0)
		r = child_is(vm, "ephemeral", "true", &m.ephemeral);
	if (r == 0)
		r = child_is(vm, "skip_kernel_headers", "true", &m.skip_kernel_headers);
	if (r == 0)
		r = child_is(vm, "skip_guest_agent", "true", &m.skip_guest_agent);
	if (r == 0)
		r = child_is(vm, "skip_module_signatures", "true", &m.skip_module_signatures);
	if (r == 0)
		r = child_is(vm, "guest_agent", "image", &image_agent);
	if (r == 0 && m.store[0] != '/')
		r = not_ours();
	if (r < 0)
		return r;
	m.guest_agent = image_agent ? VMBOOT_AGENT_IMAGE : VMBOOT_AGENT_VMBOOT;
	m.init_mode = systemd ? VMBOOT_INIT_SYSTEMD : VMBOOT_INIT_EXEC;
	*ret = m;
	m = (struct vmb_metadata){0};
	return 0;
}

int vmb_metadata_parse(const char *xml, struct vmb_metadata *ret)
{
	const int flags = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
	size_t n = strnlen(xml, METADATA_MAX + 1);
	_cleanup_xml_ xmlDocPtr doc = NULL;
	xmlNodePtr vm;

	if (n <= METADATA_MAX)
		doc = xmlReadMemory(xml, (int)n, NULL, NULL, flags);
	vm = doc ? xmlDocGetRootElement(doc) : NULL;
	/* we declare no entities, so whoever does is not us */
	if (!vm || doc->intSubset || strcmp((const char *)vm->name, "vm") != 0)
		return not_ours();
	return read_facts(vm, ret);
}
