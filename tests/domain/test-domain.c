/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain.h"
#include "opts/opts.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <string.h>
#include <vmboot/vm.h>

#include "base/process.h"
#include "base/str.h"
#include "facts.h"
#include "test.h"

#define PLAIN .name = "my-instance", .image = "node:20"

static const char *xml_of(const struct vmb_plan *plan)
{
	_cleanup_free_ char *xml = NULL;

	ASSERT_OK(vmb_domain_xml(plan, &xml));
	return xml ? test_path("%s", xml) : "";
}

static const char *render(const struct vmboot_opts *opts, struct vmb_facts facts)
{
	_cleanup_plan_ struct vmb_plan plan = test_plan(opts, facts);

	return xml_of(&plan);
}

/* libvirt's own schema, if its tool is here. */
static void validate(const char *xml)
{
	const char *path = test_path("%s/domain.xml", test_tmpdir());
	const char *const argv[] = {"virt-xml-validate", path, "domain", NULL};
	_cleanup_free_ char *tool = vmb_find_tool(argv[0]);

	if (!tool) {
		test_not_tried("there is no %s", argv[0]);
		return;
	}
	test_write(path, xml);
	ASSERT_OK(vmb_run(argv, NULL));
}

static void check(const char *golden, const char *xml)
{
	test_golden(golden, xml);
	validate(xml);
}

static void tcg(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN);

	check("domain/tcg.xml", render(&o, test_facts()));
}

/* One that does not know the element would refuse the whole domain. */
static void an_old_libvirt(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN);
	struct vmb_facts f = test_facts();
	const char *xml;

	f.cpu_maximum = f.cpu_words = false;
	xml = render(&o, f);
	CU_ASSERT_PTR_NULL(strstr(xml, "qemu:"));
	CU_ASSERT_PTR_NULL(strstr(xml, "capabilit"));
	validate(xml);
}

static void kvm(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .vcpus = 4, .memory_mib = 4096);
	struct vmb_facts f = test_facts();

	f.accel = VMBOOT_ACCEL_KVM;
	test_facts_set(&f.machine, "q35");
	free(TAKE_PTR(f.firmware)); /* a host that has libvirt's usual one only */
	check("domain/kvm.xml", render(&o, f));
}

static void systemd(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .init_mode = VMBOOT_INIT_SYSTEMD);

	check("domain/systemd.xml", render(&o, test_facts()));
}

static void network(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .network = VMBOOT_NETWORK_USER);

	check("domain/network.xml", render(&o, test_facts()));
}

static void an_agent_of_the_images(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .guest_agent = VMBOOT_AGENT_IMAGE);

	check("domain/image-agent.xml", render(&o, test_facts()));
}

#define CHANNEL(name, state)                                                                       \
	"<channel type='unix'><source mode='bind'/><target type='virtio' name='" name              \
	"' state='" state "'/></channel>"
#define LIVE(devices) "<domain><devices><disk/>" devices "</devices></domain>"

/* As libvirt shows a domain that runs. */
static void whether_an_agent_is_there(void)
{
	static const struct {
		const char *xml;
		bool there;
	} rows[] = {
		{LIVE(CHANNEL("org.vmboot.stream.0", "connected")), false},
		{LIVE(CHANNEL("org.vmboot.stream.0", "connected")
			      CHANNEL("org.qemu.guest_agent.0", "disconnected")),
		 false},
		{LIVE(CHANNEL("org.vmboot.stream.0", "disconnected")
			      CHANNEL("org.qemu.guest_agent.0", "connected")),
		 true},
		{LIVE("<channel><target name='org.qemu.guest_agent.0'/></channel>"), false},
		{LIVE("<channel/>"), false},
		{"<domain/>", false},
	};
	bool there;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		there = !rows[i].there;
		ASSERT_OK(vmb_domain_agent_connected(rows[i].xml, &there));
		CU_ASSERT_EQUAL(there, rows[i].there);
	}
	ASSERT_ERROR(vmb_domain_agent_connected("<domain>", &there), VMBOOT_ELIBVIRT, "no XML");
}

