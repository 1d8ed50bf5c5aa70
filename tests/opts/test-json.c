/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "opts/opts.h"
#include "test.h"

VMB_DEFINE_CLEANUP(opts_freep, struct vmboot_opts *, vmboot_opts_free)
#define _cleanup_opts_ vmb_cleanup(opts_freep)

static void the_request_as_it_was_from_the_start(void)
{
	static const char request[] = "{\"name\": \"my-instance\", \"image\": \"node:20\", "
				      "\"skip_kernel_headers\": true, \"skip_guest_agent\": false}";
	_cleanup_opts_ struct vmboot_opts *o = NULL;

	ASSERT_OK(vmboot_opts_from_json(request, &o));
	CU_ASSERT_EQUAL(o->size, sizeof(*o));
	ASSERT_STR(o->name, "my-instance");
	ASSERT_STR(o->image, "node:20");
	CU_ASSERT_TRUE(o->skip_kernel_headers);
	CU_ASSERT_FALSE(o->skip_guest_agent);
	CU_ASSERT(!o->entrypoint && !o->cmd && !o->env && !o->workdir && !o->user && !o->kernel);
	CU_ASSERT(o->vcpus == 0 && o->memory_mib == 0 && o->overlay_mib == 0);
	ASSERT_OK(vmboot_opts_check(o));
}

/* json-c's versions lay out empty lists and objects in different ways. */
static void assert_json(const char *actual, const char *expected)
{
	_cleanup_json_ struct json_object *a = json_tokener_parse(actual);
	_cleanup_json_ struct json_object *e = json_tokener_parse(expected);

	CU_ASSERT(a && e && json_object_equal(a, e));
}

/* Every field, none at its default. */
static const char everything[] =
	"{\n"
	"  \"name\": \"a0-z\",\n"
	"  \"image\": \"oci:/srv/web:1\",\n"
	"  \"skip_kernel_headers\": true,\n"
	"  \"skip_guest_agent\": true,\n"
	"  \"vcpus\": 255,\n"
	"  \"memory_mib\": 64,\n"
	"  \"overlay_mib\": 16777216,\n"
	"  \"entrypoint\": [],\n"
	"  \"cmd\": [\n    \"\",\n    \"a\\nb\",\n    \"\\\"é\\\"\"\n  ],\n"
	"  \"env\": [\n    \"A=\",\n    \"B=c=d\"\n  ],\n"
	"  \"workdir\": \"/srv/a b\",\n"
	"  \"user\": \"1000:www\",\n"
	"  \"init_mode\": \"systemd\",\n"
	"  \"on_exit\": \"poweroff\",\n"
	"  \"accel\": \"tcg\",\n"
	"  \"kernel\": \"/boot/vmlinuz\",\n"
	"  \"kernel_args\": \"quiet x=\\\"y\\\"\",\n"
	"  \"uri\": \"qemu:///session\",\n"
	"  \"store\": \"var/store\",\n"
	"  \"network\": \"user\",\n"
	"  \"ephemeral\": true,\n"
	"  \"debug\": true,\n"
	"  \"guest_agent\": \"image\",\n"
	"  \"kernel_headers\": \"/srv/kernel-headers.tar.gz\",\n"
	"  \"kernel_start\": \"bzimage\",\n"
	"  \"skip_module_signatures\": true,\n"
	"  \"timeout_ms\": 1,\n"
	"  \"hostname\": \"www.example.org\",\n"
	"  \"log_max_mib\": 1048576,\n"
	"  \"shm_size\": \"64m\",\n"
	"  \"tmpfs\": [\n    \"/cache:size=1g,noexec\"\n  ],\n"
	"  \"sysctl\": [\n    \"net.core.somaxconn=1024\"\n  ],\n"
	"  \"ulimit\": [\n    \"nofile=64:128\"\n  ],\n"
	"  \"ttl\": \"1h30m\",\n"
	"  \"restart\": \"on-failure:3\",\n"
	"  \"health_cmd\": \"test -e /ok\",\n"
	"  \"health_interval\": \"5s\",\n"
	"  \"health_timeout\": \"500ms\",\n"
	"  \"health_start_period\": \"0\",\n"
	"  \"health_retries\": 2,\n"
	"  \"read_only\": true,\n"
	"  \"publish\": [\n    \"127.0.0.1:8080:80\",\n    \"53/udp\"\n  ],\n"
	"  \"platform\": \"linux/arm64\",\n"
	"  \"authfile\": \"auth.json\",\n"
	"  \"creds\": \"user:password\",\n"
	"  \"cert_dir\": \"certs\",\n"
	"  \"pull\": \"newer\",\n"
	"  \"tls_verify\": \"false\",\n"
	"  \"label\": [\n"
	"    \"team=a&b\",\n"
	"    \"x=\"\n"
	"  ]\n"
	"}\n";

