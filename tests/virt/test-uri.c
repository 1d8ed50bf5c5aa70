/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which libvirt is on this host, and that no VM is made at another. */
#include "virt/uri.h"

#include <libvirt/libvirt.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <vmboot/vm.h>

#include "test.h"
#include "virt/connect.h"

#define N(list) (sizeof(list) / sizeof((list)[0]))

/* What a connection says of itself. */
static const char *claimed_uri, *claimed_host;

char *virConnectGetURI(virConnectPtr c)
{
	(void)c;
	return strdup(claimed_uri);
}

char *virConnectGetHostname(virConnectPtr c)
{
	(void)c;
	return strdup(claimed_host);
}

static const char *own_name(void)
{
	static struct utsname host;

	CU_ASSERT_FATAL(uname(&host) == 0);
	return host.nodename;
}

static void the_server_decides(void)
{
	const struct {
		const char *uri;
		enum vmb_uri_place place;
	} rows[] = {
		{"qemu:///system", VMB_URI_HERE},
		{"qemu+unix:///session", VMB_URI_HERE},
		{"qemu+unix:///system?socket=/run/x/libvirt-sock", VMB_URI_HERE},
		{"qemu:///embed?root=/x", VMB_URI_HERE},
		{"test:///default", VMB_URI_HERE},
		{"qemu+ssh://root@far/system", VMB_URI_ELSEWHERE},
		{"qemu+ssh://root@far.example:22/system", VMB_URI_ELSEWHERE},
		{"qemu://far/system", VMB_URI_ELSEWHERE},
		{"qemu+tcp://192.0.2.1:16509/system", VMB_URI_ELSEWHERE},
		{"qemu+tcp://[2001:db8::1]/system", VMB_URI_ELSEWHERE},
		{"qemu+tcp://127.0.0.1:16509/system", VMB_URI_UNSURE},
		{"qemu+tcp://[::1]/system", VMB_URI_UNSURE},
		{"qemu+ssh://root@localhost/system", VMB_URI_UNSURE},
		{test_path("qemu+ssh://%s/system", own_name()), VMB_URI_UNSURE},
		{"the connection that was lent", VMB_URI_UNSURE},
	};

	for (size_t i = 0; i < N(rows); i++)
		if (vmb_uri_place(rows[i].uri) != rows[i].place)
			CU_FAIL(rows[i].uri);
}

static void a_name_may_have_a_domain(void)
{
	CU_ASSERT(vmb_uri_is_own_name(own_name()));
	CU_ASSERT(vmb_uri_is_own_name(
		strchr(own_name(), '.') ? own_name() : test_path("%s.example", own_name())));
	CU_ASSERT_FALSE(vmb_uri_is_own_name(test_path("%sx", own_name())));
	CU_ASSERT_FALSE(vmb_uri_is_own_name(""));
}

static void no_vm_is_made_elsewhere(void)
{
	const char *store = test_path("%s/store", test_tmpdir());
	const struct vmboot_opts opts = VMBOOT_OPTS(.name = "far", .image = "node:20",
						    .uri = "qemu+ssh://far/system", .store = store);
	char *text = NULL;
	struct vmboot_vm *vm;
	struct stat st;

	ASSERT_ERROR(vmboot_create(&opts, &vm), VMBOOT_EOPTS, "the libvirt of another host");
	ASSERT_STR(vmboot_last_error()->field, "uri");
	ASSERT_ERROR(vmboot_prepare(&opts, &vm, &text), VMBOOT_EOPTS, "create and start it there");
	ASSERT_ERROR(vmboot_plan(&opts, &text), VMBOOT_EOPTS, "another host");
	CU_ASSERT(lstat(store, &st) < 0);
}

/* As through a tunnel: the URI names this host, and libvirt another. */
static void libvirts_own_name_counts(void)
{
	const struct vmb_store store = {0};
	virConnectPtr c = virConnectOpen("test:///default");
	const struct vmboot_opts opts = VMBOOT_OPTS(.connection = c);
	struct vmb_conn *conn;

	CU_ASSERT_FATAL(c != NULL);
	claimed_uri = "qemu+tcp://localhost/system";
	ASSERT_OK(vmb_conn_check_uri(&opts));
	ASSERT_OK(vmb_conn_open(&opts, &store, &conn));
	claimed_host = "far.example";
	ASSERT_ERROR(vmb_conn_check_here(conn), VMBOOT_EOPTS, "another host");
	claimed_host = own_name();
	ASSERT_OK(vmb_conn_check_here(conn));
	vmb_conn_unref(conn);
	claimed_uri = "qemu+tcp://far/system";
	ASSERT_ERROR(vmb_conn_check_uri(&opts), VMBOOT_EOPTS, "qemu+tcp://far/system");
	virConnectClose(c);
}

TEST_MAIN("virt/uri", {"the server decides", the_server_decides},
	  {"a name may have a domain", a_name_may_have_a_domain},
	  {"no VM is made elsewhere", no_vm_is_made_elsewhere},
	  {"libvirt's own name counts", libvirts_own_name_counts})