static void whether_a_channel_is_there(void)
{
	const char *xml = LIVE(CHANNEL("org.qemu.guest_agent.0", "connected")
				       CHANNEL("org.vmboot.stream.0", "disconnected"));
	bool has = false;

	ASSERT_OK(vmb_domain_has_channel(xml, "org.vmboot.stream.0", &has));
	CU_ASSERT(has);
	ASSERT_OK(vmb_domain_has_channel(xml, "org.vmboot.stream.1", &has));
	CU_ASSERT_FALSE(has);
	has = true;
	ASSERT_OK(vmb_domain_has_channel("<domain/>", "org.vmboot.stream.0", &has));
	CU_ASSERT_FALSE(has);
	ASSERT_ERROR(vmb_domain_has_channel("<domain>", "", &has), VMBOOT_ELIBVIRT, "no XML");
}

static void debug(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .debug = true);

	check("domain/debug.xml", render(&o, test_facts()));
}

static void ephemeral_with_both_skips(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .ephemeral = true, .skip_guest_agent = true,
						 .skip_kernel_headers = true);

	check("domain/ephemeral.xml", render(&o, test_facts()));
}

/* We may not make files for libvirt's user: libvirt does, but not the shared root disk. */
static void libvirt_labels(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN);
	struct vmb_facts f = test_facts();

	f.dac_relabels = true;
	check("domain/dac-relabels.xml", render(&o, f));
}

static void we_label(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN);
	struct vmb_facts f = test_facts();

	f.dac_label = strdup("+64055:+64055");
	check("domain/dac-label.xml", render(&o, f));
}

#define ODD "/srv/a&b <c>\"d'é]]>"

static void odd_names_are_escaped(void)
{
	const struct vmboot_opts o =
		VMBOOT_OPTS(PLAIN, .kernel_args = "a=\"b\" c=<&> d='e' &amp; ]]>");
	struct vmb_facts f = test_facts();

	test_facts_set(&f.store, ODD);
	test_facts_set(&f.image.name, "a&b<c>\"d'");
	test_facts_set(&f.image.disk, ODD "/root");
	test_facts_set(&f.kernel_copy, ODD "/vmlinuz");
	test_facts_set(&f.initramfs, ODD "/cpio");
	check("domain/escapes.xml", render(&o, f));
}

static void a_probe(void)
{
	const struct vmb_probe probe = {
		.store = "/var/lib/vmboot",
		.name = "vmboot-probe-x1y2z3",
		.arch = vmb_arch_find("x86_64"),
		.machine = "pc",
		.kernel = "/var/lib/vmboot/kernels/k/vmlinuz",
		.initramfs = "/var/lib/vmboot/initramfs/i.cpio",
		.console = "/var/lib/vmboot/memo/p/console",
		.events = "/var/lib/vmboot/memo/p/events",
		.dac_label = "+0:+0",
		.accel = VMBOOT_ACCEL_KVM,
	};
	_cleanup_free_ char *xml = NULL;

	ASSERT_OK(vmb_domain_probe_xml(&probe, &xml));
	check("domain/probe.xml", xml);
}

/* A program may have set libxml2 up for itself: that neither changes the XML nor is changed. */
static void libxml2s_settings_do_not_matter(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN);
	const int was = xmlIndentTreeOutput;

	xmlIndentTreeOutput = 0;
	test_golden("domain/tcg.xml", render(&o, test_facts()));
	CU_ASSERT_EQUAL(xmlIndentTreeOutput, 0);
	xmlIndentTreeOutput = was;
}

static void what_is_not_utf8_is_refused(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN);
	struct vmb_facts f = test_facts();
	struct vmb_plan plan;
	char *xml = NULL;

	test_facts_set(&f.kernel_copy, "/srv/\xe9/vmlinuz");
	plan = test_plan(&o, f);
	ASSERT_ERROR(vmb_domain_xml(&plan, &xml), EILSEQ, "not UTF-8");
	CU_ASSERT_PTR_NULL(xml);
	vmb_plan_done(&plan);
}

