/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bzImages made around a small ELF file by the real compressors, and this machine's own kernel. */
#include "initrd/bzimage.h"
#include "initrd/vmlinux.h"

#include <elf.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "fake.h"
#include "initrd/elf.h"
#include "test.h"

enum {
	TEXT = 8192, /* in the file */
	TEXT_SIZE = 300000,
	DATA = 400000,
	DATA_SIZE = 100,
	NOTES = TEXT + 1000, /* as in kernels, a part of the text */
	SECTIONS = 500000,
	FILE_SIZE = 600000,
	BASE = 16 << 20,
	ENTRY = BASE + 0x50,
};

struct note {
	Elf64_Nhdr h;
	char name[4];
	uint32_t desc[2];
};

/* One that is longer than it looks, one of another owner, and the one. */
static const struct note notes[] = {
	{{4, 5, 6}, "Xen", {'l' | 'i' << 8}},
	{{4, 8, 18}, "GNU", {BASE}},
	{{4, 8, 18}, "Xen", {ENTRY}},
};

struct elf_file {
	Elf64_Ehdr h;
	Elf64_Phdr p[4];
};

static struct elf_file elf_file(void)
{
	return (struct elf_file){
		.h = {.e_ident = ELFMAG "\2\1\1",
		      .e_type = ET_EXEC,
		      .e_machine = EM_X86_64,
		      .e_entry = BASE,
		      .e_phoff = sizeof(Elf64_Ehdr),
		      .e_shoff = SECTIONS,
		      .e_shnum = 9,
		      .e_shentsize = 64,
		      .e_phentsize = sizeof(Elf64_Phdr),
		      .e_phnum = 4},
		.p = {{.p_type = PT_LOAD,
		       .p_offset = TEXT,
		       .p_paddr = BASE,
		       .p_filesz = TEXT_SIZE,
		       .p_memsz = TEXT_SIZE},
		      {.p_type = PT_LOAD,
		       .p_offset = DATA,
		       .p_paddr = BASE + (1 << 20),
		       .p_filesz = DATA_SIZE,
		       .p_memsz = 1 << 20},
		      {.p_type = PT_NOTE,
		       .p_offset = NOTES,
		       .p_filesz = sizeof(notes),
		       .p_align = 4},
		      {.p_type = PT_GNU_STACK, .p_offset = ~0ULL, .p_filesz = ~0ULL}},
	};
}

/* The whole file: text that does not repeat and has a hole, data, and what no loader needs. */
static unsigned char *make_elf(const struct elf_file *e)
{
	unsigned char *file = test_alloc(FILE_SIZE);

	for (size_t i = 0; i < FILE_SIZE; i++)
		file[i] = (unsigned char)((i * 2654435761U) >> 13);
	memset(file + TEXT + 100000, 0, 100000);
	memcpy(file + NOTES, notes, sizeof(notes));
	memcpy(file, e, sizeof(*e));
	return file;
}

/* ---- the decoders ---- */

static void payload_of_a_header(void)
{
	const char *path = test_path("%s/k", test_tmpdir());
	_cleanup_free_ char *bytes = NULL;
	struct vmb_payload p = {0};
	size_t n;

	fake_bzimage(path, "6.1.0", "0123456789", 10);
	ASSERT_OK(vmb_read_file(path, 1 << 20, &bytes, &n));
	for (size_t cut = 0; cut < 0x250; cut++) {
		_cleanup_free_ char *part = malloc(cut + 1);

		memcpy(part, bytes, cut);
		CU_ASSERT_EQUAL(vmb_payload_decode(part, cut, &p), -EBADMSG);
	}
	CU_ASSERT_EQUAL(vmb_payload_decode(bytes, 0x250, &p), -EBADMSG); /* too short for any */
	bytes[0x24c] = 11;
	CU_ASSERT_EQUAL(vmb_payload_decode(bytes, 0x250, &p), 0);
	CU_ASSERT_EQUAL(p.length, 11);
	CU_ASSERT_EQUAL(memcmp(bytes + p.offset, "0123456789", 10), 0);
	bytes[0x206] = 7; /* 2.07 had none */
	CU_ASSERT_EQUAL(vmb_payload_decode(bytes, 0x250, &p), -EBADMSG);
	bytes[0x206] = 8;
	memset(bytes + 0x248, 0xff, 8); /* no sum wraps */
	CU_ASSERT_EQUAL(vmb_payload_decode(bytes, 0x250, &p), 0);
	CU_ASSERT(p.offset > UINT32_MAX && p.length == UINT32_MAX);
}

