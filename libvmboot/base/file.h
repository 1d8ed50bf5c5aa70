/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_FILE_H
#define VMB_BASE_FILE_H

/* Files. Functions that return int give 0 or a negative errno with the error set. */

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/str.h"

VMB_DEFINE_CLEANUP(vmb_closedirp, DIR *, closedir)
#define _cleanup_closedir_ vmb_cleanup(vmb_closedirp)

/*
 * The whole of a regular file (of what there is to read), with a 0 behind it that *ret_n does not
 * count; -EFBIG above max.
 */
int vmb_read_file(const char *path, size_t max, char **ret, size_t *ret_n);
int vmb_read_fd(int fd, const char *what, size_t max, char **ret, size_t *ret_n);

int vmb_write_all(int fd, const char *what, const void *data, size_t n);

/* Writes path.tmp-XXXXXX beside path, then renames it over path. */
int vmb_write_file_atomic(const char *path, const void *data, size_t n, mode_t mode);

/* Opens a new file of that mode with a name no one has, in the folder of path; fills ret_tmp. */
int vmb_open_tmp(const char *path, mode_t mode, int *ret_fd, char **ret_tmp);

/*
 * Makes a file of vmb_open_tmp()'s appear as path: all of it is on the disk first, because what is
 * there after a crash is believed to be whole. *tmp is handed over, and NULL afterwards.
 */
int vmb_publish_tmp(int fd, char **tmp, const char *path);

int vmb_rename(const char *from, const char *to);

/* A temporary file's name that is removed, with the file, unless it was handed over. */
static inline void vmb_unlinkp(char **path)
{
	if (*path) {
		unlink(*path);
		free(*path);
	}
}
#define _cleanup_unlink_ vmb_cleanup(vmb_unlinkp)

/* mkdir -p; new folders get exactly that mode, those that are there stay as they are. */
int vmb_mkdir_p(const char *path, mode_t mode);

/*
 * rm -r, never through a link or into another mount; what is not there is no error. It removes
 * what it can and gives the first failure.
 */
int vmb_rm_rf(const char *path);

bool vmb_exists(const char *path);

/* Copy the data extents of a sparse file, sharing blocks where the file system can. */
int vmb_copy_sparse(int from, int to, const char *what);

/* An absolute path for path, which is not "": links stay, "." and ".." and doubled slashes go. */
int vmb_absolute(const char *path, char **ret);

#endif
