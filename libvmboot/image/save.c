/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <vmboot/image.h>

#include "archive/path.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"
#include "base/process.h"
#include "base/sigpipe.h"
#include "image/index.h"
#include "image/oci-write.h"
#include "opts/opts.h"

/*
 * An image of the store as an OCI layout with one layer, which sqfs2tar makes of the disk. It is
 * made in a folder beside the target, and renamed at the end.
 */

VMB_DEFINE_CLEANUP(writer_freep, struct archive *, archive_write_free)
VMB_DEFINE_CLEANUP(entry_freep, struct archive_entry *, archive_entry_free)

enum { CHUNK = 1 << 18, MEMBER_MODE = 0644 };

struct target {
	bool archive; /* else a folder */
	char *path, *tag;
};

static void target_done(struct target *t)
{
	free(TAKE_PTR(t->path));
	free(TAKE_PTR(t->tag));
}

/* "oci:DIR[:TAG]" or "oci-archive:FILE[:TAG]"; without a tag it is that of the image's name. */
static int parse_target(const char *text, const char *name, struct target *ret)
{
	const char *rest = vmb_skip_prefix(text, "oci:"), *tag = strrchr(name, ':');
	_cleanup_free_ char *path = NULL;
	char *colon;
	int r;

	ret->archive = !rest;
	if (!rest)
		rest = vmb_skip_prefix(text, "oci-archive:");
	if (!rest || !*rest || *rest == ':')
		return vmb_error(VMBOOT_EOPTS,
				 "\"%s\" is nothing to save to; it has to be oci:DIR[:TAG] or "
				 "oci-archive:FILE[:TAG]",
				 vmb_show(text).text);
	r = vmb_strdup(rest, &path);
	if (r < 0)
		return r;
	colon = strrchr(path, ':');
	if (colon && !strchr(colon, '/')) {
		*colon = '\0';
		tag = colon;
	}
	r = vmb_strdup(tag && tag[1] ? tag + 1 : "latest", &ret->tag);
	if (r == 0)
		r = vmb_absolute(path, &ret->path);
	if (r == 0 && vmb_exists(ret->path))
		r = vmb_error(EEXIST, "%s exists; save to another path", ret->path);
	return r;
}

/* What the tool writes becomes the file path. */
static int copy_output(struct vmb_process *p, const char *path, struct vmb_oci_written *ret)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MEMBER_MODE);
	struct pollfd in = {.fd = p->stdout_fd, .events = POLLIN};
	_cleanup_free_ char *chunk = malloc(CHUNK);
	struct vmb_hash hash;
	ssize_t n = 1;
	int r = 0;

	if (!chunk)
		return vmb_oom();
	if (fd < 0)
		return vmb_errno(errno, "cannot write %s", path);
	vmb_hash_init(&hash);
	while (r >= 0 && n != 0) {
		r = vmb_limit_poll(&in, vmb_deadline_in(VMB_LIMIT_DEFAULT_MS));
		if (r <= 0)
			return r < 0 ? r : vmb_error(ETIMEDOUT, "sqfs2tar hangs");
		n = read(in.fd, chunk, CHUNK);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return vmb_errno(errno, "cannot read what sqfs2tar writes");
		vmb_hash_add(&hash, chunk, (size_t)n);
		ret->size += (uint64_t)n;
		r = vmb_write_all(fd, path, chunk, (size_t)n);
	}
	vmb_hash_hex(&hash, ret->hex);
	return r < 0 ? r : 0;
}

static int write_layer(const struct vmb_image *image, const char *blobs,
		       struct vmb_oci_written *ret)
{
	const char *const argv[] = {"sqfs2tar", "--no-skip", "--root-becomes",
				    ".",	image->disk, NULL};
	_cleanup_process_ struct vmb_process p = VMB_PROCESS_INIT;
	_cleanup_free_ char *tmp = NULL, *path = NULL;
	int r = vmb_asprintf(&tmp, "%s/layer", blobs);

	if (r == 0)
		r = vmb_process_start(&p, argv, VMB_PIPE_STDOUT);
	if (r == -VMBOOT_EHOST)
		vmb_error_prefix("install squashfs-tools-ng");
	if (r == 0)
		r = copy_output(&p, tmp, ret);
	if (r == 0)
		r = vmb_process_finish(&p);
	if (r == 0)
		r = vmb_asprintf(&path, "%s/%s", blobs, ret->hex);
	return r < 0 ? r : vmb_rename(tmp, path);
}

static int write_blob(const char *blobs, const char *text, struct vmb_oci_written *ret)
{
	_cleanup_free_ char *path = NULL;
	struct vmb_hash hash;
	int r;

	vmb_hash_init(&hash);
	vmb_hash_add(&hash, text, strlen(text));
	vmb_hash_hex(&hash, ret->hex);
	ret->size = strlen(text);
	r = vmb_asprintf(&path, "%s/%s", blobs, ret->hex);
	return r < 0 ? r : vmb_write_file_atomic(path, text, strlen(text), MEMBER_MODE);
}

static int write_top(const char *folder, const char *name, const char *text)
{
	_cleanup_free_ char *path = NULL;
	int r = vmb_asprintf(&path, "%s/%s", folder, name);

	return r < 0 ? r : vmb_write_file_atomic(path, text, strlen(text), MEMBER_MODE);
}

