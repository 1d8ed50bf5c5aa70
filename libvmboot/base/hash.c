/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hash.h"

#include <fcntl.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limit.h"

void vmb_hash_init(struct vmb_hash *h)
{
	sha256_init(&h->ctx);
}

void vmb_hash_add(struct vmb_hash *h, const void *data, size_t n)
{
	sha256_update(&h->ctx, n, data);
}

void vmb_hash_str(struct vmb_hash *h, const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	vmb_hash_add(h, s, n + 1);
}

void vmb_hash_hex(struct vmb_hash *h, char hex[VMB_SHA256_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(&h->ctx, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[VMB_SHA256_HEX] = '\0';
}

int vmb_hash_fd(int fd, const char *path, char hex[VMB_SHA256_HEX + 1])
{
	const size_t size = 1U << 18;
	_cleanup_free_ char *chunk = malloc(size);
	struct vmb_hash h;
	ssize_t n;

	if (!chunk)
		return vmb_oom();
	vmb_hash_init(&h);
	while ((n = read(fd, chunk, size)) != 0) {
		int r = vmb_limit_check();

		if (r < 0)
			return r;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmb_errno(errno, "cannot read %s", path);
		vmb_hash_add(&h, chunk, (size_t)n);
	}
	vmb_hash_hex(&h, hex);
	return 0;
}

int vmb_hash_file(const char *path, char hex[VMB_SHA256_HEX + 1])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return vmb_errno(errno, "cannot open %s", path);
	return vmb_hash_fd(fd, path, hex);
}