/* ---- disks ---- */

/* How often the text has the words. */
static size_t count(const char *text, const char *words)
{
	size_t n = 0;

	for (; (text = strstr(text, words)); text++)
		n++;
	return n;
}

/* As many as there can be, with an address each, in the order of their letters. */
static void many_disks(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .network = VMBOOT_NETWORK_USER);
	const struct vmb_disk volume = {.serial = "vmboot-vol-1",
					.file = "/srv/v.img",
					.format = "qcow2",
					.fstype = "ext4",
					.point = "/v",
					.writable = true,
					.shared = true};
	struct vmb_facts f = test_facts();
	struct vmb_plan plan;
	const char *xml, *last = "";

	test_facts_set(&f.machine, "q35");
	f.dac_relabels = true;
	plan = test_plan(&o, f);
	while (plan.n_disks < VMB_CONFIG_DISKS_MAX)
		ASSERT_OK(vmb_plan_add_disk(&plan, &volume));
	xml = xml_of(&plan);
	validate(xml);
	CU_ASSERT_EQUAL(count(xml, "<disk "), VMB_CONFIG_DISKS_MAX);
	CU_ASSERT_EQUAL(count(xml, "type=\"qcow2\""), VMB_CONFIG_DISKS_MAX - 4);
	CU_ASSERT_EQUAL(count(xml, "multifunction=\"on\""), 9);
	for (unsigned slot = 2; slot <= 17; slot++)
		for (unsigned function = 0; function < 8; function++) {
			const char *address =
				test_path("slot=\"0x%02x\" function=\"0x%x\"", slot, function);
			size_t wanted = slot < 9 ? function == 0 : slot < 17 || function < 4;

			CU_ASSERT_EQUAL(count(xml, address), wanted);
			if (slot < 9 || !wanted)
				continue;
			CU_ASSERT(strstr(xml, address) > last);
			last = strstr(xml, address);
		}
	CU_ASSERT_EQUAL(count(xml, "relabel=\"no\""), VMB_CONFIG_DISKS_MAX - 2);
	vmb_plan_done(&plan);
}

/* ---- metadata ---- */

/* What libvirt gives back: our element, its namespace and prefixes taken off. */
static const char *metadata_of(const char *xml)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	_cleanup_free_ char *text = NULL;
	const char *start = strstr(xml, "<vmboot:vm "), *end = strstr(xml, "</vmboot:vm>");

	CU_ASSERT_FATAL(start && end);
	for (const char *p = start; p < end + strlen("</vmboot:vm>"); p++)
		if (vmb_skip_prefix(p, "vmboot:"))
			p += strlen("vmboot:") - 1;
		else if (vmb_skip_prefix(p, " xmlns:"))
			p = strchr(p, '>') - 1;
		else
			vmb_buf_add(&b, p, 1);
	ASSERT_OK(vmb_buf_take(&b, &text));
	return test_path("%s", text);
}