static void there_and_back(void)
{
	_cleanup_opts_ struct vmboot_opts *o = NULL;
	_cleanup_free_ char *again = NULL;
	size_t n;
	const struct vmb_field *f = vmb_fields(&n);

	for (size_t i = 0; i < n; i++) /* a new row has to be added above */
		CU_ASSERT_PTR_NOT_NULL(strstr(everything, test_path("  \"%s\":", f[i].pub.name)));
	ASSERT_OK(vmboot_opts_from_json(everything, &o));
	CU_ASSERT_EQUAL(vmb_list_len(o->entrypoint), 0);
	CU_ASSERT_PTR_NOT_NULL(o->entrypoint);
	CU_ASSERT_EQUAL_FATAL(vmb_list_len(o->cmd), 3);
	ASSERT_STR(o->cmd[1], "a\nb");
	CU_ASSERT_EQUAL(o->overlay_mib, 16777216);
	CU_ASSERT_EQUAL(o->init_mode, VMBOOT_INIT_SYSTEMD);
	ASSERT_OK(vmboot_opts_to_json(o, &again));
	assert_json(again, everything);
}

static void defaults_are_left_out(void)
{
	static const char request[] = "{\"name\": null, \"vcpus\": 1, \"memory_mib\": 512, "
				      "\"overlay_mib\": 10240, \"init_mode\": \"auto\", "
				      "\"on_exit\": \"keep\", \"debug\": false, \"cmd\": null}";
	_cleanup_opts_ struct vmboot_opts *o = NULL;
	_cleanup_free_ char *json = NULL, *none = NULL;

	ASSERT_OK(vmboot_opts_from_json(request, &o));
	ASSERT_OK(vmboot_opts_to_json(o, &json));
	assert_json(json, "{}");
	ASSERT_OK(vmboot_opts_to_json(NULL, &none));
	assert_json(none, "{}");
}

static void to_json_checks_first(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(.workdir = "srv");
	char *json = NULL;

	ASSERT_ERROR(vmboot_opts_to_json(&o, &json), VMBOOT_EOPTS, "workdir: \"srv\" is not");
	CU_ASSERT_PTR_NULL(json);
}

#define NAME64 "a234567890123456789012345678901234567890123456789012345678901234"
#define NAME128 NAME64 NAME64

