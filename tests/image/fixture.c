/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/process.h"

static void must(int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "fixture: %s\n", vmboot_last_error()->message);
	abort();
}

const char *fixture_run(const char *const *argv)
{
	_cleanup_free_ char *out = NULL;

	must(vmb_run(argv, &out));
	return test_path("%s", out);
}

static void set_kind(struct archive_entry *e, const struct fixture_entry *f)
{
	static const struct {
		char type;
		unsigned mode;
	} kinds[] = {{'f', AE_IFREG}, {'s', AE_IFREG}, {'h', AE_IFREG},
		     {'d', AE_IFDIR}, {'l', AE_IFLNK}, {'c', AE_IFCHR}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == f->type)
			archive_entry_set_filetype(e, kinds[i].mode);
	archive_entry_set_perm(e, f->mode ? f->mode : f->type == 'd' ? 0755 : 0644);
	if (f->type == 'l')
		archive_entry_copy_symlink(e, f->text);
	if (f->type == 'h')
		archive_entry_copy_hardlink(e, f->text);
	if (f->type == 'f')
		archive_entry_set_size(e, f->text ? (la_int64_t)strlen(f->text) : 0);
	if (f->type == 'c') {
		archive_entry_set_rdevmajor(e, 5);
		archive_entry_set_rdevminor(e, 1);
	}
	if (f->type == 's') {
		archive_entry_set_size(e, 1 << 20);
		archive_entry_sparse_add_entry(e, 1 << 19, 4096);
	}
}

static void write_content(struct archive *a, const struct fixture_entry *f)
{
	char *zeros;

	if (f->type == 'f' && f->text)
		must((int)archive_write_data(a, f->text, strlen(f->text)));
	if (f->type != 's')
		return;
	zeros = calloc(1, 1 << 20);
	memset(zeros + (1 << 19), 'x', 4096);
	must((int)archive_write_data(a, zeros, 1 << 20));
	free(zeros);
}

static void write_entry(struct archive *a, const struct fixture_entry *f)
{
	struct archive_entry *e = archive_entry_new();
	const char *value = f->xattr ? strchr(f->xattr, '=') : NULL;
	char name[100];

	archive_entry_copy_pathname(e, f->path);
	archive_entry_set_uid(e, f->uid);
	archive_entry_set_gid(e, f->gid);
	archive_entry_set_mtime(e, 1000000000, 0);
	set_kind(e, f);
	if (value) {
		snprintf(name, sizeof(name), "%.*s", (int)(value - f->xattr), f->xattr);
		archive_entry_xattr_add_entry(e, name, value + 1, strlen(value + 1));
	}
	if (archive_write_header(a, e) < ARCHIVE_WARN) {
		fprintf(stderr, "fixture: %s: %s\n", f->path, archive_error_string(a));
		abort();
	}
	write_content(a, f);
	archive_entry_free(e);
}

void fixture_tar(const char *path, const struct fixture_layer *layer, const char *filter)
{
	locale_t utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0), old = uselocale(utf8);
	struct archive *a = archive_write_new();

	archive_write_set_format_pax(a);
	if (!vmb_streq(filter, "none"))
		must(archive_write_add_filter_by_name(a, filter));
	must(archive_write_open_filename(a, path));
	for (const struct fixture_entry *e = layer->entries; e->path; e++)
		write_entry(a, e);
	must(archive_write_close(a));
	archive_write_free(a);
	uselocale(old);
	freelocale(utf8);
}

const char *fixture_blob(const char *dir, const char *text)
{
	char hex[VMB_SHA256_HEX + 1];
	struct vmb_hash h;

	vmb_hash_init(&h);
	vmb_hash_add(&h, text, strlen(text));
	vmb_hash_hex(&h, hex);
	must(vmb_mkdir_p(test_path("%s/blobs/sha256", dir), 0755));
	test_write(test_path("%s/blobs/sha256/%s", dir, hex), text);
	return test_path("sha256:%s", hex);
}