static void metadata_there_and_back(void)
{
	for (unsigned bits = 0; bits < 32; bits++) {
		const struct vmboot_opts o = VMBOOT_OPTS(
			PLAIN, .ephemeral = bits & 1, .skip_kernel_headers = bits & 2,
			.skip_guest_agent = bits & 4, .skip_module_signatures = bits & 16,
			.init_mode = bits & 8 ? VMBOOT_INIT_SYSTEMD : VMBOOT_INIT_EXEC,
			.guest_agent = bits & 4 ? VMBOOT_AGENT_VMBOOT : VMBOOT_AGENT_IMAGE,
			.log_max_mib = bits);
		_cleanup_metadata_ struct vmb_metadata m = {0};
		struct vmb_facts f = test_facts();
		const char *digest = test_path("%s", f.image.digest);

		test_facts_set(&f.store, ODD);
		f.accel = bits & 1 ? VMBOOT_ACCEL_KVM : VMBOOT_ACCEL_TCG;
		ASSERT_OK(vmb_metadata_parse(metadata_of(render(&o, f)), &m));
		ASSERT_STR(m.store, ODD);
		ASSERT_STR(m.image, "docker.io/library/node:20");
		ASSERT_STR(m.digest, digest);
		CU_ASSERT_EQUAL(m.accel, bits & 1 ? VMBOOT_ACCEL_KVM : VMBOOT_ACCEL_TCG);
		CU_ASSERT_EQUAL(m.ephemeral, (bits & 1) != 0);
		CU_ASSERT_EQUAL(m.skip_kernel_headers, (bits & 2) != 0);
		CU_ASSERT_EQUAL(m.skip_guest_agent, (bits & 4) != 0);
		CU_ASSERT_EQUAL(m.skip_module_signatures, (bits & 16) != 0);
		CU_ASSERT_EQUAL(m.init_mode, bits & 8 ? VMBOOT_INIT_SYSTEMD : VMBOOT_INIT_EXEC);
		CU_ASSERT_EQUAL(m.guest_agent, bits & 4 ? VMBOOT_AGENT_VMBOOT : VMBOOT_AGENT_IMAGE);
		CU_ASSERT_EQUAL(m.log_max_mib, bits ? bits : 64);
		CU_ASSERT_FALSE(m.probe);
	}
}

/* Any text, and one of each key; as many as a request may have. */
static void labels_there_and_back(void)
{
	static const char *const given[] = {"a=1", "b=<&>\"'=", "a=2", "c=", NULL};
	static const char *const kept[] = {"a=2", "b=<&>\"'=", "c="};
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .label = given);
	const char *many[65] = {0};
	const struct vmboot_opts full = VMBOOT_OPTS(PLAIN, .label = many);
	_cleanup_metadata_ struct vmb_metadata m = {0}, all = {0};

	ASSERT_OK(vmb_metadata_parse(metadata_of(render(&o, test_facts())), &m));
	CU_ASSERT_EQUAL_FATAL(vmb_list_len(vmb_list_const(m.labels)), 3);
	for (size_t i = 0; i < 3; i++)
		ASSERT_STR(m.labels[i], kept[i]);
	for (int i = 0; i < 64; i++) {
		char *value = test_alloc(1021);

		memset(value, '&', 1020);
		many[i] = test_path("%02d=%s", i, value);
	}
	ASSERT_OK(vmb_metadata_parse(metadata_of(render(&full, test_facts())), &all));
	CU_ASSERT_EQUAL(vmb_list_len(vmb_list_const(all.labels)), 64);
}

/* What vmboot_create() keeps in its handle is what vmboot_open() would read. */
static void metadata_of_the_plan_and_of_its_xml(void)
{
	for (unsigned bits = 0; bits < 32; bits++) {
		const struct vmboot_opts o = VMBOOT_OPTS(
			PLAIN, .ephemeral = bits & 1, .skip_kernel_headers = bits & 2,
			.skip_guest_agent = bits & 4, .skip_module_signatures = bits & 8,
			.init_mode = bits & 16 ? VMBOOT_INIT_SYSTEMD : VMBOOT_INIT_EXEC,
			.guest_agent = bits & 4 ? VMBOOT_AGENT_VMBOOT : VMBOOT_AGENT_IMAGE,
			.log_max_mib = bits);
		_cleanup_plan_ struct vmb_plan plan = test_plan(&o, test_facts());
		_cleanup_metadata_ struct vmb_metadata a = {0}, b = {0};

		ASSERT_OK(vmb_metadata_from_plan(&plan, &a));
		ASSERT_OK(vmb_metadata_parse(metadata_of(xml_of(&plan)), &b));
		ASSERT_STR(a.store, b.store);
		ASSERT_STR(a.image, b.image);
		ASSERT_STR(a.digest, b.digest);
		CU_ASSERT(a.accel == b.accel && a.init_mode == b.init_mode);
		CU_ASSERT(a.guest_agent == b.guest_agent && a.ephemeral == b.ephemeral);
		CU_ASSERT(a.skip_kernel_headers == b.skip_kernel_headers);
		CU_ASSERT(a.skip_guest_agent == b.skip_guest_agent);
		CU_ASSERT(a.skip_module_signatures == b.skip_module_signatures);
		CU_ASSERT_EQUAL(a.log_max_mib, b.log_max_mib);
		CU_ASSERT(a.tsc_khz == 2600000 && b.tsc_khz == 2600000);
		CU_ASSERT(!a.probe && !b.probe);
	}
}