static const struct {
	const char *request, *field, *words;
} refused[] = {
	/* unknown */
	{"{\"nmae\": \"a\"}", "nmae", "unknown field \"nmae\""},
	{"{\"Name\": \"a\"}", "Name", "unknown field \"Name\""},
	{"{\"connection\": null}", "connection", "unknown field"},
	{"{\"\": 1}", "", "unknown field \"\""},
	{"{\"a\\u001b[2Jb\": 1}", "a\033[2Jb", "unknown field \"ab\""},
	/* types */
	{"{\"name\": 1}", "name", "name: 1 is not acceptable: it must be a string: 1 to 128 of"},
	{"{\"image\": [\"a\"]}", "image", "image: [\"a\"] is not"},
	{"{\"image\": {}}", "image", "image: {} is not"},
	{"{\"debug\": \"true\"}", "debug", "debug: \"true\" is not acceptable: it must be true"},
	{"{\"debug\": 1}", "debug", "debug: 1 is not"},
	{"{\"vcpus\": \"1\"}", "vcpus", "vcpus: \"1\" is not acceptable: it must be a number"},
	{"{\"vcpus\": 1.0}", "vcpus", "vcpus: 1.0 is not"},
	{"{\"vcpus\": 1e1}", "vcpus", "vcpus: 1e1 is not"},
	{"{\"vcpus\": true}", "vcpus", "vcpus: true is not"},
	{"{\"init_mode\": 1}", "init_mode",
	 "init_mode: 1 is not acceptable: it must be a string: auto"},
	{"{\"cmd\": \"ls\"}", "cmd", "cmd: \"ls\" is not acceptable: it must be a list"},
	{"{\"cmd\": [\"ls\", 1]}", "cmd", "is not acceptable: it must be a list"},
	{"{\"cmd\": [null]}", "cmd", "cmd: [null] is not"},
	{"{\"cmd\": [[\"ls\"]]}", "cmd", "is not acceptable"},
	{"{\"env\": {\"A\": \"b\"}}", "env", "is not acceptable"},
	/* numbers */
	{"{\"vcpus\": 0}", "vcpus", "vcpus: \"0\" is not acceptable: it must be a number from 1"},
	{"{\"vcpus\": 256}", "vcpus", "vcpus: \"256\" is not"},
	{"{\"vcpus\": -1}", "vcpus", "vcpus: -1 is not"},
	{"{\"vcpus\": 99999999999999999999}", "vcpus", "is not acceptable"},
	{"{\"vcpus\": -99999999999999999999}", "vcpus", "is not acceptable"},
	{"{\"memory_mib\": 63}", "memory_mib", "memory_mib: \"63\" is not"},
	{"{\"overlay_mib\": 16777217}", "overlay_mib", "overlay_mib: \"16777217\" is not"},
	/* choices */
	{"{\"on_exit\": \"halt\"}", "on_exit",
	 "on_exit: \"halt\" is not acceptable: it must be keep"},
	{"{\"accel\": \"KVM\"}", "accel", "accel: \"KVM\" is not"},
	{"{\"accel\": \"\"}", "accel", "accel: \"\" is not"},
	/* names */
	{"{\"name\": \"\"}", "name", "name: \"\" is not acceptable: it must be 1 to 128 of A-Z"},
	{"{\"name\": \"-a\"}", "name", "name: \"-a\" is not"},
	{"{\"name\": \"-\"}", "name", "name: \"-\" is not"},
	{"{\"name\": \".a\"}", "name", "name: \".a\" is not"},
	{"{\"name\": \"_a\"}", "name", "name: \"_a\" is not"},
	{"{\"name\": \"a.tmp-b\"}", "name", "name: \"a.tmp-b\" is not"},
	{"{\"shm_size\": \"0\"}", "shm_size", "shm_size: \"0\" is not"},
	{"{\"tmpfs\": [\"/x\", \"y\"]}", "tmpfs", "tmpfs: \"y\" is not"},
	{"{\"tmpfs\": [\"/x:size=1\\u0000\"]}", "tmpfs", "is not"},
	{"{\"sysctl\": [\"a=\"]}", "sysctl", "sysctl: \"a=\" is not"},
	{"{\"ulimit\": [\"files=1\"]}", "ulimit", "ulimit: \"files=1\" is not"},
	{"{\"ttl\": \"0\"}", "ttl", "ttl: \"0\" is not"},
	{"{\"restart\": \"on-failure:0\"}", "restart",
	 "must be no, on-failure, on-failure:N or always"},
	{"{\"ttl\": 5}", "ttl", "ttl: 5 is not acceptable: it must be a string"},
	{"{\"hostname\": \"a_b\"}", "hostname", "hostname: \"a_b\" is not"},
	{"{\"hostname\": \"a..b\"}", "hostname", "hostname: \"a..b\" is not"},
	{"{\"hostname\": \"-a\"}", "hostname", "hostname: \"-a\" is not"},
	{"{\"hostname\": \"a.b-\"}", "hostname", "hostname: \"a.b-\" is not"},
	{"{\"hostname\": \"" NAME64 "\"}", "hostname", "is not acceptable"},
	{"{\"name\": \"a/b\"}", "name", "name: \"a/b\" is not"},
	{"{\"name\": \"a b\"}", "name", "name: \"a b\" is not"},
	{"{\"name\": \"a\\n\"}", "name", "name: \"a?\" is not"},
	{"{\"name\": \"\xc3\xa9\"}", "name", "name: \"\xc3\xa9\" is not"},
	{"{\"name\": \"" NAME128 "4\"}", "name", "is not acceptable"},
	{"{\"name\": \"a\\u0000b\"}", "name", "is not acceptable"},
	/* other text */
	{"{\"image\": \"\"}", "image", "image: \"\" is not"},
	{"{\"image\": \"a\\u0000\"}", "image", "is not acceptable"},
	{"{\"image\": \"a\\u001b[31m\"}", "image", "image: \"a\" is not"},
	{"{\"image\": \"a\\u0085\"}", "image", "is not acceptable"},
	{"{\"cmd\": [\"a\\u0000b\"]}", "cmd", "is not acceptable"},
	{"{\"env\": [\"A\"]}", "env", "env: \"A\" is not acceptable: it must be a list of"},
	{"{\"env\": [\"A=1\", \"=1\"]}", "env", "env: \"=1\" is not"},
	{"{\"env\": [\"\"]}", "env", "env: \"\" is not"},
	{"{\"workdir\": \"\"}", "workdir", "workdir: \"\" is not acceptable: it must be an abs"},
	{"{\"workdir\": \"srv\"}", "workdir", "workdir: \"srv\" is not"},
	{"{\"workdir\": \"/a\\n\"}", "workdir", "workdir: \"/a?\" is not"},
	{"{\"user\": \"\"}", "user", "user: \"\" is not"},
	{"{\"user\": \":0\"}", "user", "user: \":0\" is not"},
	{"{\"user\": \"0:\"}", "user", "user: \"0:\" is not"},
	{"{\"user\": \"a:b:c\"}", "user", "user: \"a:b:c\" is not"},
	{"{\"user\": \"a b\"}", "user", "user: \"a b\" is not"},
	{"{\"user\": \"../x\"}", "user", "user: \"../x\" is not"},
	{"{\"kernel\": \"\"}", "kernel", "kernel: \"\" is not acceptable: it must be a path"},
	{"{\"kernel_args\": \"a\\nb\"}", "kernel_args", "kernel_args: \"a?b\" is not"},
	{"{\"kernel_args\": \"\xc3\xa9\"}", "kernel_args", "it must be one line of printable"},
	{"{\"uri\": \"\"}", "uri", "uri: \"\" is not"},
	{"{\"store\": \"a\\tb\"}", "store", "store: \"a?b\" is not"},
	/* twice */
	{"{\"name\": \"a\", \"image\": \"b\", \"name\": \"a\"}", "name", "\"name\" twice"},
	{"{\"name\": \"a\", \"\\u006eame\": \"b\"}", "name", "has the field \"name\" twice"},
	{"{\"vcpus\": null, \"vcpus\": null}", "vcpus", "\"vcpus\" twice"},
	/* no request at all */
	{"", "", "it ends too early"},
	{"{\"name\": \"a\"", "", "it ends too early"},
	{"null", "", "the request is not a JSON object"},
	{"[]", "", "the request is not a JSON object"},
	{"\"name\"", "", "the request is not a JSON object"},
	{"{\"name\": \"a\"} x", "", "not valid JSON at byte 14"},
	{"{\"name\": \"a\"}{}", "", "not valid JSON at byte 13"},
	{"{\"name\": \"a\",}", "", "not valid JSON"},
	{"{'name': \"a\"}", "", "not valid JSON"},
	{"{\"name\\u0000x\": \"a\"}", "", "0 byte in a name"},
	{"{\"name\": \"\xff\"}", "", "not UTF-8"},
	{"{\"cmd\": [\"\xed\xa0\x80\"]}", "", "not UTF-8"},
	{"{\"cmd\": [[[[\"x\"]]]]}", "", "nesting too deep"},
};

