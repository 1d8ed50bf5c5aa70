/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/source.h"

#include "base/error.h"
#include "base/file.h"
#include "image/name.h"
#include "image/saved.h"

static const struct vmb_source_kind *const kinds[] = {
	&vmb_source_oci,	 &vmb_source_dir,     &vmb_source_tar,
	&vmb_source_disk,	 &vmb_source_docker,  &vmb_source_docker_archive,
	&vmb_source_oci_archive, &vmb_source_storage, &vmb_source_docker_daemon,
	&vmb_source_skopeo_dir,
};

const struct vmb_source_kind *vmb_source_kind_of(const char *ref)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (vmb_skip_prefix(ref, kinds[i]->prefix))
			return kinds[i];
	return NULL;
}

bool vmb_is_source(const char *ref)
{
	return vmb_source_kind_of(ref);
}

static int check_type(const struct vmb_source *s)
{
	bool folder = S_ISDIR(s->kind->type);
	struct stat st;

	if (stat(s->path, &st) < 0 && errno == ENOENT)
		return vmb_error(VMBOOT_EIMAGE, "%s%s does not exist", s->kind->prefix, s->path);
	if (stat(s->path, &st) < 0)
		return vmb_errno(errno, "cannot use %s%s", s->kind->prefix, s->path);
	if ((st.st_mode & S_IFMT) != s->kind->type)
		return vmb_error(VMBOOT_EIMAGE, "%s%s is not a %s", s->kind->prefix, s->path,
				 folder ? "folder" : "regular file");
	return 0;
}

int vmb_source_parse(const char *ref, struct vmb_source *ret)
{
	_cleanup_source_ struct vmb_source s = {.kind = vmb_source_kind_of(ref)};
	const char *saved;
	int r;

	if (!s.kind)
		return 0;
	ref += strlen(s.kind->prefix);
	if (!*ref)
		return vmb_error(VMBOOT_EIMAGE, "%s needs a path behind it", s.kind->prefix);
	r = s.kind->parse ? s.kind->parse(ref, &s) : vmb_absolute(ref, &s.path);
	if (r == 0 && s.kind->type)
		r = check_type(&s);
	if (r < 0)
		return r;
	saved = s.kind == &vmb_source_tar ? vmb_saved_file(s.path) : NULL;
	if (saved)
		s.kind = vmb_source_kind_of(saved);
	*ret = s;
	s = (struct vmb_source){0};
	return 1;
}

static bool is_of_type(const char *path, mode_t type)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

/* Where the path in text ends, which is there cut off what is behind its colon; NULL: nowhere. */
static char *cut_path(char *text, mode_t type)
{
	if (is_of_type(text, type))
		return text + strlen(text);
	for (char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
		*colon = '\0';
		if (is_of_type(text, type))
			return colon;
		*colon = ':';
	}
	return NULL;
}

int vmb_source_split(const struct vmb_source_kind *kind, const char *text, char **ret_path,
		     char **ret_rest)
{
	_cleanup_free_ char *path = NULL, *rest = NULL;
	const char *end;
	int r = vmb_strdup(text, &path);

	if (r < 0)
		return r;
	end = cut_path(path, kind->type);
	if (!end)
		return vmb_error(VMBOOT_EIMAGE, "%s%s: there is no such %s", kind->prefix, text,
				 S_ISDIR(kind->type) ? "folder" : "file");
	if ((size_t)(end - path) < strlen(text)) {
		if (!end[1])
			return vmb_error(VMBOOT_EIMAGE, "%s%s has an empty tag", kind->prefix,
					 text);
		r = vmb_strdup(end + 1, &rest);
	}
	if (r == 0)
		r = vmb_absolute(path, ret_path);
	if (r == 0)
		*ret_rest = TAKE_PTR(rest);
	return r;
}

void vmb_source_done(struct vmb_source *source)
{
	free(TAKE_PTR(source->path));
	free(TAKE_PTR(source->tag));
}

int vmb_source_text(const struct vmb_source *source, char **ret)
{
	return vmb_asprintf(ret, "%s%s%s%s", source->kind->prefix, source->path,
			    source->tag ? ":" : "", source->tag ? source->tag : "");
}

struct vmb_source_usage vmb_source_usage(void)
{
	struct vmb_source_usage u = {""};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *comma = i + 1 < ARRAY_SIZE(kinds) ? ", " : " or ";

		vmb_strlcat(u.text, i ? comma : "", sizeof(u.text));
		vmb_strlcat(u.text, kinds[i]->usage, sizeof(u.text));
	}
	return u;
}

/* Endings of files that are no part of a name. */
static const char *const endings[] = {
	".gz",	".xz",	 ".zst", ".bz2", ".lzma",     ".lz4",  ".Z",	 ".tar",  ".tgz",
	".txz", ".tbz2", ".img", ".raw", ".squashfs", ".sqfs", ".erofs", ".ext4",
};

static void cut_endings(char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		if (vmb_ends_with(name, endings[i]) && !vmb_streq(name, endings[i]))
			name[strlen(name) - strlen(endings[i])] = '\0';
}

int vmb_source_name(const struct vmb_source *source, char **ret)
{
	return source->kind->name ? source->kind->name(source, ret)
				  : vmb_source_file_name(source, ret);
}

int vmb_source_file_name(const struct vmb_source *source, char **ret)
{
	_cleanup_free_ char *base = NULL;
	int r = vmb_strdup(strrchr(source->path, '/') + 1, &base);

	if (r < 0)
		return r;
	if (S_ISREG(source->kind->type))
		cut_endings(base);
	return vmb_name_make(base, source->tag, ret);
}
