/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "initrd/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum {
	XEN_NOTE_PHYS32_ENTRY = 18,
	NOTE_ALIGN = 4,

	/* Above what firmware has for itself, and where the smallest of guests may have memory. */
	ADDRESS_MIN = 1 << 20,
	ADDRESS_MAX = 1 << 30,
};

_Static_assert(sizeof(Elf64_Ehdr) == 64 && sizeof(Elf64_Phdr) == 56 && sizeof(Elf64_Nhdr) == 12,
	       "structs of the file format");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86 files are read as they are");

static const char *check_header(const Elf64_Ehdr *h, size_t n)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return "no ELF file";
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64 || h->e_type != ET_EXEC)
		return "no executable for x86-64";
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 ||
	    h->e_phoff < sizeof(Elf64_Ehdr) || h->e_phoff > n ||
	    h->e_phnum > (n - h->e_phoff) / sizeof(Elf64_Phdr))
		return "its program headers are not at its start";
	return NULL;
}

static const char *check_segment(const Elf64_Phdr *p, uint64_t size)
{
	if (p->p_offset > size || p->p_filesz > size - p->p_offset)
		return "a segment is not in the file";
	if (p->p_type == PT_NOTE && p->p_filesz > VMB_ELF_NOTES_MAX)
		return "its notes are too large";
	if (p->p_type == PT_NOTE && p->p_align != NOTE_ALIGN)
		return "its notes are aligned in another way"; /* QEMU heeds that */
	if (p->p_type == PT_NOTE)
		return NULL;
	if (p->p_filesz > p->p_memsz)
		return "a segment is larger in the file than in memory";
	if (p->p_paddr < ADDRESS_MIN || p->p_paddr > ADDRESS_MAX ||
	    p->p_memsz > ADDRESS_MAX - p->p_paddr)
		return "a segment is not between 1 MiB and 1 GiB";
	return NULL;
}

/* QEMU refuses to start a guest with such a kernel. */
static bool overlaps(const struct vmb_elf *elf, const Elf64_Phdr *p)
{
	for (size_t i = 0; i < elf->n; i++) {
		const struct vmb_elf_segment *s = &elf->segments[i];

		if (!s->note && p->p_paddr < s->address + s->mem_size &&
		    s->address < p->p_paddr + p->p_memsz)
			return true;
	}
	return false;
}

static const char *add_segment(struct vmb_elf *elf, const Elf64_Phdr *p, uint64_t size)
{
	const char *why;

	if (p->p_type != PT_LOAD && p->p_type != PT_NOTE)
		return NULL;
	why = check_segment(p, size);
	if (why)
		return why;
	if (p->p_type == PT_LOAD && overlaps(elf, p))
		return "segments overlap in memory";
	if (elf->n == VMB_ELF_SEGMENTS_MAX)
		return "it has too many segments";
	elf->segments[elf->n++] = (struct vmb_elf_segment){
		.note = p->p_type == PT_NOTE,
		.offset = p->p_offset,
		.size = p->p_filesz,
		.address = p->p_type == PT_LOAD ? p->p_paddr : 0,
		.mem_size = p->p_type == PT_LOAD ? p->p_memsz : 0,
	};
	if (p->p_offset + p->p_filesz > elf->end)
		elf->end = p->p_offset + p->p_filesz;
	return NULL;
}

int vmb_elf_decode(const void *head, size_t n, uint64_t size, struct vmb_elf *ret,
		   const char **ret_why)
{
	const char *why = "no ELF file";
	struct vmb_elf elf = {0};
	Elf64_Ehdr h;
	Elf64_Phdr p;

	n = n < size ? n : size;
	if (n >= sizeof(h)) {
		memcpy(&h, head, sizeof(h));
		why = check_header(&h, n);
	}
	for (size_t i = 0; !why && i < h.e_phnum; i++) {
		memcpy(&p, (const char *)head + h.e_phoff + i * sizeof(p), sizeof(p));
		why = add_segment(&elf, &p, size);
	}
	if (!why && elf.end < h.e_phoff + h.e_phnum * sizeof(p))
		why = "nothing of it is loaded";
	if (why) {
		*ret_why = why;
		return -EBADMSG;
	}
	*ret = elf;
	return 0;
}

void vmb_elf_drop_sections(void *head)
{
	Elf64_Ehdr h;

	memcpy(&h, head, sizeof(h));
	h.e_shoff = 0;
	h.e_shnum = h.e_shentsize = h.e_shstrndx = 0;
	memcpy(head, &h, sizeof(h));
}

static bool is_loaded(const struct vmb_elf *elf, uint64_t address)
{
	for (size_t i = 0; i < elf->n; i++) {
		const struct vmb_elf_segment *s = &elf->segments[i];

		if (!s->note && address >= s->address && address - s->address < s->size)
			return true;
	}
	return false;
}

static size_t padded(size_t n)
{
	return (n + NOTE_ALIGN - 1) & ~(size_t)(NOTE_ALIGN - 1);
}

int vmb_elf_pvh_entry(const struct vmb_elf *elf, const void *notes, size_t n, uint32_t *ret)
{
	const unsigned char *bytes = notes, *p;
	uint64_t entry;
	Elf64_Nhdr h;
	size_t room;

	for (size_t at = 0; n - at >= sizeof(h);) {
		memcpy(&h, bytes + at, sizeof(h));
		p = bytes + at + sizeof(h);
		room = n - at - sizeof(h);
		if (h.n_namesz > room || padded(h.n_namesz) > room ||
		    h.n_descsz > room - padded(h.n_namesz))
			return 0;
		if (h.n_type == XEN_NOTE_PHYS32_ENTRY && h.n_namesz == sizeof("Xen") &&
		    memcmp(p, "Xen", sizeof("Xen")) == 0 && h.n_descsz == sizeof(entry)) {
			memcpy(&entry, p + padded(h.n_namesz), sizeof(entry));
			if (!is_loaded(elf, entry))
				return 0;
			*ret = (uint32_t)entry;
			return 1;
		}
		room -= padded(h.n_namesz);
		at += sizeof(h) + padded(h.n_namesz);
		at += padded(h.n_descsz) < room ? padded(h.n_descsz) : room;
	}
	return 0;
}