static void refuses(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct vmboot_opts *o = NULL;

		ASSERT_ERROR(vmboot_opts_from_json(refused[i].request, &o), VMBOOT_EOPTS,
			     refused[i].words);
		ASSERT_STR(vmboot_last_error()->field, refused[i].field);
		CU_ASSERT_PTR_NULL(o);
	}
}

static void takes_what_the_rules_allow(void)
{
	static const char *const requests[] = {
		"{}",
		" {\"name\": \"a\"}\r\n\t ",
		"{\"name\": \"0\"}",
		"{\"name\": \"a-b--c\"}",
		"{\"name\": \"" NAME128 "\"}",
		"{\"name\": \"a-\"}",
		"{\"name\": \"A\"}",
		"{\"name\": \"a_B.c\"}",
		"{\"hostname\": \"Web-1.example.org\"}",
		"{\"vcpus\": 1}",
		"{\"user\": \"0\"}",
		"{\"user\": \"a.b_c-d@e:f\"}",
		"{\"env\": [\"A=\\n\", \"a b=c\"]}",
		"{\"kernel_args\": \"\"}",
		"{\"workdir\": \"/\"}",
		"{\"image\": \"\\u00e9\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		_cleanup_opts_ struct vmboot_opts *o = NULL;

		ASSERT_OK(vmboot_opts_from_json(requests[i], &o));
		CU_ASSERT_PTR_NOT_NULL(o);
	}
}

