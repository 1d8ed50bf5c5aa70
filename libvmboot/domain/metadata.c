/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/metadata.h"

#include <libxml/parser.h>
#include <limits.h>
#include <string.h>
#include <vmboot/vm.h>

#include "base/error.h"
#include "base/str.h"
#include "opts/opts.h"

/* Bytes; ours has two paths, at most 1024 ports, a few words, and labels, of which "&" is the longest in XML. */
enum { METADATA_MAX = 65536 + 8 * VMB_OPTS_LABELS_MAX };

enum type { TEXT, FLAG, CHOICE, NUMBER, LIST };

/* Whose metadata has it: a VM's, that of a domain that only tries an accelerator, or both. */
enum owner { OF_VM = 1, OF_PROBE = 2, OF_BOTH = OF_VM | OF_PROBE };

enum { NOT_IN_INFO = 1 << 16 };

/*
 * What a domain's metadata says, in that order. Writing, parsing and vmboot_info walk this table: a
 * new fact is a member of struct vmb_metadata, a row here, and a line in vmb_metadata_from_plan().
 * The words of a CHOICE are those of the request's field of that name.
 */
static const struct field {
	const char *name;
	enum type type;
	enum owner owner;
	size_t offset; /* in struct vmb_metadata */
	size_t info;   /* in struct vmboot_info, or NOT_IN_INFO */
} fields[] = {
#define AT(member) offsetof(struct vmb_metadata, member)
#define INFO(member) AT(member), offsetof(struct vmboot_info, member)
	{"store", TEXT, OF_BOTH, AT(store), NOT_IN_INFO},
	{"probe", FLAG, OF_PROBE, AT(probe), NOT_IN_INFO},
	{"image", TEXT, OF_VM, INFO(image)},
	{"digest", TEXT, OF_VM, INFO(digest)},
	{"command", TEXT, OF_VM, INFO(command)},
	{"accel", CHOICE, OF_VM, INFO(accel)},
	{"init_mode", CHOICE, OF_VM, AT(init_mode), NOT_IN_INFO},
	{"ephemeral", FLAG, OF_VM, INFO(ephemeral)},
	{"skip_kernel_headers", FLAG, OF_VM, INFO(skip_kernel_headers)},
	{"skip_guest_agent", FLAG, OF_VM, INFO(skip_guest_agent)},
	{"skip_module_signatures", FLAG, OF_VM, INFO(skip_module_signatures)},
	{"guest_agent", CHOICE, OF_VM, AT(guest_agent), NOT_IN_INFO},
	{"publish", TEXT, OF_VM, AT(publish), NOT_IN_INFO}, /* there it is a list */
	{"log_max_mib", NUMBER, OF_VM, AT(log_max_mib), NOT_IN_INFO},
	/* the frequency that the kernel's command line says, if it says one */
	{"label", LIST, OF_VM, AT(labels), offsetof(struct vmboot_info, labels)},
	{VMB_METADATA_TSC, NUMBER, OF_VM, AT(tsc_khz), NOT_IN_INFO},
#undef INFO
#undef AT
};

typedef char **text_list;

/* A member by its row; enums are stored as unsigned. */
#define MEMBER(type, metadata, field) ((type *)(void *)((char *)(metadata) + (field)->offset))
#define CONST_MEMBER(type, metadata, field)                                                        \
	((const type *)(const void *)((const char *)(metadata) + (field)->offset))

/* By value; NULL-ended. */
static const char *const *choices(const struct field *field)
{
	return vmb_field_find(field->name)->pub.choices;
}

void vmb_metadata_done(struct vmb_metadata *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].type == TEXT)
			free(*MEMBER(char *, m, &fields[i]));
		else if (fields[i].type == LIST)
			vmb_list_free(*MEMBER(char **, m, &fields[i]));
	*m = (struct vmb_metadata){0};
}

/* ---- from the plan, and into XML and vmboot_info ---- */

/*
 * The command on one line, for people: its beginning, and plain ASCII, as XML cannot hold each
 * character that an argument can.
 */
