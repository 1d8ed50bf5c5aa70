/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

#include "wire/config.h"
#include "wire/crc32.h"

static void check_same(const struct vmb_guest_config *a, const struct vmb_guest_config *b)
{
	FUZZ_CHECK(strcmp(a->hostname, b->hostname) == 0);
	FUZZ_CHECK(a->init_mode == b->init_mode && a->on_exit == b->on_exit);
	FUZZ_CHECK(strcmp(a->kernel_note, b->kernel_note) == 0);
	FUZZ_CHECK(a->skip_kernel_headers == b->skip_kernel_headers);
	FUZZ_CHECK(a->skip_guest_agent == b->skip_guest_agent);
	FUZZ_CHECK(a->guest_agent == b->guest_agent);
	FUZZ_CHECK(strcmp(a->address, b->address) == 0);
	FUZZ_CHECK(strcmp(a->gateway, b->gateway) == 0);
	FUZZ_CHECK(strcmp(a->nameserver, b->nameserver) == 0);
	FUZZ_CHECK(strcmp(a->user, b->user) == 0 && strcmp(a->workdir, b->workdir) == 0);
	FUZZ_CHECK(strcmp(a->shm_size, b->shm_size) == 0 && a->read_only == b->read_only);
	FUZZ_CHECK(a->ttl_ms == b->ttl_ms);
	for (size_t i = 0; a->args[i] || b->args[i]; i++)
		FUZZ_CHECK(strcmp(a->args[i], b->args[i]) == 0);
	for (size_t i = 0; a->env[i] || b->env[i]; i++)
		FUZZ_CHECK(strcmp(a->env[i], b->env[i]) == 0);
	FUZZ_CHECK(a->n_disks == b->n_disks);
	for (size_t i = 0; i < a->n_disks; i++) {
		FUZZ_CHECK(strcmp(a->disks[i].serial, b->disks[i].serial) == 0);
		FUZZ_CHECK(strcmp(a->disks[i].target, b->disks[i].target) == 0);
		FUZZ_CHECK(strcmp(a->disks[i].fstype, b->disks[i].fstype) == 0);
		FUZZ_CHECK(strcmp(a->disks[i].options, b->disks[i].options) == 0);
		FUZZ_CHECK(strcmp(a->disks[i].point, b->disks[i].point) == 0);
	}
}

/* What is taken can be encoded, and means the same then. */
static void decode(const uint8_t *disk, size_t n)
{
	struct vmb_guest_config c, back;
	const char *why = NULL;
	uint8_t *again;
	long size;
	int r;

	r = vmb_config_decode(disk, n, &c, &why);
	FUZZ_CHECK(why && (r == 0) == (why[0] == '\0'));
	if (r < 0)
		return;
	size = vmb_config_encode(&c, NULL, 0);
	FUZZ_CHECK(size > 0 && size % VMB_CONFIG_PAD == 0);
	again = malloc((size_t)size);
	FUZZ_CHECK(again && vmb_config_encode(&c, again, (size_t)size) == size);
	FUZZ_CHECK(vmb_config_decode(again, (size_t)size, &back, &why) == 0);
	check_same(&c, &back);
	vmb_config_done(&c);
	vmb_config_done(&back);
	free(again);
}

/*
 * The bytes as they are, and as the records of a disk whose header and checksums are right, which
 * no fuzzer would guess.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char version[] = "vmboot-config=2";
	const size_t records = VMB_CONFIG_BLOCK + sizeof(version) + sizeof("crc32=01234567");
	char *disk;
	unsigned sum = 0;

	decode(data, n);
	if (n > VMB_CONFIG_SIZE_MAX)
		return 0;
	disk = calloc(1, records + n);
	FUZZ_CHECK(disk);
	memcpy(disk + VMB_CONFIG_BLOCK, version, sizeof(version));
	sprintf(disk + VMB_CONFIG_BLOCK + sizeof(version), "crc32=%08x",
		(unsigned)vmb_crc32(0, data, n));
	memcpy(disk + records, data, n);
	memcpy(disk, "vmboot.conf", 11);
	sprintf(disk + 124, "%011zo", records + n - VMB_CONFIG_BLOCK);
	disk[156] = '0';
	memcpy(disk + 257, "ustar", 6);
	memset(disk + 148, ' ', 8);
	for (int i = 0; i < VMB_CONFIG_BLOCK; i++)
		sum += (unsigned char)disk[i];
	sprintf(disk + 148, "%06o", sum);
	decode((const uint8_t *)disk, records + n);
	free(disk);
	return 0;
}