/* XML has no place for U+FFFF, nor for most control characters. */
static void the_command_is_plain_and_short(void)
{
	static const char *const args[] = {"sh", "-c", "a\nb\x1b[2J\xef\xbf\xbf", NULL};
	static char long_arg[200];
	const char *const long_args[] = {"x", long_arg, "y", NULL};
	const struct vmboot_opts o = VMBOOT_OPTS(PLAIN, .entrypoint = args);
	const struct vmboot_opts longer = VMBOOT_OPTS(PLAIN, .entrypoint = long_args);
	_cleanup_plan_ struct vmb_plan plan = test_plan(&o, test_facts());
	_cleanup_plan_ struct vmb_plan long_plan = {0};
	_cleanup_metadata_ struct vmb_metadata m = {0}, again = {0}, cut = {0};

	ASSERT_OK(vmb_metadata_from_plan(&plan, &m));
	ASSERT_STR(m.command, "sh -c a b?[2J???");
	ASSERT_OK(vmb_metadata_parse(metadata_of(xml_of(&plan)), &again));
	ASSERT_STR(again.command, m.command);
	memset(long_arg, 'a', sizeof(long_arg) - 1);
	long_plan = test_plan(&longer, test_facts());
	ASSERT_OK(vmb_metadata_from_plan(&long_plan, &cut));
	CU_ASSERT_EQUAL(strlen(cut.command), 96);
	ASSERT_STR(cut.command + 93, "...");
}

static void metadata_fills_an_info(void)
{
	_cleanup_metadata_ struct vmb_metadata m = {0};
	struct vmboot_info info = {0};

	ASSERT_OK(vmb_metadata_parse("<vm><store>/s</store><image>i</image><digest>d</digest>"
				     "<accel>kvm</accel><ephemeral>true</ephemeral>"
				     "<skip_module_signatures>true</skip_module_signatures>"
				     "<command>sh -c</command></vm>",
				     &m));
	ASSERT_OK(vmb_metadata_fill_info(&m, &info));
	ASSERT_STR(info.image, "i");
	ASSERT_STR(info.digest, "d");
	ASSERT_STR(info.accel, "kvm");
	ASSERT_STR(info.command, "sh -c");
	CU_ASSERT(info.ephemeral && info.skip_module_signatures);
	CU_ASSERT(!info.skip_kernel_headers && !info.skip_guest_agent);
	free((char *)info.image);
	free((char *)info.digest);
	free((char *)info.accel);
	free((char *)info.command);
}

/* An older or a newer library wrote it. */
static void metadata_of_another_version(void)
{
	_cleanup_metadata_ struct vmb_metadata m = {0};

	ASSERT_OK(vmb_metadata_parse("<vm><store>/s</store><init_mode>other</init_mode>"
				     "<guest_agent>other</guest_agent><tsc_khz>-1</tsc_khz>"
				     "<log_max_mib>0x</log_max_mib></vm>",
				     &m));
	CU_ASSERT_EQUAL(m.init_mode, VMBOOT_INIT_EXEC);
	CU_ASSERT_EQUAL(m.guest_agent, VMBOOT_AGENT_VMBOOT);
	CU_ASSERT_EQUAL(m.accel, VMBOOT_ACCEL_AUTO);
	CU_ASSERT_EQUAL(m.tsc_khz, 0);
	CU_ASSERT_EQUAL(m.log_max_mib, 64);
	ASSERT_STR(m.image, "");
}

