/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A plugin for QEMU's TCG that counts the guest's instructions from landmark to landmark; README.md
 * has its arguments and what it writes. One virtual CPU: the counters are not atomic.
 *
 * The unit is QEMU's translation block, a stretch without a jump: it counts in full when it is
 * entered, also if a page fault cuts it short. A repeated string instruction counts each time.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "qemu-plugin.h"
#include "wire/mark.h"

int qemu_plugin_version = QEMU_PLUGIN_API;

static const char *out_file;
static FILE *out;
static uint64_t executed, in_user;

/* ---- the profile: how often each block ran ---- */

enum { CHUNK = 4096 };

static struct {
	const char *file, *from, *to; /* from and to: names of lines, or NULL */
	struct chunk {
		struct chunk *next;
		size_t n;
		struct {
			uint64_t address, executed;
		} blocks[CHUNK];
	} * chunks;
} profile;

static uint64_t *new_block(uint64_t address)
{
	struct chunk *chunk = profile.chunks;

	if (!chunk || chunk->n == CHUNK) {
		chunk = calloc(1, sizeof(*chunk));
		if (!chunk)
			abort();
		chunk->next = profile.chunks;
		profile.chunks = chunk;
	}
	chunk->blocks[chunk->n].address = address;
	return &chunk->blocks[chunk->n++].executed;
}

static void begin_profile(void)
{
	for (struct chunk *c = profile.chunks; c; c = c->next)
		for (size_t i = 0; i < c->n; i++)
			c->blocks[i].executed = 0;
}

static void write_profile(void)
{
	FILE *f = fopen(profile.file, "we");

	if (!f) {
		perror(profile.file);
		return;
	}
	for (const struct chunk *c = profile.chunks; c; c = c->next)
		for (size_t i = 0; i < c->n; i++)
			if (c->blocks[i].executed)
				fprintf(f, "%016llx %llu\n",
					(unsigned long long)c->blocks[i].address,
					(unsigned long long)c->blocks[i].executed);
	fclose(f);
}

static void at_exit(qemu_plugin_id id, void *data)
{
	(void)id, (void)data;
	write_profile();
}

/* ---- lines ---- */

static void note(const char *name, uint64_t not_yet)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	fprintf(out, "%s %llu %lld %llu\n", name, (unsigned long long)(executed - not_yet),
		(long long)t.tv_sec * 1000000000 + t.tv_nsec, (unsigned long long)in_user);
	fflush(out);
	if (profile.from && strcmp(name, profile.from) == 0)
		begin_profile();
	if (profile.to && strcmp(name, profile.to) == 0)
		write_profile();
}

/* ---- landmarks: the first block of an address range, each after the one before ---- */

static struct landmark {
	const char *name;
	uint64_t from, to;
} landmarks[] = {
	{"first", 0, UINT64_MAX},
	/* firmware runs below 1 MiB, and SeaBIOS moves to the end of memory, beyond 64 MiB */
	{"kernel", 0x100000, 0x4000000},
	{"text", 0xffffffff80000000, UINT64_MAX},
	{"user", 0x1000, 0x7fffffffffff},
};
enum { N_LANDMARKS = sizeof(landmarks) / sizeof(landmarks[0]), TEXT = 2, USER = 3 };
static size_t seen; /* so many of them */

static void at_landmark(unsigned vcpu, void *data)
{
	size_t i = (size_t)data;

	(void)vcpu;
	if (i != seen)
		return;
	note(landmarks[i].name, 0);
	seen++;
}

static void look_for_landmark(struct qemu_plugin_tb *tb, uint64_t address)
{
	if (seen < N_LANDMARKS && address >= landmarks[seen].from && address <= landmarks[seen].to)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, at_landmark, QEMU_PLUGIN_NO_REGISTERS,
						     (void *)seen);
}

/* ---- marks ---- */

/* data: the number, and above it how many instructions of its block come after it */
static void at_mark(unsigned vcpu, void *data)
{
	char name[16];

	(void)vcpu;
	snprintf(name, sizeof(name), "mark-%u", (unsigned)((uintptr_t)data & 0xff));
	note(name, (uintptr_t)data >> 8);
}

static void look_for_marks(struct qemu_plugin_tb *tb, size_t n)
{
	static const uint8_t mark[] = {VMB_MARK_BYTES};

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *bytes = qemu_plugin_insn_data(insn);

		if (qemu_plugin_insn_size(insn) == VMB_MARK_SIZE &&
		    memcmp(bytes, mark, sizeof(mark)) == 0)
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, at_mark, QEMU_PLUGIN_NO_REGISTERS,
				(void *)((n - 1 - i) << 8 | bytes[sizeof(mark)]));
	}
}

static void translated(qemu_plugin_id id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_ADD_U64, &executed, n);
	if (seen > TEXT && address <= landmarks[USER].to)
		qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_ADD_U64, &in_user, n);
	if (profile.file)
		qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_ADD_U64,
							 new_block(address), n);
	look_for_landmark(tb, address);
	look_for_marks(tb, n);
}

static const struct argument {
	const char *name;
	const char **value;
} arguments[] = {
	{"out=", &out_file},
	{"profile=", &profile.file},
	{"from=", &profile.from},
	{"to=", &profile.to},
};

static bool take(const char *arg)
{
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		if (strncmp(arg, arguments[i].name, strlen(arguments[i].name)) == 0) {
			*arguments[i].value = strdup(strchr(arg, '=') + 1);
			return *arguments[i].value;
		}
	fprintf(stderr, "count.so: no such argument: %s\n", arg);
	return false;
}

int qemu_plugin_install(qemu_plugin_id id, const struct qemu_plugin_info *info, int argc,
			char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!take(argv[i]))
			return -1;
	out = out_file ? fopen(out_file, "we") : stderr;
	if (!out) {
		perror(out_file);
		return -1;
	}
	if (profile.file && !profile.to)
		qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
