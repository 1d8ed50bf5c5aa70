/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_CONFIG_H
#define VMB_WIRE_CONFIG_H

/*
 * The guest config, as it lies on the config disk (vdc): a POSIX ustar archive with one regular
 * file, "vmboot.conf", so `tar -xO -f config.img | tr '\0' '\n'` shows it. The disk is padded
 * with zeros to a multiple of 4096 bytes. The file is a list of records, each ended by a 0 byte:
 *
 *   vmboot-config=2            version; first
 *   crc32=0123abcd             of all bytes behind this record's 0; second
 *   hostname=web               then "key=value" in any order; a key that the table below does
 *   …                          not list is refused, so is one that is missing or given twice,
 *   args=node  args=app.js     except args, env and disks, which repeat and keep their order
 *   env=PATH=/usr/bin
 *   disks=vmboot-root vda squashfs ro lower
 *
 * Encoder and decoder do no I/O. The strings of the result point into the bytes that the decoder was
 * given; the pointers of its lists are one allocation. Both refuse what is over the bounds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmboot/opts.h>

enum {
	/*
	 * Linux's bound for the arguments and environment of a program, with a pointer for each: a quarter
	 * of its stack's limit. It bounds how many there may be, too: each takes 9 bytes at least.
	 */
	VMB_CONFIG_STRINGS_MAX = 2 << 20,
	VMB_CONFIG_LIST_MAX = VMB_CONFIG_STRINGS_MAX / 9,
	VMB_CONFIG_SIZE_MAX = VMB_CONFIG_STRINGS_MAX + (64 << 10), /* of the file, bytes */
	VMB_CONFIG_DISKS_MAX = 72,
	VMB_CONFIG_STRING_MAX = 128 * 1024 - 1, /* Linux's MAX_ARG_STRLEN, less its 0 */
	VMB_CONFIG_BLOCK = 512,			/* of the archive */
	VMB_CONFIG_PAD = 4096,			/* of the disk */
};

/*
 * A disk of the guest, as a line of fstab: what it is found by, its file system, where and how it is
 * mounted. Words are of 0x21 to 0x7e and not empty.
 */
struct vmb_config_disk {
	char serial[21]; /* VIRTIO_BLK_ID_BYTES and a 0 */
	char target[12]; /* "vda": only believed of a disk without a serial */
	char fstype[16]; /* "none": init does not mount it */
	char options
		[128]; /* "rw,noatime,…"; among them "nofail": the guest boots without it, too */
	const char
		*point; /* absolute, in the guest's root; or a name: a folder of init's, "none" */
};

struct vmb_guest_config {
	const char *hostname;
	enum vmboot_init_mode init_mode; /* EXEC or SYSTEMD */
	enum vmboot_on_exit on_exit;
	bool skip_kernel_headers;
	bool skip_guest_agent;
	enum vmboot_guest_agent guest_agent;
	const char *kernel_note; /* "", or what is missing on the kernel disk, for the ledger */
	const char *address;	 /* of the network device, "10.0.2.15/24"; "": there is none */
	const char *gateway, *nameserver; /* likewise, without "/24" */
	const char *user;     /* "", "name", "1000", "name:group", …: looked up in the image */
	const char *workdir;  /* absolute */
	const char *shm_size; /* "", or of /dev/shm; see settings.h for this and the lists below */
	const char *restart;  /* "no" or "" is none */
	bool read_only;
	uint64_t ttl_ms; /* 0: without end */
	uint64_t health_interval_ms, health_timeout_ms, health_start_period_ms, health_retries;
	/* NULL-ended lists; NULL is as empty when encoding, and never the result of decoding */
	const char *const *args;
	const char *const *env;	       /* "K=V" */
	const char *const *health_cmd; /* empty: the program's health is not checked */
	const char *const *tmpfs, *const *sysctl, *const *ulimit;
	struct vmb_config_disk disks[VMB_CONFIG_DISKS_MAX];
	size_t n_disks;
	void *lists; /* the decoder's allocation, in which the lists are; NULL: they are the caller's */
};

/* The one table of keys, which encoder, decoder and the plan's JSON walk. */
struct vmb_config_key {
	const char *name;
	enum {
		VMB_KEY_TEXT,
		VMB_KEY_FLAG,
		VMB_KEY_NUMBER,
		VMB_KEY_CHOICE,
		VMB_KEY_LIST,
		VMB_KEY_DISKS
	} type;
	size_t offset;		  /* in struct vmb_guest_config */
	size_t max;		  /* of a list; of a choice, how many words there are */
	const char *const *words; /* of a choice, by its value; NULL: a value that cannot be */
};
const struct vmb_config_key *vmb_config_keys(size_t *ret_n);

/* The file systems that a root disk may have; NULL-ended. */
extern const char *const vmb_config_root_fstypes[];

/*
 * Writes the whole disk to out (size bytes). Returns its length, also when out is NULL or too
 * small (then nothing is written); or -E2BIG: over a bound, -EINVAL: a value that cannot be. A
 * text that is NULL is empty.
 */
long vmb_config_encode(const struct vmb_guest_config *config, uint8_t *out, size_t size);

/*
 * The length of the whole archive member from its first block, so that a reader knows how much to
 * read: 0 < n <= VMB_CONFIG_BLOCK + VMB_CONFIG_SIZE_MAX; or -EBADMSG.
 */
long vmb_config_length(const uint8_t block[VMB_CONFIG_BLOCK]);

/*
 * Decodes n bytes (header block and file; bytes behind the file are ignored). 0; or
 * -EBADMSG: not a config, damaged, or over a bound; -EPROTONOSUPPORT: another version. ret_why, if
 * not NULL, gets a static text that says what. -ENOMEM.
 */
int vmb_config_decode(const uint8_t *bytes, size_t n, struct vmb_guest_config *ret,
		      const char **ret_why);

/* Frees what the decoder allocated. */
void vmb_config_done(struct vmb_guest_config *config);

#endif
