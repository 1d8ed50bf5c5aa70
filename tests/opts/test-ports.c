/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Published ports: what the request's text says. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "opts/ports.h"
#include "test.h"

/* What one text says, as text; "refused" if it is not acceptable. */
static const char *read_one(const char *text)
{
	const char *const list[] = {text, NULL};
	_cleanup_ports_ struct vmb_ports ports = {0};
	_cleanup_free_ char *out = NULL;

	if (!vmb_ports_valid(text))
		return "refused";
	ASSERT_OK(vmb_ports_read(list, &ports));
	ASSERT_OK(vmb_ports_text(&ports, &out));
	return test_path("%s", out);
}

static void takes_podmans_forms(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"80", "0.0.0.0:0:80/tcp"},
		{"8080:80", "0.0.0.0:8080:80/tcp"},
		{"8080:80/tcp", "0.0.0.0:8080:80/tcp"},
		{"53:53/udp", "0.0.0.0:53:53/udp"},
		{"127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp"},
		{"127.0.0.1::80", "127.0.0.1:0:80/tcp"},
		{":80", "0.0.0.0:0:80/tcp"},
		{"0:80", "0.0.0.0:0:80/tcp"},
		{"65535:65535", "0.0.0.0:65535:65535/tcp"},
		{"8000-8002:80-82", "0.0.0.0:8000:80/tcp 0.0.0.0:8001:81/tcp 0.0.0.0:8002:82/tcp"},
		{"80-81/udp", "0.0.0.0:0:80/udp 0.0.0.0:0:81/udp"},
		{"0:80-81", "0.0.0.0:0:80/tcp 0.0.0.0:0:81/tcp"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ASSERT_STR(read_one(cases[i].text), cases[i].want);
}

static void refuses_what_is_no_port(void)
{
	static const char *const cases[] = {
		"",
		":",
		"/tcp",
		"web",
		"0",
		"80:",
		"8080:0",
		"65536",
		"8080:65536",
		"-1",
		"80/sctp",
		"80/",
		"80/tcp/udp",
		"1.2.3:1:2",
		"1.2.3.4.5:1:2",
		"host:80:80",
		"[::1]:80:80",
		"1:2:3:4",
		"8000-8001:80",
		"8000:80-81",
		"82-80",
		"0-5:1-6",
		"80-",
		"-80",
		"80 ",
		"8080:80/TCP",
		"1.2.3.4:80:80:80",
		"80-81-82",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_STR(test_path("\"%s\": %s", cases[i], read_one(cases[i])),
			   test_path("\"%s\": refused", cases[i]));
	}
}

static int read_all(const char *const *list)
{
	_cleanup_ports_ struct vmb_ports ports = {0};

	return vmb_ports_read(list, &ports);
}

static void refuses_one_port_twice(void)
{
	static const char *const twice[] = {"8080:80", "127.0.0.1:8080:81", NULL};
	static const char *const ranges[] = {"8000-8010:80-90", "8010:22", NULL};
	static const char *const apart[] = {
		"127.0.0.1:1:1", "127.0.0.2:1:1", "2:2", "2:2/udp", "80", "80", NULL};

	ASSERT_ERROR(read_all(twice), VMBOOT_EOPTS, "port 8080/tcp of the host is wanted twice");
	ASSERT_STR(vmboot_last_error()->field, "publish");
	ASSERT_ERROR(read_all(ranges), VMBOOT_EOPTS, "port 8010/tcp of the host is wanted twice");
	ASSERT_OK(read_all(apart));
}

static void bounds_how_many(void)
{
	static const char *const many[] = {"1-1024:1-1024", NULL};
	static const char *const more[] = {"1-1024:1-1024", "2000:1", NULL};

	ASSERT_OK(read_all(many));
	ASSERT_ERROR(read_all(more), VMBOOT_EOPTS, "more than 1024");
}

static void adds_and_removes(void)
{
	static const char *const first[] = {"1:1", "2:2", NULL}, *const second[] = {"3:3", NULL};
	static const char *const gone[] = {"2:2", NULL};
	_cleanup_ports_ struct vmb_ports ports = {0}, more = {0}, which = {0};
	_cleanup_free_ char *text = NULL;

	ASSERT_OK(vmb_ports_read(first, &ports));
	ASSERT_OK(vmb_ports_read(second, &more));
	ASSERT_OK(vmb_ports_read(gone, &which));
	ASSERT_OK(vmb_ports_append(&ports, &more));
	ASSERT_ERROR(vmb_ports_append(&ports, &more), VMBOOT_EOPTS, "port 3/tcp");
	ports.n = 3;
	ASSERT_OK(vmb_ports_remove(&ports, &which));
	ASSERT_ERROR(vmb_ports_remove(&ports, &which), ENOENT, "0.0.0.0:2:2/tcp is not published");
	ASSERT_OK(vmb_ports_text(&ports, &text));
	ASSERT_STR(text, "0.0.0.0:1:1/tcp 0.0.0.0:3:3/tcp");
}

static void text_comes_back(void)
{
	_cleanup_ports_ struct vmb_ports ports = {0}, none = {0};
	_cleanup_free_ char *text = NULL;

	ASSERT_OK(vmb_ports_from_text("127.0.0.1:8080:80/tcp 0.0.0.0:53:53/udp", &ports));
	ASSERT_OK(vmb_ports_text(&ports, &text));
	ASSERT_STR(text, "127.0.0.1:8080:80/tcp 0.0.0.0:53:53/udp");
	ASSERT_OK(vmb_ports_from_text(NULL, &none));
	CU_ASSERT_EQUAL(none.n, 0);
	ASSERT_ERROR(vmb_ports_from_text("80:80 x", &none), VMBOOT_ELIBVIRT, "invalid published");
}

TEST_MAIN("opts/ports", {"takes podman's forms", takes_podmans_forms},
	  {"refuses what is no port", refuses_what_is_no_port},
	  {"refuses one port twice", refuses_one_port_twice}, {"bounds how many", bounds_how_many},
	  {"adds and removes", adds_and_removes}, {"text comes back", text_comes_back})