static int command_text(char *const *args, char **ret)
{
	enum { MAX = 96 };
	_cleanup_buf_ struct vmb_buf b = {0};
	_cleanup_free_ char *text = NULL;
	int r;

	for (; *args && b.len <= MAX; args++) {
		if (b.len)
			vmb_buf_str(&b, " ");
		vmb_buf_add(&b, *args, strnlen(*args, MAX + 1));
	}
	r = vmb_buf_take(&b, &text);
	if (r < 0)
		return r;
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = *p == '\n' || *p == '\t' ? ' ' : '?';
	if (strlen(text) > MAX)
		memcpy(text + MAX - 3, "...", 4);
	*ret = TAKE_PTR(text);
	return 0;
}

int vmb_metadata_from_plan(const struct vmb_plan *plan, struct vmb_metadata *ret)
{
	const struct vmb_facts *f = &plan->facts;
	_cleanup_metadata_ struct vmb_metadata m = {
		.accel = f->accel,
		.init_mode = plan->init_mode,
		.ephemeral = plan->ephemeral,
		.skip_kernel_headers = plan->skip_kernel_headers,
		.skip_guest_agent = plan->skip_guest_agent,
		.skip_module_signatures = plan->skip_module_signatures,
		.guest_agent = plan->guest_agent,
		.log_max_mib = (unsigned)plan->log_max_mib,
		.tsc_khz = f->accel == VMBOOT_ACCEL_TCG ? f->tsc_khz : 0,
	};
	int r;

	r = vmb_strdup(f->store, &m.store);
	if (r == 0)
		r = vmb_strdup(f->image.name, &m.image);
	if (r == 0)
		r = vmb_strdup(f->image.digest, &m.digest);
	if (r == 0)
		r = command_text(plan->command.args, &m.command);
	if (r == 0 && f->ports.n > 0)
		r = vmb_ports_text(&f->ports, &m.publish);
	if (r == 0)
		r = vmb_list_dup(vmb_list_const(plan->labels), &m.labels);
	if (r < 0)
		return r;
	*ret = m;
	m = (struct vmb_metadata){0};
	return 0;
}

/* The field's value in words; NULL: it is left out. */
static const char *value_text(const struct vmb_metadata *m, const struct field *field,
			      char number[16])
{
	switch (field->type) {
	case TEXT:
		return *CONST_MEMBER(char *, m, field);
	case FLAG:
		return *CONST_MEMBER(bool, m, field) ? "true" : "false";
	case CHOICE:
		return choices(field)[*CONST_MEMBER(unsigned, m, field)];
	case NUMBER:
		snprintf(number, 16, "%u", *CONST_MEMBER(unsigned, m, field));
		return strcmp(number, "0") == 0 ? NULL : number;
	case LIST:
		break;
	}
	return NULL;
}

static void add_node(xmlNodePtr vm, xmlNsPtr ns, const char *name, const char *text)
{
	xmlNodePtr node = vmb_xml_add(vm, name, text);

	if (node && ns)
		xmlSetNs(node, ns);
}

static void add_list(xmlNodePtr vm, xmlNsPtr ns, const struct field *field,
		     const struct vmb_metadata *m)
{
	for (char **text = *CONST_MEMBER(text_list, m, field); text && *text; text++)
		add_node(vm, ns, field->name, *text);
}

/* ns: NULL: none. */
static void add_fields(xmlNodePtr vm, xmlNsPtr ns, const struct vmb_metadata *m)
{
	const enum owner owner = m->probe ? OF_PROBE : OF_VM;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		char number[16];
		const char *text = value_text(m, &fields[i], number);

		if (!(fields[i].owner & owner))
			continue;
		if (text)
			add_node(vm, ns, fields[i].name, text);
		if (fields[i].type == LIST)
			add_list(vm, ns, &fields[i], m);
	}
}