/* {"<field>": <open><n times unit><close>} */
static char *request_of(const char *field, const char *open, const char *unit, size_t n,
			const char *close)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	char *text = NULL;

	vmb_buf_printf(&b, "{\"%s\": %s", field, open);
	for (size_t i = 0; i < n; i++)
		vmb_buf_str(&b, unit);
	vmb_buf_printf(&b, "%s}", close);
	ASSERT_OK(vmb_buf_take(&b, &text));
	return text;
}

static int parse_and_free(char *request)
{
	_cleanup_opts_ struct vmboot_opts *o = NULL;
	int r = vmboot_opts_from_json(request, &o);

	free(request);
	return r;
}

static void lists_have_bounds(void)
{
	const size_t most = VMB_CONFIG_LIST_MAX;

	ASSERT_OK(parse_and_free(request_of("cmd", "[", "\"\",", most - 1, "\"\"]")));
	ASSERT_ERROR(parse_and_free(request_of("cmd", "[", "\"\",", most, "\"\"]")), VMBOOT_EOPTS,
		     "cmd: \"a list of 233017\" is not acceptable: it must be a list of strings");
	ASSERT_STR(vmboot_last_error()->field, "cmd");
	ASSERT_ERROR(parse_and_free(request_of("env", "[", "\"A=\",", most, "\"B=\"]")),
		     VMBOOT_EOPTS, "env: \"a list of 233017\" is not");
	/* as long as a request can make it; it must not take long to refuse, either */
	ASSERT_ERROR(parse_and_free(request_of("entrypoint", "[", "\"\",", 340000, "\"\"]")),
		     VMBOOT_EOPTS, "entrypoint: \"a list of 340001\" is not");
	ASSERT_OK(parse_and_free(request_of("cmd", "[\"", "x", 131071, "\"]")));
	ASSERT_ERROR(parse_and_free(request_of("cmd", "[\"", "x", 131072, "\"]")), VMBOOT_EOPTS,
		     "…\" is not acceptable: it must be a list of strings, each at "
		     "most 131071 bytes, 2 MiB in all");
}

static void strings_have_bounds(void)
{
	ASSERT_OK(parse_and_free(request_of("workdir", "\"/", "x", 4094, "\"")));
	ASSERT_ERROR(parse_and_free(request_of("workdir", "\"/", "x", 4095, "\"")), VMBOOT_EOPTS,
		     "workdir: \"/xxx");
	ASSERT_OK(parse_and_free(request_of("kernel_args", "\"", "x", 1024, "\"")));
	ASSERT_ERROR(parse_and_free(request_of("kernel_args", "\"", "x", 1025, "\"")), VMBOOT_EOPTS,
		     "kernel_args: ");
}

static void the_request_has_a_bound(void)
{
	char *fits = request_of("name", "\"a\"", " ", VMBOOT_REQUEST_MAX - 13, "");

	CU_ASSERT_EQUAL(strlen(fits), VMBOOT_REQUEST_MAX);
	ASSERT_OK(parse_and_free(fits));
	ASSERT_ERROR(parse_and_free(request_of("name", "\"a\"", " ", VMBOOT_REQUEST_MAX - 12, "")),
		     E2BIG, "larger than 16777216 bytes");
}

/* What is shown of a value is short, whole characters, and nothing that a terminal would obey. */
static void long_values_are_shown_in_part(void)
{
	const char *message;

	ASSERT_ERROR(parse_and_free(request_of("name", "\"", "\xc3\xa9", 100, "\"")), VMBOOT_EOPTS,
		     "…\" is not acceptable");
	message = vmboot_last_error()->message;
	CU_ASSERT(strlen(message) < 250);
	CU_ASSERT_PTR_NULL(strstr(message, "\xc3?"));
}

TEST_MAIN("opts/json",
	  {"the request as it was from the start", the_request_as_it_was_from_the_start},
	  {"there and back", there_and_back}, {"defaults are left out", defaults_are_left_out},
	  {"to_json checks first", to_json_checks_first}, {"refuses", refuses},
	  {"takes what the rules allow", takes_what_the_rules_allow},
	  {"lists have bounds", lists_have_bounds}, {"strings have bounds", strings_have_bounds},
	  {"the request has a bound", the_request_has_a_bound},
	  {"long values are shown in part", long_values_are_shown_in_part})