static void metadata_of_a_probe(void)
{
	const struct vmb_probe probe = {
		.arch = vmb_arch_find("x86_64"), .store = "/s", .name = "p", .machine = "pc"};
	_cleanup_metadata_ struct vmb_metadata m = {0};
	_cleanup_free_ char *xml = NULL;

	ASSERT_OK(vmb_domain_probe_xml(&probe, &xml));
	ASSERT_OK(vmb_metadata_parse(metadata_of(xml), &m));
	CU_ASSERT_TRUE(m.probe);
	ASSERT_STR(m.store, "/s");
	ASSERT_STR(m.image, "");
}

static void metadata_with_its_namespace(void)
{
	_cleanup_metadata_ struct vmb_metadata m = {0};

	ASSERT_OK(vmb_metadata_parse("<v:vm xmlns:v='" VMB_DOMAIN_XMLNS "'><v:store>/s</v:store>"
				     "<v:more/></v:vm>",
				     &m));
	ASSERT_STR(m.store, "/s");
}

#define LAUGHS                                                                                     \
	"<!DOCTYPE vm [<!ENTITY a '/aaaaaaaaaa'>"                                                  \
	"<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>" \
	"<!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'><!ENTITY e '&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;'>" \
	"<!ENTITY f '&e;&e;&e;&e;&e;&e;&e;&e;&e;&e;'><!ENTITY g '&f;&f;&f;&f;&f;&f;&f;&f;&f;&f;'>" \
	"]>"

static void metadata_that_is_not_ours(void)
{
	static const char *const rows[] = {
		"",
		" ",
		"vm",
		"<vm>",
		"<vm></vm><vm></vm>",
		"<vm><store>/s</vm>",
		"<vm/>",
		"<vm><store/></vm>",
		"<vm><store>s</store></vm>",
		"<vm><stores>/s</stores></vm>",
		"<vm><a><store>/s</store></a></vm>",
		"<vm><store><!-- /s --></store></vm>",
		"<vm><store><b>/s</b></store></vm>",
		"<domain><store>/s</store></domain>",
		"<VM><store>/s</store></VM>",
		"<vm><store>/\xff</store></vm>",
		"<vm><store>/&nothing;</store></vm>",
		"<!DOCTYPE vm [<!ENTITY s '/s'>]><vm><store>&s;</store></vm>",
		"<!DOCTYPE vm [<!ENTITY s SYSTEM "
		"'file:///etc/passwd'>]><vm><store>&s;</store></vm>",
		"<!DOCTYPE vm SYSTEM 'http://127.0.0.1:9/x'><vm><store>/s</store></vm>",
		LAUGHS "<vm><store>/&g;</store></vm>",
		LAUGHS "<vm store='&g;'><store>/s</store></vm>",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vmb_metadata m = {0};

		ASSERT_ERROR(vmb_metadata_parse(rows[i], &m), VMBOOT_ELIBVIRT,
			     "the domain's metadata is not ours");
		if (m.store)
			fprintf(stderr, "taken: %s\n", rows[i]);
		CU_ASSERT_PTR_NULL(m.store);
	}
}

/* <vm><store>/s</store>…</vm> of n bytes in all. */
static const char *metadata_of_size(size_t n)
{
	static const char head[] = "<vm><store>/s</store><image>", tail[] = "</image></vm>";
	char *text = test_alloc(n + 1);

	memset(text, 'x', n);
	memcpy(text, head, strlen(head));
	memcpy(text + n - strlen(tail), tail, strlen(tail));
	return text;
}

