/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

#include <stdio.h>
#include <string.h>

#include "opts/opts.h"
#include "test.h"

#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define RELEASE "6.1.0-9-amd64"

static char *copy(const char *s)
{
	char *c = strdup(s);

	if (!c)
		abort();
	return c;
}

static char **list(const char *const *strings)
{
	char **l;

	if (vmb_list_dup(strings, &l) < 0)
		abort();
	return l;
}

static struct vmb_modules modules(void)
{
	static const char *const names[] = {"virtio_ring", "virtio", "virtio_blk", "overlay"};
	struct vmb_modules m = {0};

	m.early.list = calloc(ARRAY_SIZE(names), sizeof(*m.early.list));
	if (!m.early.list)
		abort();
	for (; m.early.n < ARRAY_SIZE(names); m.early.n++) {
		m.early.list[m.early.n].name = copy(names[m.early.n]);
		m.early.list[m.early.n].path = copy("/lib/modules/x.ko");
	}
	return m;
}

struct vmb_facts test_facts(void)
{
	static const char *const entrypoint[] = {"docker-entrypoint.sh", NULL};
	static const char *const cmd[] = {"node", NULL};
	static const char *const env[] = {"PATH=/usr/bin:/bin", "NODE_VERSION=20.11.1", NULL};

	return (struct vmb_facts){
		.store = copy("/var/lib/vmboot"),
		.image = {.name = copy("docker.io/library/node:20"),
			  .digest = copy("sha256:" DIGEST),
			  .disk = copy("/var/lib/vmboot/images/sha256-" DIGEST "/root.squashfs"),
			  .fstype = copy("squashfs"),
			  .present = true,
			  .config = {.entrypoint = list(entrypoint),
				     .cmd = list(cmd),
				     .env = list(env),
				     .workdir = copy("/home/node"),
				     .user = copy("node")}},
		.kernel = {.arch = vmb_arch_find("x86_64"),
			   .path = copy("/boot/vmlinuz-" RELEASE),
			   .release = copy(RELEASE),
			   .modules = copy("/lib/modules/" RELEASE),
			   .key = copy(RELEASE "-0123abcd")},
		.modules = modules(),
		.init = copy("/usr/libexec/vmboot/init"),
		.kernel_copy = copy("/var/lib/vmboot/kernels/" RELEASE "-0123abcd/vmlinux"),
		.kernel_direct = true,
		.firmware = copy("/usr/share/qemu/qboot.rom"),
		.initramfs = copy("/var/lib/vmboot/initramfs/" RELEASE "-89ef.cpio"),
		.headers = {.parts = {{.host = copy("/usr/src/linux-headers-" RELEASE),
				       .guest = copy("usr/src/linux-headers-" RELEASE)}},
			    .n = 1},
		.kernel_disk = copy("/var/lib/vmboot/kernels/" RELEASE "-cdef.squashfs"),
		.accel = VMBOOT_ACCEL_TCG,
		.machine = copy("pc"),
		.cpu_maximum = true,
		.cpu_words = true,
		.tsc_khz = 2600000,
	};
}

void test_facts_set(char **member, const char *value)
{
	free(*member);
	*member = copy(value);
}

struct vmb_plan test_plan(const struct vmboot_opts *opts, struct vmb_facts facts)
{
	struct vmb_plan plan = {0};
	struct vmboot_opts own;

	if (opts->skip_kernel_headers) { /* then none are looked for */
		vmb_headers_done(&facts.headers);
		free(TAKE_PTR(facts.kernel_disk));
	}
	if (vmb_opts_read(opts, true, &own) < 0 || vmb_plan_make(&own, &facts, &plan) < 0) {
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
		abort();
	}
	return plan;
}
