/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/platform.h"

#include <stdio.h>

#include "archive/path.h"
#include "base/arch.h"
#include "base/error.h"

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* As OCI calls it. */
static const char *host_arch(void)
{
	const struct vmb_arch *arch = vmb_arch_of_host();

	return arch ? arch->oci : "of another kind";
}

#ifdef __x86_64__
enum { NEWEST = 3 }; /* what QEMU emulates, too: an image runs by KVM and without */

static int cpu_level(void)
{
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
	    __builtin_cpu_supports("fma"))
		return NEWEST;
	return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") ? 2 : 1;
}
#endif

/* amd64 has v1, which is the one without a variant, to v4. */
static int host_rank(const char *variant)
{
#ifdef __x86_64__
	int level = variant && variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9' &&
				    !variant[2]
			    ? variant[1] - '0'
			    : 0;

	if (!variant)
		return 1;
	return level >= 1 && level <= cpu_level() ? level : -1;
#else
	return variant ? 1 : 0;
#endif
}

/* One part of the text, up to a slash or its end: false if it is not a word. */
static bool take_part(const char **text, char *out, size_t size)
{
	size_t n = strspn(*text, WORD);

	if (n == 0 || n >= size || ((*text)[n] && (*text)[n] != '/'))
		return false;
	memcpy(out, *text, n);
	out[n] = '\0';
	*text += n + ((*text)[n] == '/');
	return true;
}

static int refuse(const char *text, const char *why)
{
	int r = vmb_error(VMBOOT_EOPTS, "platform: \"%s\" %s", vmb_show(text).text, why);

	vmb_error_field("platform");
	return r;
}

int vmb_platform_parse(const char *text, struct vmb_platform *ret)
{
	struct vmb_platform p = {.os = "linux", .host = true};
	const char *at = text;

	vmb_strlcpy(p.arch, host_arch(), sizeof(p.arch));
	if (text &&
	    (!*text || text[strlen(text) - 1] == '/' || !take_part(&at, p.os, sizeof(p.os)) ||
	     !take_part(&at, p.arch, sizeof(p.arch)) ||
	     (*at && !take_part(&at, p.variant, sizeof(p.variant))) || *at))
		return refuse(text, "is not OS/ARCH or OS/ARCH/VARIANT, such as linux/amd64");
	p.host = vmb_streq(p.os, "linux") && vmb_streq(p.arch, host_arch()) &&
		 (!*p.variant || host_rank(p.variant) >= 0);
	*ret = p;
	return 0;
}

struct vmb_platform_name vmb_platform_name(const struct vmb_platform *p)
{
	struct vmb_platform_name name;

	snprintf(name.text, sizeof(name.text), "%s/%s%s%s", p->os, p->arch, *p->variant ? "/" : "",
		 p->variant);
	return name;
}

int vmb_platform_check(const char *text)
{
	struct vmb_platform p, host;
	char why[200];
	int r = vmb_platform_parse(text, &p);

	if (r < 0 || p.host)
		return r;
	r = vmb_platform_parse(NULL, &host);
	if (r < 0)
		return r;
	snprintf(why, sizeof(why), "cannot run here: guests of this host are %s",
		 vmb_platform_name(&host).text);
	return refuse(text, why);
}

int vmb_platform_check_image(const char *text, const char *arch)
{
	struct vmb_platform wanted;
	int r = vmb_platform_parse(text, &wanted);

	if (r < 0 || !arch || !*arch || vmb_streq(arch, wanted.arch))
		return r;
	return vmb_error(VMBOOT_EIMAGE, "the image is for %s, and %s is %s", vmb_show(arch).text,
			 text ? "what is wanted" : "this host", wanted.arch);
}

int vmb_platform_rank(const struct vmb_platform *p, const struct vmb_oci_blob *image)
{
	const char *variant = image->variant && *image->variant ? image->variant : NULL;

	if ((image->os && *image->os && !vmb_streq(image->os, p->os)) ||
	    (image->arch && *image->arch && !vmb_streq(image->arch, p->arch)))
		return -1;
	if (*p->variant)
		return !variant || vmb_streq(variant, p->variant) ? 1 + !!variant : -1;
	return p->host ? host_rank(variant) : 1;
}

static bool is_candidate(const struct vmb_platform *p, const struct vmb_oci_blob *b,
			 const char *tag)
{
	return (b->type == VMB_OCI_MANIFEST || b->type == VMB_OCI_INDEX) &&
	       vmb_platform_rank(p, b) >= 0 && (!tag || vmb_streq(b->tag, tag));
}

const struct vmb_oci_blob *vmb_platform_choose(const struct vmb_platform *p,
					       const struct vmb_oci_index *index, const char *tag,
					       size_t *ret_n)
{
	const struct vmb_oci_blob *found = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < index->n; i++) {
		const struct vmb_oci_blob *b = &index->blobs[i];

		if (!is_candidate(p, b, tag))
			continue;
		if (!found || vmb_platform_rank(p, b) > vmb_platform_rank(p, found)) {
			found = b;
			*ret_n = 0;
		}
		if (vmb_platform_rank(p, b) == vmb_platform_rank(p, found))
			*ret_n += found == b || !vmb_streq(found->hex, b->hex);
	}
	return found;
}

void vmb_platform_list(const struct vmb_oci_index *index, char *out, size_t size)
{
	*out = '\0';
	for (size_t i = 0; i < index->n; i++) {
		const struct vmb_oci_blob *b = &index->blobs[i];
		char word[300];

		snprintf(word, sizeof(word), "%s/%s%s%s", b->os ? b->os : "?",
			 b->arch ? b->arch : "?", b->variant ? "/" : "",
			 b->variant ? b->variant : "");
		vmb_strlcat(out, *out ? ", " : "", size);
		vmb_strlcat(out, vmb_show(word).text, size);
	}
	if (!*out)
		vmb_strlcpy(out, "nothing", size);
}