static void segments_of_an_elf_file(void)
{
	const struct elf_file e = elf_file();
	const char *why = NULL;
	struct vmb_elf elf;

	CU_ASSERT_EQUAL_FATAL(vmb_elf_decode(&e, sizeof(e), FILE_SIZE, &elf, &why), 0);
	CU_ASSERT_EQUAL(elf.n, 3);
	CU_ASSERT_EQUAL(elf.end, DATA + DATA_SIZE);
	CU_ASSERT_EQUAL(elf.segments[1].mem_size, 1 << 20);
	CU_ASSERT(elf.segments[2].note && !elf.segments[0].note);
	for (size_t cut = 0; cut < sizeof(e); cut++)
		CU_ASSERT_EQUAL(vmb_elf_decode(&e, cut, FILE_SIZE, &elf, &why), -EBADMSG);
	CU_ASSERT_EQUAL(vmb_elf_decode(&e, sizeof(e), 100, &elf, &why), -EBADMSG);
}

static void refuses_an_elf_file_that_lies(void)
{
	struct elf_file e;
	const char *why;
	struct vmb_elf elf = {.n = 77};

#define LIE(change, words)                                                                         \
	do {                                                                                       \
		e = elf_file();                                                                    \
		why = NULL;                                                                        \
		change;                                                                            \
		CU_ASSERT_EQUAL(vmb_elf_decode(&e, sizeof(e), FILE_SIZE, &elf, &why), -EBADMSG);   \
		ASSERT_STR(why, words);                                                            \
	} while (0)
	LIE(e.h.e_ident[0] = 0, "no ELF file");
	LIE(e.h.e_ident[EI_CLASS] = ELFCLASS32, "no executable for x86-64");
	LIE(e.h.e_ident[EI_DATA] = ELFDATA2MSB, "no executable for x86-64");
	LIE(e.h.e_machine = EM_386, "no executable for x86-64");
	LIE(e.h.e_type = ET_DYN, "no executable for x86-64");
	LIE(e.h.e_phentsize = 57, "its program headers are not at its start");
	LIE(e.h.e_phnum = 0, "its program headers are not at its start");
	LIE(e.h.e_phnum = 5, "its program headers are not at its start");
	LIE(e.h.e_phoff = ~0ULL, "its program headers are not at its start");
	LIE(e.h.e_phoff = 8, "its program headers are not at its start");
	LIE(e.p[0].p_offset = FILE_SIZE + 1, "a segment is not in the file");
	LIE(e.p[0].p_filesz = ~0ULL, "a segment is not in the file");
	LIE(e.p[2].p_filesz = VMB_ELF_NOTES_MAX + 1, "its notes are too large");
	LIE(e.p[2].p_align = 8, "its notes are aligned in another way");
	LIE(e.p[1].p_memsz = 99, "a segment is larger in the file than in memory");
	LIE(e.p[0].p_paddr = (1 << 20) - 1, "a segment is not between 1 MiB and 1 GiB");
	LIE(e.p[1].p_paddr = (1 << 30) + 1, "a segment is not between 1 MiB and 1 GiB");
	LIE(e.p[1].p_memsz = ~0ULL, "a segment is not between 1 MiB and 1 GiB");
	LIE(e.p[1].p_paddr = BASE + TEXT_SIZE - 1, "segments overlap in memory");
	LIE(e.p[0].p_type = e.p[1].p_type = e.p[2].p_type = PT_NULL, "nothing of it is loaded");
#undef LIE
	CU_ASSERT_EQUAL(elf.n, 77);
}