static int write_layout(const struct vmb_image *image, const char *tag, const char *folder)
{
	_cleanup_free_ char *blobs = NULL, *config_json = NULL, *manifest_json = NULL,
			    *index = NULL;
	struct vmb_oci_written layer = {0}, config = {0}, manifest = {0};
	int r = vmb_asprintf(&blobs, "%s/blobs/sha256", folder);

	if (r == 0)
		r = vmb_mkdir_p(blobs, 0755);
	if (r == 0)
		r = write_layer(image, blobs, &layer);
	if (r == 0)
		r = vmb_oci_config_encode(image, &layer, &config_json);
	if (r == 0)
		r = write_blob(blobs, config_json, &config);
	if (r == 0)
		r = vmb_oci_manifest_encode(&config, &layer, &manifest_json);
	if (r == 0)
		r = write_blob(blobs, manifest_json, &manifest);
	if (r == 0)
		r = vmb_oci_index_encode(&manifest, tag, &index);
	if (r == 0)
		r = write_top(folder, "index.json", index);
	return r < 0 ? r : write_top(folder, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

static int archive_failed(struct archive *a, const char *path)
{
	return vmb_errno(archive_errno(a) > 0 ? archive_errno(a) : EIO, "cannot write %s", path);
}

static int add_member(struct archive *a, const char *folder, const char *name, const char *path)
{
	vmb_cleanup(entry_freep) struct archive_entry *e = archive_entry_new();
	_cleanup_free_ char *file = NULL, *chunk = malloc(CHUNK);
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t n;
	int r = vmb_asprintf(&file, "%s/%s", folder, name);

	if (r < 0 || !e || !chunk)
		return vmb_oom();
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return vmb_errno(errno, "cannot read %s", file);
	archive_entry_set_pathname(e, name);
	archive_entry_set_size(e, st.st_size);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, MEMBER_MODE);
	if (archive_write_header(a, e) < ARCHIVE_WARN)
		return archive_failed(a, path);
	while ((n = read(fd, chunk, CHUNK)) != 0) {
		r = vmb_limit_check();
		if (r < 0)
			return r;
		if (n < 0)
			return vmb_errno(errno, "cannot read %s", file);
		if (archive_write_data(a, chunk, (size_t)n) < 0)
			return archive_failed(a, path);
	}
	return 0;
}

static int add_blobs(struct archive *a, const char *folder, const char *path)
{
	_cleanup_free_ char *blobs = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int r = vmb_asprintf(&blobs, "%s/blobs/sha256", folder);

	if (r < 0)
		return r;
	dir = opendir(blobs);
	if (!dir)
		return vmb_errno(errno, "cannot read %s", blobs);
	while (r == 0 && (d = readdir(dir))) {
		_cleanup_free_ char *name = NULL;

		if (d->d_name[0] == '.')
			continue;
		r = vmb_asprintf(&name, "blobs/sha256/%s", d->d_name);
		if (r == 0)
			r = add_member(a, folder, name, path);
	}
	return r;
}

/* The layout in folder as one tar file. */
static int write_archive(const char *folder, const char *path)
{
	vmb_cleanup(writer_freep) struct archive *a = archive_write_new();
	int r;

	if (!a)
		return vmb_oom();
	if (archive_write_set_format_pax_restricted(a) < ARCHIVE_WARN ||
	    archive_write_open_filename(a, path) != ARCHIVE_OK)
		return archive_failed(a, path);
	r = add_member(a, folder, "oci-layout", path);
	if (r == 0)
		r = add_member(a, folder, "index.json", path);
	if (r == 0)
		r = add_blobs(a, folder, path);
	return r == 0 && archive_write_close(a) != ARCHIVE_OK ? archive_failed(a, path) : r;
}

static int put_in_place(const struct target *target, char **tmp)
{
	_cleanup_free_ char *archive = NULL;
	int r;

	if (target->archive) {
		r = vmb_asprintf(&archive, "%s/archive", *tmp);
		if (r == 0)
			r = write_archive(*tmp, archive);
		return r < 0 ? r : vmb_rename(archive, target->path);
	}
	if (chmod(*tmp, 0755) < 0)
		return vmb_errno(errno, "cannot write %s", *tmp);
	r = vmb_rename(*tmp, target->path);
	if (r == 0)
		free(TAKE_PTR(*tmp));
	return r;
}

static int save(const struct vmb_image *image, const struct target *target)
{
	_cleanup_tmp_folder_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (!vmb_streq(image->fstype, "squashfs"))
		return vmb_error(
			VMBOOT_EIMAGE,
			"%s is an image of a disk with %s; only one of squashfs can be saved",
			image->name, image->fstype);
	r = vmb_store_tmp_folder(target->path, &tmp, &fd);
	if (r == 0)
		r = write_layout(image, target->tag, tmp);
	return r < 0 ? r : put_in_place(target, &tmp);
}

int vmboot_image_save(const struct vmboot_opts *where, const char *name, const char *target)
{
	VMB_NO_SIGPIPE;
	vmb_cleanup(target_done) struct target to = {0};
	_cleanup_image_ struct vmb_image image = {0};
	_cleanup_store_ struct vmb_store store = {0};
	struct vmboot_opts own;
	int r = vmb_opts_read(where, false, &own);

	if (r < 0)
		return r;
	VMB_LIMIT(&own, "saving the image");
	if (!name || !target || vmb_is_source(name))
		return vmb_error(VMBOOT_ENOIMAGE, "\"%s\" is not the name of an image in the store",
				 vmb_show(name).text);
	r = vmb_store_find(own.store, &store);
	if (r >= 0)
		r = vmb_image_find(&store, name, &image);
	if (r == 0)
		r = parse_target(target, image.name, &to);
	return r < 0 ? r : save(&image, &to);
}
