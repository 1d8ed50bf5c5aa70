/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The decoders of a kernel's image: where its payload is, its segments, and its PVH entry. */
#include "fuzz.h"

#include <string.h>

#include "initrd/bzimage.h"
#include "initrd/elf.h"
#include "initrd/vmlinux.h"

static void check_segments(const struct vmb_elf *elf, uint64_t size)
{
	FUZZ_CHECK(elf->n <= VMB_ELF_SEGMENTS_MAX && elf->end <= size);
	for (size_t i = 0; i < elf->n; i++) {
		const struct vmb_elf_segment *s = &elf->segments[i];

		FUZZ_CHECK(s->offset <= size && s->size <= size - s->offset);
		FUZZ_CHECK(s->offset + s->size <= elf->end);
		if (s->note)
			FUZZ_CHECK(s->size <= VMB_ELF_NOTES_MAX);
		else
			FUZZ_CHECK(s->size <= s->mem_size && s->address + s->mem_size <= 1 << 30);
	}
}

static void find_entry(const struct vmb_elf *elf, const uint8_t *data)
{
	uint32_t entry;

	for (size_t i = 0; i < elf->n; i++) {
		const struct vmb_elf_segment *s = &elf->segments[i];
		uint8_t *notes = malloc(s->size + !s->size); /* to its very end */

		FUZZ_CHECK(notes);
		memcpy(notes, data + s->offset, s->size);
		if (vmb_elf_pvh_entry(elf, notes, s->size, &entry))
			FUZZ_CHECK(entry >= 1 << 20 && entry < 1 << 30);
		free(notes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vmb_payload payload;
	const char *why = NULL;
	struct vmb_elf elf, again;
	uint8_t *copy;

	if (vmb_payload_decode(data, n, &payload) == 0)
		FUZZ_CHECK(payload.length > 4 && payload.offset >= 1024);
	if (vmb_elf_decode(data, n, n, &elf, &why) < 0) {
		FUZZ_CHECK(why);
		return 0;
	}
	check_segments(&elf, n);
	find_entry(&elf, data);
	copy = malloc(n);
	FUZZ_CHECK(copy);
	memcpy(copy, data, n);
	vmb_elf_drop_sections(copy);
	FUZZ_CHECK(vmb_elf_decode(copy, n, n, &again, &why) == 0);
	FUZZ_CHECK(memcmp(&elf, &again, sizeof(elf)) == 0);
	free(copy);
	return 0;
}