static void too_many_segments(void)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p[VMB_ELF_SEGMENTS_MAX + 1];
	} e = {.h = elf_file().h};
	const char *why = NULL;
	struct vmb_elf elf;

	e.h.e_phnum = VMB_ELF_SEGMENTS_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(e.p); i++)
		e.p[i] = (Elf64_Phdr){.p_type = PT_LOAD,
				      .p_paddr = (i + 1) << 20,
				      .p_memsz = 1 << 20,
				      .p_filesz = FILE_SIZE};
	CU_ASSERT_EQUAL(vmb_elf_decode(&e, sizeof(e), FILE_SIZE, &elf, &why), 0);
	e.h.e_phnum++;
	CU_ASSERT_EQUAL(vmb_elf_decode(&e, sizeof(e), FILE_SIZE, &elf, &why), -EBADMSG);
	ASSERT_STR(why, "it has too many segments");
}

static void the_entry_among_notes(void)
{
	const struct elf_file e = elf_file();
	struct note changed[ARRAY_SIZE(notes)];
	struct vmb_elf elf;
	uint32_t entry = 7;
	const char *why;

	CU_ASSERT_EQUAL_FATAL(vmb_elf_decode(&e, sizeof(e), FILE_SIZE, &elf, &why), 0);
	for (size_t cut = 0; cut < sizeof(notes); cut++)
		CU_ASSERT_EQUAL(vmb_elf_pvh_entry(&elf, notes, cut, &entry), 0);
	CU_ASSERT_EQUAL(entry, 7);
	CU_ASSERT_EQUAL(vmb_elf_pvh_entry(&elf, notes, sizeof(notes), &entry), 1);
	CU_ASSERT_EQUAL(entry, ENTRY);

	static const struct {
		size_t at;
		uint32_t value;
	} lies[] = {
		{offsetof(struct note, h.n_namesz), ~0U},
		{offsetof(struct note, h.n_namesz), ~3U},
		{offsetof(struct note, h.n_descsz), ~0U},
		{offsetof(struct note, h.n_descsz), 4},
		{offsetof(struct note, h.n_type), 17},
		{offsetof(struct note, name), 0},
		{offsetof(struct note, desc), BASE - 1},
		{offsetof(struct note, desc), ~0U},
		{offsetof(struct note, desc) + 4, 1},
		{offsetof(struct note, desc), BASE + TEXT_SIZE},
	};
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		memcpy(changed, notes, sizeof(notes));
		memcpy((char *)&changed[2] + lies[i].at, &lies[i].value, sizeof(uint32_t));
		CU_ASSERT_EQUAL(vmb_elf_pvh_entry(&elf, changed, sizeof(changed), &entry), 0);
	}
}

/* ---- unpacking ---- */

struct packer {
	const char *argv[6];
	bool size_is_its_own;
};

static const struct packer packers[] = {
	{{"gzip", "-9n"}, true}, {{"xz", "--check=crc32", "--x86", "--lzma2=dict=32MiB"}, false},
	{{"zstd", "-q"}, false}, {{"lz4", "-l", "-c1"}, false},
	{{"bzip2"}, false},	 {{"lzma"}, false},
};

/* The size, as a payload's last bytes, and the rest. */
static void wrap(const char *to, const char *packed, size_t size, bool size_is_its_own)
{
	_cleanup_free_ char *bytes = NULL;
	unsigned char *payload;
	size_t n;

	ASSERT_OK(vmb_read_file(packed, 64 << 20, &bytes, &n));
	payload = test_alloc(n + 4);
	memcpy(payload, bytes, n);
	for (int i = 0; i < 4; i++)
		payload[n + (size_t)i] = (unsigned char)(size >> 8 * i);
	fake_bzimage(to, "6.1.0", payload, size_is_its_own ? n : n + 4);
}

