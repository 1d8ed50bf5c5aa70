/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/caps.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <string.h>

#include "base/sigpipe.h"
#include "base/str.h"
#include "base/xml.h"

VMB_DEFINE_CLEANUP(xpath_ctxp, xmlXPathContextPtr, xmlXPathFreeContext)
VMB_DEFINE_CLEANUP(xpath_objp, xmlXPathObjectPtr, xmlXPathFreeObject)

/* Versions as libvirt tells them: 6.0.0 is 6000000. */
enum {
	/* libvirt: the first that surely has <qemu:capabilities> and the name that we give there */
	CPU_WORDS_SINCE = 6000000,
	CPU_MAXIMUM_SINCE = 7001000,
	QEMU_WITH_PVH = 4000000,
};

void vmb_caps_done(struct vmb_caps *caps)
{
	free(caps->emulator);
	free(caps->machine);
	free(caps->dac_label);
	*caps = (struct vmb_caps){0};
}

/* The expression's value as text, "" where it finds nothing; freed by the caller. */
static int xpath_text(xmlDocPtr doc, const char *expression, char **ret)
{
	vmb_cleanup(xpath_ctxp) xmlXPathContextPtr ctx = xmlXPathNewContext(doc);
	vmb_cleanup(xpath_objp) xmlXPathObjectPtr obj = NULL;

	if (ctx)
		obj = xmlXPathEvalExpression(BAD_CAST expression, ctx);
	if (!obj)
		return vmb_oom();
	return vmb_strdup(obj->stringval ? (const char *)obj->stringval : "", ret);
}

static bool xpath_is(xmlDocPtr doc, const char *expression)
{
	vmb_cleanup(xpath_ctxp) xmlXPathContextPtr ctx = xmlXPathNewContext(doc);
	vmb_cleanup(xpath_objp) xmlXPathObjectPtr obj = NULL;

	if (ctx)
		obj = xmlXPathEvalExpression(BAD_CAST expression, ctx);
	return obj && obj->boolval;
}

#define GUEST_FMT "/capabilities/guest[os_type='hvm' and arch/@name='%s']/arch"

/* Other hosts could no more than emulate such a guest, which is not supported yet. */
static int no_machine(xmlDocPtr doc, const struct vmb_arch *arch)
{
	_cleanup_free_ char *host = NULL;
	int r = xpath_text(doc, "string(/capabilities/host/cpu/arch)", &host);

	if (r < 0)
		return r;
	if (*host && !vmb_streq(host, arch->name))
		return vmb_error(VMBOOT_EHOST,
				 "guests for %s run on such hosts only, and libvirt's host is %s",
				 arch->name, host);
	return vmb_error(VMBOOT_EHOST,
			 "libvirt has no QEMU for %s here: run `vmboot doctor`, which says how to "
			 "install it",
			 arch->name);
}

static int choose_machine(xmlDocPtr doc, const struct vmb_arch *arch, char **ret)
{
	char expression[256];

	for (const char *const *machine = arch->machines; *machine; machine++) {
		snprintf(expression, sizeof(expression), "boolean(" GUEST_FMT "//machine[.='%s'])",
			 arch->name, *machine);
		if (xpath_is(doc, expression))
			return vmb_strdup(*machine, ret);
	}
	return no_machine(doc, arch);
}

static bool has_kvm(xmlDocPtr doc, const struct vmb_arch *arch)
{
	char expression[256];

	snprintf(expression, sizeof(expression), "boolean(" GUEST_FMT "/domain[@type='kvm'])",
		 arch->name);
	return xpath_is(doc, expression);
}

static int find_emulator(xmlDocPtr doc, const struct vmb_arch *arch, char **ret)
{
	char expression[256];

	snprintf(expression, sizeof(expression), "string(" GUEST_FMT "/emulator)", arch->name);
	return xpath_text(doc, expression, ret);
}

int vmb_caps_parse(const struct vmb_arch *arch, const char *xml, struct vmb_caps *ret)
{
	const int flags = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING;
	_cleanup_caps_ struct vmb_caps caps = {0};
	_cleanup_xml_ xmlDocPtr doc = NULL;
	int r;

	doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, flags);
	if (!doc)
		return vmb_error(VMBOOT_ELIBVIRT, "libvirt's capabilities are not XML");
	caps.kvm = has_kvm(doc, arch);
	r = choose_machine(doc, arch, &caps.machine);
	if (r == 0)
		r = find_emulator(doc, arch, &caps.emulator);
	if (r == 0)
		r = xpath_text(doc,
			       "string(/capabilities/host/secmodel[model='dac']/baselabel[@type='"
			       "qemu'])",
			       &caps.dac_label);
	if (r < 0)
		return r;
	if (!*caps.dac_label)
		free(TAKE_PTR(caps.dac_label));
	*ret = caps;
	caps = (struct vmb_caps){0};
	return 0;
}

int vmb_caps_get(virConnectPtr c, struct vmb_caps *ret)
{
	VMB_KEEP_SIGPIPE;
	_cleanup_free_ char *xml = virConnectGetCapabilities(c);
	unsigned long libvirt, qemu = 0;
	const struct vmb_arch *arch;
	int r;

	if (!xml || virConnectGetLibVersion(c, &libvirt) < 0)
		return vmb_libvirt_error("cannot ask libvirt what it can do");
	r = vmb_arch_host(&arch);
	if (r == 0)
		r = vmb_caps_parse(arch, xml, ret);
	if (r < 0)
		return r;
	ret->cpu_maximum = libvirt >= CPU_MAXIMUM_SINCE;
	ret->cpu_words = libvirt >= CPU_WORDS_SINCE;
	if (virConnectGetVersion(c, &qemu) == 0)
		ret->pvh = qemu >= QEMU_WITH_PVH;
	return 0;
}
