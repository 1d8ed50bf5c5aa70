/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_XML_H
#define VMB_BASE_XML_H

/* libxml2's tree, a little shorter. A failed allocation leaves NULL, which all of these accept. */

#include <libxml/tree.h>

#include "base/cleanup.h"

VMB_DEFINE_CLEANUP(vmb_xml_docp, xmlDocPtr, xmlFreeDoc)
#define _cleanup_xml_ vmb_cleanup(vmb_xml_docp)

/* Text is escaped. text NULL: an empty element. */
xmlNodePtr vmb_xml_add(xmlNodePtr parent, const char *name, const char *text);
xmlNodePtr vmb_xml_addf(xmlNodePtr parent, const char *name, const char *fmt, ...) VMB_PRINTF(3, 4);
/* name, value, …, NULL; returns node */
xmlNodePtr vmb_xml_attrs(xmlNodePtr node, ...) __attribute__((sentinel));

/* The document as text, freed by the caller; -ENOMEM; or -EILSEQ: a text in it is not UTF-8. */
int vmb_xml_text(xmlDocPtr doc, char **ret);

#endif
