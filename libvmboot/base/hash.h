/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_HASH_H
#define VMB_BASE_HASH_H

/* SHA-256 by nettle (which libvirt brings along), as the hex text that digests are written in. */

#include <nettle/sha2.h>
#include <stddef.h>

enum { VMB_SHA256_HEX = 64 };

struct vmb_hash {
	struct sha256_ctx ctx;
};

void vmb_hash_init(struct vmb_hash *h);
void vmb_hash_add(struct vmb_hash *h, const void *data, size_t n);
void vmb_hash_str(struct vmb_hash *h, const char *s); /* with its 0, so that parts stay apart */
void vmb_hash_hex(struct vmb_hash *h, char hex[VMB_SHA256_HEX + 1]);

/* Of what a descriptor has from here on; path is for messages. 0 or a negative errno. */
int vmb_hash_fd(int fd, const char *path, char hex[VMB_SHA256_HEX + 1]);

/* Of a whole file: 0 or a negative errno with the error set. */
int vmb_hash_file(const char *path, char hex[VMB_SHA256_HEX + 1]);

#endif