/* False if the tool is not installed. */
static bool pack(const struct packer *packer, const char *file, const char *packed)
{
	_cleanup_free_ char *tool = vmb_find_tool(packer->argv[0]);

	if (!tool) {
		test_not_tried("%s is not installed", packer->argv[0]);
		return false;
	}
	RUN("sh", "-c", "to=$1 from=$2; shift 2; \"$@\" <\"$from\" >\"$to\"", "sh", packed, file,
	    packer->argv[0], packer->argv[1] ? packer->argv[1] : "-c",
	    packer->argv[2] ? packer->argv[2] : "-c", packer->argv[3] ? packer->argv[3] : "-c");
	return true;
}

static const char *packed_elf(const struct packer *packer, const struct elf_file *e)
{
	const char *dir = test_tmpdir(), *file = test_path("%s/vmlinux", dir);

	ASSERT_OK(vmb_write_file_atomic(file, make_elf(e), FILE_SIZE, 0600));
	if (!pack(packer, file, test_path("%s/packed", dir)))
		return NULL;
	wrap(test_path("%s/bzImage", dir), test_path("%s/packed", dir), FILE_SIZE,
	     packer->size_is_its_own);
	return test_path("%s/bzImage", dir);
}

static int unpack(const char *from, const char **ret_why)
{
	const char *to = test_path("%s/out", test_tmpdir());
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	*ret_why = "";
	CU_ASSERT_FATAL(in >= 0 && out >= 0);
	return vmb_vmlinux_unpack(in, from, out, ret_why);
}

static void check_unpacked(const struct elf_file *e)
{
	const unsigned char *elf = make_elf(e), *out;
	_cleanup_free_ char *bytes = NULL;
	const Elf64_Ehdr *h;
	struct stat st;
	size_t n;

	ASSERT_OK(vmb_read_file(test_path("%s/out", test_tmpdir()), 1 << 20, &bytes, &n));
	out = (const unsigned char *)bytes;
	h = (const void *)bytes;
	CU_ASSERT_EQUAL_FATAL(n, DATA + DATA_SIZE);
	CU_ASSERT_EQUAL(memcmp(out + TEXT, elf + TEXT, TEXT_SIZE), 0);
	CU_ASSERT_EQUAL(memcmp(out + DATA, elf + DATA, DATA_SIZE), 0);
	CU_ASSERT_EQUAL(memcmp(out + sizeof(*h), e->p, sizeof(e->p)), 0);
	CU_ASSERT_EQUAL(h->e_shoff + h->e_shnum + h->e_shentsize, 0);
	CU_ASSERT_EQUAL(h->e_entry, BASE);
	/* between text and data nothing is left; zeros take no room */
	for (size_t i = TEXT + TEXT_SIZE; i < DATA; i++)
		CU_ASSERT_EQUAL_FATAL(out[i], 0);
	CU_ASSERT_EQUAL(stat(test_path("%s/out", test_tmpdir()), &st), 0);
	CU_ASSERT(st.st_blocks * 512 <= TEXT_SIZE - 100000 + 8 * 4096);
}

static void unpacks_what_kernels_are_packed_with(void)
{
	const struct elf_file e = elf_file();
	const char *path, *why;

	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		path = packed_elf(&packers[i], &e);
		if (!path)
			continue;
		CU_ASSERT_EQUAL(unpack(path, &why), 1);
		ASSERT_STR(why, "");
		check_unpacked(&e);
	}
}

/* As it would be if kernel and image were one: nothing is between head and text. */
static void a_head_that_is_loaded_too(void)
{
	struct elf_file e = elf_file();
	const char *path, *why;

	e.p[0].p_offset = 0;
	path = packed_elf(&packers[0], &e);
	CU_ASSERT_EQUAL(unpack(path, &why), 1);
	ASSERT_STR(why, "");
}