static void metadata_has_a_bound(void)
{
	enum { BOUND = 65536 + 8 * VMB_OPTS_LABELS_MAX };
	_cleanup_metadata_ struct vmb_metadata m = {0};
	struct vmb_metadata none = {0};

	ASSERT_OK(vmb_metadata_parse(metadata_of_size(BOUND), &m));
	CU_ASSERT(strlen(m.image) > 65000);
	ASSERT_ERROR(vmb_metadata_parse(metadata_of_size(BOUND + 1), &none), VMBOOT_ELIBVIRT,
		     "not ours");
	CU_ASSERT_PTR_NULL(none.store);
}

/* libvirt's answer to what it was given; NULL: it was left alone */
static const char *with_tsc(const char *xml, unsigned khz)
{
	_cleanup_free_ char *changed = NULL;
	int r = vmb_domain_set_tsc(xml, khz, &changed);

	CU_ASSERT_EQUAL(r, changed != NULL);
	return changed ? test_path("%s", changed) : NULL;
}

static void the_counters_frequency_is_the_hosts(void)
{
	const struct vmboot_opts o =
		VMBOOT_OPTS(PLAIN, .kernel_args = "xtsc_early_khz=2600000 tsc_early_khz=2600000");
	struct vmb_facts facts = test_facts();
	const char *before, *after, *without;
	char *ret;

	before = render(&o, test_facts());
	CU_ASSERT_PTR_NULL(with_tsc(before, 2600000));
	after = with_tsc(before, 3100010);
	CU_ASSERT_PTR_NOT_NULL_FATAL(after);
	validate(after);
	CU_ASSERT_PTR_NOT_NULL(strstr(after, " quiet tsc_early_khz=3100010 xtsc_early_khz=2600000 "
					     "tsc_early_khz=2600000</cmdline>"));
	CU_ASSERT_STRING_EQUAL(with_tsc(after, 2600000), before);
	/* not known any more: the guest finds it out, and the user's word is not taken for ours */
	without = with_tsc(after, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(without);
	CU_ASSERT_PTR_NOT_NULL(strstr(without, " quiet xtsc_early_khz=2600000 "
					       "tsc_early_khz=2600000</cmdline>"));
	CU_ASSERT_PTR_NULL(with_tsc(without, 3100010));
	facts.accel = VMBOOT_ACCEL_KVM;
	CU_ASSERT_PTR_NULL(with_tsc(render(&o, facts), 3100010));
	ASSERT_ERROR(vmb_domain_set_tsc("<domain>", 1, &ret), VMBOOT_ELIBVIRT, "no XML");
}

TEST_MAIN("domain/domain", {"TCG", tcg}, {"KVM", kvm},
	  {"the counter's frequency is the host's", the_counters_frequency_is_the_hosts},
	  {"an old libvirt", an_old_libvirt}, {"systemd", systemd}, {"network", network},
	  {"an agent of the image's", an_agent_of_the_images},
	  {"whether an agent is there", whether_an_agent_is_there},
	  {"whether a channel is there", whether_a_channel_is_there}, {"debug", debug},
	  {"ephemeral, with both skips", ephemeral_with_both_skips},
	  {"libvirt labels", libvirt_labels}, {"we label", we_label},
	  {"odd names are escaped", odd_names_are_escaped}, {"a probe", a_probe},
	  {"libxml2's settings do not matter", libxml2s_settings_do_not_matter},
	  {"what is not UTF-8 is refused", what_is_not_utf8_is_refused}, {"many disks", many_disks},
	  {"metadata there and back", metadata_there_and_back},
	  {"labels there and back", labels_there_and_back},
	  {"metadata of the plan and of its XML", metadata_of_the_plan_and_of_its_xml},
	  {"the command is plain and short", the_command_is_plain_and_short},
	  {"metadata fills an info", metadata_fills_an_info},
	  {"metadata of another version", metadata_of_another_version},
	  {"metadata of a probe", metadata_of_a_probe},
	  {"metadata with its namespace", metadata_with_its_namespace},
	  {"metadata that is not ours", metadata_that_is_not_ours},
	  {"metadata has a bound", metadata_has_a_bound})
