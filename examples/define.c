/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For an orchestrator that defines its domains itself: define URI IMAGE.
 *
 * vmboot_plan() and vmboot_render_xml() only tell; vmboot_prepare() makes the files that the XML
 * names. The orchestrator adds what it likes to the XML, here a title, and defines and starts the
 * domain itself. Then it is a VM as any other.
 */
#include <libvirt/libvirt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

#define TITLE "  <title>defined by an orchestrator</title>\n"

/* A real one would parse it; libvirt takes the elements in any order. */
static char *with_title(const char *xml)
{
	const char *name_end = strstr(xml, "</name>\n") + strlen("</name>\n");
	char *mine = malloc(strlen(xml) + sizeof(TITLE));

	if (mine)
		sprintf(mine, "%.*s%s%s", (int)(name_end - xml), xml, TITLE, name_end);
	return mine;
}

static int start(virConnectPtr conn, const char *xml)
{
	char *mine = with_title(xml);
	virDomainPtr domain = mine ? virDomainDefineXML(conn, mine) : NULL;
	int r = domain ? virDomainCreate(domain) : -1;

	if (domain) {
		char *title = virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_TITLE, NULL, 0);

		printf("title: %s\n", title ? title : "none");
		free(title);
		virDomainFree(domain);
	}
	free(mine);
	return r;
}

static int said(void)
{
	fprintf(stderr, "%s\n", vmboot_last_error()->message);
	return 1;
}

static int run(const struct vmboot_opts *opts)
{
	struct vmboot_vm *vm;
	char *plan, *xml;
	int r;

	/* nothing is made by these two, so that one can look, compare or refuse */
	if (vmboot_plan(opts, &plan) < 0)
		return said();
	printf("the plan has %zu bytes\n", strlen(plan));
	vmboot_free(plan);

	if (vmboot_prepare(opts, &vm, &xml) < 0)
		return said();
	r = start(opts->connection, xml) < 0; /* libvirt has said why */
	vmboot_free(xml);
	if (r == 0 && vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, 120000) < 0)
		r = said();
	if (r == 0)
		printf("%s runs\n", vmboot_name(vm));
	if (vmboot_destroy(vm) < 0)
		r = said();
	vmboot_close(vm);
	return r;
}

int main(int argc, char **argv)
{
	struct vmboot_opts opts = VMBOOT_OPTS(.name = "defined");
	struct vmboot_info **infos;
	int r;

	if (argc < 3)
		return 2;
	/* a libvirt in this process needs an event loop: the library brings one with this call */
	opts.uri = argv[1];
	if (vmboot_list(&opts, &infos) < 0)
		return said();
	vmboot_list_free(infos);
	opts.image = argv[2];
	opts.connection = virConnectOpen(argv[1]);
	if (!opts.connection)
		return 1;
	r = run(&opts);
	virConnectClose(opts.connection);
	fflush(stdout);
	_exit(r);
}
