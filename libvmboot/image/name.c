/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/name.h"

#include "archive/path.h"
#include "base/error.h"
#include "image/image.h"
#include "image/oci-json.h"

enum {
	NAME_BYTES_MAX = 255, /* of host and path */
	TAG_MAX = 128,
};

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER
#define WORD ALNUM "_"
#define RULE                                                                                       \
	"a name is [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]; PATH has lower-case letters, digits " \
	"and inner . _ -, parts divided by /"

/* The bytes of the longest run of set at s, at most n. */
static size_t span(const char *s, size_t n, const char *set)
{
	size_t i = 0;

	while (i < n && s[i] && strchr(set, s[i]))
		i++;
	return i;
}

/* "." or "_" or "__" or dashes between runs of lower-case letters and digits. */
static bool is_path_part(const char *s, size_t n)
{
	size_t run = span(s, n, LOWER);

	while (run > 0 && run < n) {
		size_t sep = span(s + run, n - run, "-");

		s += run;
		n -= run;
		if (sep == 0)
			sep = n >= 2 && memcmp(s, "__", 2) == 0 ? 2 : span(s, 1, "._");
		if (sep == 0)
			return false;
		s += sep;
		n -= sep;
		run = span(s, n, LOWER);
	}
	return run > 0 && run == n;
}

static bool is_path(const char *s, size_t n)
{
	for (;;) {
		const char *slash = memchr(s, '/', n);
		size_t part = slash ? (size_t)(slash - s) : n;

		if (!is_path_part(s, part))
			return false;
		if (!slash)
			return true;
		s += part + 1;
		n -= part + 1;
	}
}

/* Labels of letters, digits and inner dashes, divided by dots; then perhaps a port. */
static bool is_host(const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t host = colon ? (size_t)(colon - s) : n, start = 0;

	if (colon && (n - host < 2 || n - host > 6 ||
		      span(colon + 1, n - host - 1, "0123456789") != n - host - 1))
		return false;
	for (size_t i = 0; i <= host; i++) {
		if (i < host && s[i] != '.')
			continue;
		if (i == start || s[start] == '-' || s[i - 1] == '-' ||
		    span(s + start, i - start, ALNUM "-") != i - start)
			return false;
		start = i + 1;
	}
	return true;
}

static bool is_tag(const char *s, size_t n)
{
	return n > 0 && n <= TAG_MAX && span(s, 1, WORD) == 1 && span(s, n, WORD ".-") == n;
}

static bool is_hex_id(const char *s, size_t n)
{
	return n == VMB_SHA256_HEX && span(s, n, "0123456789abcdef") == n;
}

#define LOCAL_HOST "localhost"
#define HUB "docker.io"

struct parts {
	const char *host; /* n_host 0: a short name */
	const char *path, *tag, *digest;
	size_t n_host, n_path, n_tag;
};

static bool is_word(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && memcmp(s, word, n) == 0;
}

/* The first part of a name, if it is a host: its length, else 0. */
static size_t host_length(const char *s, size_t n)
{
	const char *slash = memchr(s, '/', n);
	size_t first = slash ? (size_t)(slash - s) : 0;

	return memchr(s, '.', first) || memchr(s, ':', first) || is_word(s, first, LOCAL_HOST)
		       ? first
		       : 0;
}

static bool split(const char *name, struct parts *p)
{
	const char *at = strchr(name, '@');
	size_t n = at ? (size_t)(at - name) : strlen(name), host = host_length(name, n);
	const char *colon;

	*p = (struct parts){.host = name, .n_host = host, .path = name + (host ? host + 1 : 0)};
	p->n_path = n - (size_t)(p->path - name);
	p->digest = at ? at + 1 : NULL;
	colon = memchr(p->path, ':', p->n_path);
	if (colon) {
		p->tag = colon + 1;
		p->n_tag = p->n_path - (size_t)(p->tag - p->path);
		p->n_path = (size_t)(colon - p->path);
	}
	if (is_word(name, host, "index.docker.io")) {
		p->host = HUB;
		p->n_host = strlen(HUB);
	}
	return (host == 0 || is_host(p->host, p->n_host)) && is_path(p->path, p->n_path) &&
	       !is_hex_id(p->path, p->n_path) && (!p->tag || is_tag(p->tag, p->n_tag)) &&
	       (!p->digest || vmb_digest_hex(p->digest)) && p->n_host + p->n_path <= NAME_BYTES_MAX;
}