static void kernels_that_stay_packed(void)
{
	const char *dir = test_tmpdir(), *why, *path, *packed = test_path("%s/packed", dir);
	struct elf_file e = elf_file();

#define STAYS(image, words)                                                                        \
	do {                                                                                       \
		CU_ASSERT_EQUAL(unpack(image, &why), 0);                                           \
		ASSERT_STR(why, words);                                                            \
	} while (0)
	path = packed_elf(&packers[0], &e);
	wrap(path, packed, FILE_SIZE - 1, false);
	STAYS(path, "it is larger than it says");
	wrap(path, packed, FILE_SIZE + 1, false);
	STAYS(path, "it is smaller than it says");
	wrap(path, packed, (size_t)VMB_ELF_SIZE_MAX + 1, false);
	STAYS(path, "it is too large");
	RUN("truncate", "-s", "-9", path);
	STAYS(path, "its payload is not in the file");
	RUN("truncate", "-s", "100", path);
	STAYS(path, "it does not tell where its payload is");
	RUN("truncate", "-s", "1000", packed);
	wrap(path, packed, FILE_SIZE, false);
	STAYS(path, "its payload cannot be unpacked");
	RUN("sh", "-c", "gzip -c \"$0/vmlinux\" | gzip >\"$0/packed\"", dir);
	wrap(path, packed, FILE_SIZE, false);
	STAYS(path, "its payload cannot be unpacked");
	fake_bzimage(path, "6.1.0", "neither of them, and \0\0\0", 25);
	STAYS(path, "its compression is unknown");
	e.h.e_machine = EM_AARCH64;
	STAYS(packed_elf(&packers[0], &e), "no executable for x86-64");
	e = elf_file();
	e.p[2].p_filesz = sizeof(notes[0]);
	STAYS(packed_elf(&packers[0], &e), "it has no PVH entry");
	e.p[2].p_type = PT_NULL;
	STAYS(packed_elf(&packers[0], &e), "it has no PVH entry");
#undef STAYS
}

/* Each byte of a packed kernel changed: it unpacks or it does not, and nothing else happens. */
static void damage_does_no_harm(void)
{
	const struct elf_file e = elf_file();
	const char *path = packed_elf(&packers[3], &e), *why;
	_cleanup_free_ char *bytes = NULL;
	size_t n;

	if (!path)
		return;
	ASSERT_OK(vmb_read_file(path, 1 << 20, &bytes, &n));
	for (size_t i = 0; i < 40; i++) {
		size_t at = 4096 + i * i * i * (n - 4096) / (40 * 40 * 40);

		bytes[at] = (char)~bytes[at];
		ASSERT_OK(vmb_write_file_atomic(path, bytes, n, 0600));
		CU_ASSERT(unpack(path, &why) >= 0);
		bytes[at] = (char)~bytes[at];
	}
}

static void a_full_disk_is_an_error(void)
{
	const struct elf_file e = elf_file();
	_cleanup_close_ int in = -1, out = open("/dev/full", O_RDWR | O_CLOEXEC);
	const char *path = packed_elf(&packers[0], &e), *why;

	in = open(path, O_RDONLY | O_CLOEXEC);
	CU_ASSERT_FATAL(in >= 0 && out >= 0);
	ASSERT_ERROR(vmb_vmlinux_unpack(in, path, out, &why), ENOSPC, path);
}

static void unpacks_this_machines_kernel(void)
{
	_cleanup_kernel_ struct vmb_kernel k = {0};
	const char *why;

	if (!real_kernel(&k))
		return;
	if (unpack(k.path, &why) == 0)
		test_not_tried("%s: %s", k.path, why);
	else
		ASSERT_STR(why, "");
}

TEST_MAIN("initrd/vmlinux", {"payload of a header", payload_of_a_header},
	  {"segments of an ELF file", segments_of_an_elf_file},
	  {"refuses an ELF file that lies", refuses_an_elf_file_that_lies},
	  {"too many segments", too_many_segments},
	  {"the entry among notes", the_entry_among_notes},
	  {"unpacks what kernels are packed with", unpacks_what_kernels_are_packed_with},
	  {"a head that is loaded too", a_head_that_is_loaded_too},
	  {"kernels that stay packed", kernels_that_stay_packed},
	  {"damage does no harm", damage_does_no_harm},
	  {"a full disk is an error", a_full_disk_is_an_error},
	  {"unpacks this machine's kernel", unpacks_this_machines_kernel})