static const char *layer_blob(const char *dir, const struct fixture_layer *layer,
			      const char *filter)
{
	const char *tmp = test_path("%s/layer.tmp", dir);
	char hex[VMB_SHA256_HEX + 1];
	struct stat st;

	fixture_tar(tmp, layer, filter);
	must(vmb_hash_file(tmp, hex));
	must(stat(tmp, &st));
	must(vmb_rename(tmp, test_path("%s/blobs/sha256/%s", dir, hex)));
	return test_path("{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar%s%s\","
			 "\"digest\":\"sha256:%s\",\"size\":%lld}",
			 vmb_streq(filter, "none") ? "" : "+",
			 vmb_streq(filter, "none") ? "" : filter, hex, (long long)st.st_size);
}

/* Adds to what index.json has. */
static void add_to_index(const char *dir, const char *manifest, size_t size, const char *tag)
{
	const char *index = test_path("%s/index.json", dir), *old = "";

	if (vmb_exists(index)) {
		old = strchr(test_read(index), '[') + 1;
		old = test_path("%.*s,", (int)(strrchr(old, ']') - old), old);
	}
	test_write(index,
		   test_path("{\"schemaVersion\":2,\"manifests\":[%s{\"mediaType\":"
			     "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\","
			     "\"size\":%zu%s%s%s}]}",
			     old, manifest, size,
			     tag ? ",\"annotations\":{\"org.opencontainers.image.ref.name\":\""
				 : "",
			     tag ? tag : "", tag ? "\"}" : ""));
}

const char *fixture_image(const char *dir, const char *tag, const char *config,
			  const struct fixture_layer *layers, size_t n, const char *filter)
{
	const char *list = "", *manifest, *digest;

	must(vmb_mkdir_p(test_path("%s/blobs/sha256", dir), 0755));
	test_write(test_path("%s/oci-layout", dir), "{\"imageLayoutVersion\":\"1.0.0\"}");
	for (size_t i = 0; i < n; i++)
		list = test_path("%s%s%s", list, i ? "," : "", layer_blob(dir, &layers[i], filter));
	config = config ? config : "{\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/sh\"]}}";
	manifest = test_path("{\"schemaVersion\":2,\"config\":{\"mediaType\":"
			     "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\","
			     "\"size\":%zu},\"layers\":[%s]}",
			     fixture_blob(dir, config), strlen(config), list);
	digest = fixture_blob(dir, manifest);
	add_to_index(dir, digest, strlen(manifest), tag);
	return digest;
}

/* "drwxr-xr-x 0/0   3 2001-09-09 01:46 squashfs-root/d" and the like */
static void add_line(struct vmb_buf *out, const char *line)
{
	const char *path = strstr(line, "squashfs-root/");
	char mode[16], owner[32], size[32];

	if (!path || sscanf(line, "%15s %31s %31s", mode, owner, size) != 3)
		return;
	vmb_buf_printf(out, "%s %s %s%s%s\n", mode, owner, *mode == 'd' ? "" : size,
		       *mode == 'd' ? "" : " ", path + strlen("squashfs-root/"));
}

const char *fixture_listing(const char *disk)
{
	_cleanup_buf_ struct vmb_buf out = {0};
	char *save = NULL, *text = strdup(RUN("unsquashfs", "-lln", disk));

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		add_line(&out, line);
	free(text);
	return test_path("%s", out.data ? out.data : "");
}

const char *fixture_cat(const char *disk, const char *path)
{
	return RUN("unsquashfs", "-cat", disk, path);
}

void fixture_unpack(const char *disk, const char *dir)
{
	RUN("unsquashfs", "-q", "-n", "-d", dir, disk);
}

size_t fixture_count(const char *dir, const char *prefix)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d)))
		n += *e->d_name != '.' && vmb_skip_prefix(e->d_name, prefix);
	return n;
}