static int parse_name(const char *name, struct parts *p)
{
	if (!name || !split(name, p))
		return vmb_error(VMBOOT_EIMAGE, "\"%s\" is not the name of an image: " RULE,
				 vmb_show(name).text);
	if (!p->tag && !p->digest) {
		p->tag = "latest";
		p->n_tag = strlen(p->tag);
	}
	return 0;
}

/* host: of a short name */
static int format_name(const struct parts *p, const char *host, char **ret)
{
	size_t n_host = p->n_host ? p->n_host : strlen(host);
	bool library;

	host = p->n_host ? p->host : host;
	library = is_word(host, n_host, HUB) && !memchr(p->path, '/', p->n_path);
	return vmb_asprintf(ret, "%.*s/%s%.*s%s%.*s%s%s", (int)n_host, host,
			    library ? "library/" : "", (int)p->n_path, p->path, p->tag ? ":" : "",
			    (int)p->n_tag, p->tag ? p->tag : "", p->digest ? "@" : "",
			    p->digest ? p->digest : "");
}

int vmb_image_full_name(const char *name, char **ret)
{
	struct parts p;
	int r = parse_name(name, &p);

	return r < 0 ? r : format_name(&p, LOCAL_HOST, ret);
}

int vmb_name_candidates(const char *name, char ***ret)
{
	static const char *const hosts[] = {LOCAL_HOST, HUB};
	_cleanup_list_ char **list = NULL;
	struct parts p;
	int r = parse_name(name, &p);

	for (size_t i = 0; i < (p.n_host ? 1 : ARRAY_SIZE(hosts)) && r == 0; i++) {
		_cleanup_free_ char *full = NULL;

		r = format_name(&p, hosts[i], &full);
		if (r == 0)
			r = vmb_list_add(&list, full);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	return 0;
}

int vmb_name_check(const char *name, bool *ret_short)
{
	struct parts p;
	int r = parse_name(name, &p);

	if (r < 0)
		return r;
	*ret_short = p.n_host == 0;
	return 0;
}

int vmb_name_on_hub(const char *name, char **ret)
{
	struct parts p;
	int r = parse_name(name, &p);

	return r < 0 ? r : format_name(&p, HUB, ret);
}

int vmb_name_without_tag(const char *full, char **ret)
{
	struct parts p;
	int r = parse_name(full, &p);

	p.tag = p.digest = NULL;
	p.n_tag = 0;
	return r < 0 ? r : format_name(&p, HUB, ret);
}

const char *vmb_name_digest(const char *full)
{
	const char *at = strchr(full, '@');

	return at ? at + 1 : NULL;
}

/* Lower case, and one dash for each run of what a path part cannot have. */
static void fit_path(const char *s, char *out, size_t size)
{
	size_t n = 0;

	for (; *s && n + 1 < size; s++) {
		char c = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;

		if (strchr(LOWER, c))
			out[n++] = c;
		else if (n > 0 && strchr(LOWER, out[n - 1]))
			out[n++] = strchr("._", c) ? c : '-';
	}
	while (n > 0 && !strchr(LOWER, out[n - 1]))
		n--;
	out[n] = '\0';
}

static void fit_tag(const char *s, char *out, size_t size)
{
	size_t n = 0;

	for (; *s && n + 1 < size; s++)
		if (strchr(n ? WORD ".-" : WORD, *s))
			out[n++] = *s;
		else if (n)
			out[n++] = '-';
	out[n] = '\0';
}

int vmb_name_make(const char *base, const char *tag, char **ret)
{
	char path[128], fit[TAG_MAX + 1];

	fit_path(base, path, sizeof(path));
	fit_tag(tag ? tag : "", fit, sizeof(fit));
	if (is_hex_id(path, strlen(path)))
		path[VMB_SHA256_HEX - 1] = '\0';
	return vmb_asprintf(ret, "localhost/%s:%s", *path ? path : "image", *fit ? fit : "latest");
}
