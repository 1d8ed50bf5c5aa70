/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/text.h"

VMB_DEFINE_CLEANUP(xml_bufferp, xmlBufferPtr, xmlBufferFree)

xmlNodePtr vmb_xml_add(xmlNodePtr parent, const char *name, const char *text)
{
	return parent ? xmlNewTextChild(parent, NULL, BAD_CAST name, BAD_CAST text) : NULL;
}

xmlNodePtr vmb_xml_addf(xmlNodePtr parent, const char *name, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return vmb_xml_add(parent, name, text);
}

xmlNodePtr vmb_xml_attrs(xmlNodePtr node, ...)
{
	const char *name, *value;
	va_list ap;

	va_start(ap, node);
	while ((name = va_arg(ap, const char *))) {
		value = va_arg(ap, const char *);
		if (node && value)
			xmlNewProp(node, BAD_CAST name, BAD_CAST value);
	}
	va_end(ap);
	return node;
}

/* How a document looks follows variables of the thread's, which are the caller's to set. */
static int dump(xmlDocPtr doc, xmlBufferPtr buffer)
{
	const int their_indent = xmlIndentTreeOutput, their_tags = xmlSaveNoEmptyTags;
	const char *their_string = xmlTreeIndentString;
	int n;

	xmlIndentTreeOutput = 1;
	xmlSaveNoEmptyTags = 0;
	xmlTreeIndentString = "  ";
	n = xmlNodeDump(buffer, doc, xmlDocGetRootElement(doc), 0, 1);
	xmlIndentTreeOutput = their_indent;
	xmlSaveNoEmptyTags = their_tags;
	xmlTreeIndentString = their_string;
	return n;
}

/* Not xmlDocDumpFormatMemory: its result is freed with a function that a program can replace. */
int vmb_xml_text(xmlDocPtr doc, char **ret)
{
	vmb_cleanup(xml_bufferp) xmlBufferPtr buffer = xmlBufferCreate();
	_cleanup_buf_ struct vmb_buf b = {0};
	const char *text;

	if (!buffer || !doc || dump(doc, buffer) < 0)
		return vmb_oom();
	/* opts are UTF-8, but what the environment names (a store) may be anything */
	text = (const char *)xmlBufferContent(buffer);
	if (!vmb_wire_is_utf8(text, (size_t)xmlBufferLength(buffer)))
		return vmb_error(EILSEQ,
				 "a path or name is not UTF-8, so no XML can say it; is the "
				 "store's?");
	vmb_buf_add(&b, xmlBufferContent(buffer), (size_t)xmlBufferLength(buffer));
	vmb_buf_str(&b, "\n");
	return vmb_buf_take(&b, ret);
}
