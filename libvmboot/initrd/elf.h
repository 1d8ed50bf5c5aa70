/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INITRD_ELF_H
#define VMB_INITRD_ELF_H

/*
 * What a loader needs of a kernel as an ELF file. In: bytes. Out: which parts of the file are
 * loaded, and where a machine without firmware's help enters it (the PVH boot protocol: xen's
 * docs/misc/pvh.pandoc, and its note XEN_ELFNOTE_PHYS32_ENTRY). Nothing is read or written here.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* The header and all program headers must be in the first bytes of the file. */
	VMB_ELF_HEAD = 4096,
	VMB_ELF_SEGMENTS_MAX = 16,
	VMB_ELF_NOTES_MAX = 1 << 16,
	VMB_ELF_SIZE_MAX = 512 << 20,
};

struct vmb_elf_segment {
	bool note;		    /* else it is loaded */
	uint64_t offset, size;	    /* in the file */
	uint64_t address, mem_size; /* physical; loaded ones */
};

struct vmb_elf {
	struct vmb_elf_segment segments[VMB_ELF_SEGMENTS_MAX];
	size_t n;
	uint64_t end; /* of the last one's bytes in the file */
};

/*
 * head: the first n bytes of a file of `size` bytes, VMB_ELF_HEAD of them if there are that many.
 * 0; or -EBADMSG, and *ret_why says in a few words why a loader could not use it. Sets no error.
 */
int vmb_elf_decode(const void *head, size_t n, uint64_t size, struct vmb_elf *ret,
		   const char **ret_why);

/* Takes the section headers out of a head that was decoded: no loader needs sections. */
void vmb_elf_drop_sections(void *head);

/*
 * The PVH entry among notes, the bytes of a note segment. 1, and 0 if they have none or one that
 * lies in no loaded segment.
 */
int vmb_elf_pvh_entry(const struct vmb_elf *elf, const void *notes, size_t n, uint32_t *ret);

#endif