void vmb_metadata_add(xmlNodePtr domain, const struct vmb_metadata *m)
{
	xmlNodePtr vm = vmb_xml_add(vmb_xml_add(domain, "metadata", NULL), "vm", NULL);
	xmlNsPtr ns;

	if (!vm)
		return;
	ns = xmlNewNs(vm, BAD_CAST VMB_DOMAIN_XMLNS, BAD_CAST VMB_DOMAIN_PREFIX);
	xmlSetNs(vm, ns);
	add_fields(vm, ns, m);
}

int vmb_metadata_xml(const struct vmb_metadata *m, char **ret)
{
	_cleanup_xml_ xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
	xmlNodePtr vm = doc ? xmlNewNode(NULL, BAD_CAST "vm") : NULL;

	if (vm) {
		xmlDocSetRootElement(doc, vm);
		add_fields(vm, NULL, m);
	}
	return vmb_xml_text(vm ? doc : NULL, ret);
}

int vmb_metadata_fill_info(const struct vmb_metadata *m, struct vmboot_info *info)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields) && r == 0; i++) {
		const struct field *field = &fields[i];
		void *member = (char *)info + field->info;
		char number[16];

		if (field->info == NOT_IN_INFO)
			continue;
		if (field->type == FLAG)
			*(bool *)member = *CONST_MEMBER(bool, m, field);
		else if (field->type == LIST)
			r = vmb_list_dup(vmb_list_const(*CONST_MEMBER(text_list, m, field)),
					 member);
		else
			r = vmb_strdup(value_text(m, field, number), member);
	}
	return r;
}

/* ---- from XML ---- */

/* The text of our child of that name, "" if there is none; points into the document. */
static const char *child_text(xmlNodePtr vm, const char *name)
{
	for (xmlNodePtr n = vm->children; n; n = n->next) {
		if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, name) != 0)
			continue;
		if (!n->children || n->children->type != XML_TEXT_NODE)
			break;
		return (const char *)n->children->content;
	}
	return "";
}

/* A word that this version does not know counts as the default, as one that is missing does. */
static unsigned choice_value(const char *const *words, const char *word)
{
	for (unsigned i = 0; words[i]; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return 0;
}

static int parse_list(xmlNodePtr vm, const char *name, char ***ret)
{
	int r = 0;

	for (xmlNodePtr n = vm->children; n && r == 0; n = n->next)
		if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0 &&
		    n->children && n->children->type == XML_TEXT_NODE)
			r = vmb_list_add(ret, (const char *)n->children->content);
	return r;
}

static int parse_field(struct vmb_metadata *m, const struct field *field, const char *text)
{
	uint64_t number = 0;

	switch (field->type) {
	case TEXT:
		return vmb_strdup(text, MEMBER(char *, m, field));
	case FLAG:
		*MEMBER(bool, m, field) = strcmp(text, "true") == 0;
		return 0;
	case CHOICE:
		*MEMBER(unsigned, m, field) = choice_value(choices(field), text);
		return 0;
	case NUMBER:
		if (vmb_parse_u64(text, &number) == 0 && number <= UINT_MAX)
			*MEMBER(unsigned, m, field) = (unsigned)number;
		return 0;
	case LIST:
		break;
	}
	return 0;
}

static int not_ours(void)
{
	return vmb_error(VMBOOT_ELIBVIRT, "the domain's metadata is not ours");
}

static int parse_fields(xmlNodePtr vm, struct vmb_metadata *ret)
{
	_cleanup_metadata_ struct vmb_metadata m = {0};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields) && r == 0; i++)
		r = fields[i].type == LIST
			    ? parse_list(vm, fields[i].name, MEMBER(char **, &m, &fields[i]))
			    : parse_field(&m, &fields[i], child_text(vm, fields[i].name));
	if (r == 0 && m.store[0] != '/')
		r = not_ours();
	if (r < 0)
		return r;
	if (m.init_mode == VMBOOT_INIT_AUTO)
		m.init_mode = VMBOOT_INIT_EXEC;
	if (m.log_max_mib == 0) /* 0.1 wrote none */
		m.log_max_mib = VMB_OPTS_LOG_MAX_MIB;
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
	return parse_fields(vm, ret);
}
