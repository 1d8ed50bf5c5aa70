/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_EXEC_H
#define VMBOOT_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vmboot/export.h>
#include <vmboot/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What to run in a guest. A member that is 0 or NULL means its default. Since 0.1. */
struct vmboot_exec_opts {
	size_t size;		 /**< sizeof(struct vmboot_exec_opts) */
	const char *const *args; /**< NULL-ended; the first is looked up in the guest's PATH */
	const char *const *env;	 /**< NULL-ended "K=V", over the program's */
	const char *workdir;	 /**< absolute; NULL: that of the VM's program; "/" in 0.1 */
	const char *user;	 /**< "name", "uid", with ":group"; NULL: that of the VM's program;
				    root in 0.1 */
	const void *input;	 /**< what the program reads from standard input; NULL: nothing */
	size_t input_size;	 /**< bytes of input */
	size_t output_max;	 /**< bytes kept of each output; 0: 16 MiB */
	int timeout_ms;		 /**< the program is killed after that; 0: no limit */
	bool tty;		 /**< streams only: give it a terminal */
	unsigned rows, columns;	 /**< of the terminal */
};

/** An initialiser: size set, all else as written or default. */
#define VMBOOT_EXEC_OPTS(...)                                                                      \
	{                                                                                          \
		.size = sizeof(struct vmboot_exec_opts), __VA_ARGS__                               \
	}

/** How a program ended, and its output. Since 0.1. */
struct vmboot_exec_result {
	size_t size;	 /**< of this struct in the library that filled it */
	int exit_code;	 /**< its code if it ended by itself; else -1 */
	int exit_signal; /**< the signal that ended it, or 0 */
	bool timed_out;	 /**< the timeout was reached */
	const char *out; /**< standard output, followed by a 0 */
	size_t out_size; /**< bytes of it, without that 0 */
	bool out_cut;	 /**< there was more than output_max */
	const char *err; /**< standard error, likewise */
	size_t err_size;
	bool err_cut;
	char padding[7]; /**< 0 */
};

/** A path in a guest, as stat(2) describes it. Since 0.1. */
struct vmboot_stat {
	size_t size;	   /**< of this struct in the library that filled it */
	bool exists;	   /**< false: all below is 0 */
	uint32_t mode;	   /**< type and permissions, as st_mode */
	uint32_t uid, gid; /**< owner */
	uint32_t nlink;	   /**< links */
	uint64_t bytes;	   /**< size */
	uint64_t blocks;   /**< of 512 bytes */
	uint64_t inode, device;
	int64_t atime_ns, mtime_ns, ctime_ns; /**< since 1970 */
	const char *target;		      /**< of a symbolic link, else "" */
};

/**
 * vmboot_exec: run a program in a guest until it ends.
 * @vm: the handle.
 * @opts: what to run.
 * @ret_result: (out) freed with vmboot_exec_result_free().
 *
 * Returns: 0, the program ran, and ended in any way; -ENOENT or -EACCES, it could not be run;
 * -VMBOOT_ENOAGENT, the VM was made with skip_guest_agent, or the agent does not answer;
 * -ENOTSUP, the image's own agent cannot do it, and the error says what;
 * -VMBOOT_EENDED, the guest ended; -VMBOOT_EGUEST, the agent sent invalid data; -VMBOOT_ELIBVIRT; or
 * a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_exec(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts,
			   struct vmboot_exec_result **ret_result);

/** vmboot_exec_result_free: free a result, or NULL. Thread-safe. Since 0.1. */
VMBOOT_API void vmboot_exec_result_free(struct vmboot_exec_result *result);

/**
 * vmboot_exec_stream: run a program in a guest with its standard streams connected to the
 * caller's descriptors.
 * @vm: the handle.
 * @opts: what to run; input and output_max are ignored.
 * @fds: three descriptors: its standard input is read from fds[0], its output and errors are
 * written to fds[1] and fds[2]; -1: none. They still belong to the caller, and stay blocking if they were.
 * @control_fd: -1, or the read end of a pipe on which the caller writes struct
 * vmboot_exec_control records.
 * @ret_status: (out) exit code, or 256 + signal.
 *
 * Blocks until the program has ended and all its output is written. Several programs may run at once, from
 * several threads and processes. One that is stuck does not stop the others.
 *
 * Returns: as vmboot_exec(); -ETIMEDOUT, it reached opts->timeout_ms and was killed; -EBUSY, 25 other
 * handles use the VM's agent, or libvirt refuses to add a port for this one. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_exec_stream(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts,
				  const int fds[3], int control_fd, int *ret_status);

/** What a caller can do to a running program. */
enum vmboot_exec_action {
	VMBOOT_EXEC_SIGNAL = 1, /**< value: the signal, to its process group */
	VMBOOT_EXEC_RESIZE = 2, /**< value: columns << 16 | rows */
};

/** One record on the control pipe; writes of it are atomic. Since 0.1. */
struct vmboot_exec_control {
	uint32_t action; /**< enum vmboot_exec_action */
	uint32_t value;
};

/**
 * vmboot_stat: describe a path in a guest.
 * @vm: the handle.
 * @path: absolute, in UTF-8.
 * @follow: true: describe a link's target; false: the link itself.
 * @ret_stat: (out) freed with vmboot_stat_free().
 *
 * If the VM is still booting, it waits up to 10 seconds for the agent.
 *
 * Returns: 0, also if the path does not exist; else as vmboot_exec(). Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_stat(struct vmboot_vm *vm, const char *path, bool follow,
			   struct vmboot_stat **ret_stat);

/** vmboot_stat_free: free a stat, or NULL. Thread-safe. Since 0.1. */
VMBOOT_API void vmboot_stat_free(struct vmboot_stat *stat);

/**
 * vmboot_copy_to: copy a file or a tree from the host into a guest.
 * @vm: the handle.
 * @from: path on the host.
 * @to: absolute path in the guest; if it is a folder, the copy is put into it, as with cp -a. A device or
 * a pipe is not replaced.
 *
 * Owners (by number), modes, times, links and holes are kept.
 *
 * Returns: as vmboot_exec(). Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_copy_to(struct vmboot_vm *vm, const char *from, const char *to);

/**
 * vmboot_copy_from: copy a file or a tree out of a guest.
 * @vm: the handle.
 * @from: absolute path in the guest.
 * @to: path on the host; if it is a folder, the copy is put into it. A device or a pipe is not replaced.
 *
 * Nothing that the guest sends can write outside the copy, whatever names, links and sizes it claims.
 * Modes, times, links and holes are kept; owners only if the caller is root. In that case, a guest may
 * send devices and programs that run as root: choose a folder that others cannot enter.
 *
 * Returns: as vmboot_exec(); -VMBOOT_EGUEST, the guest sent invalid data.
 * Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_copy_from(struct vmboot_vm *vm, const char *from, const char *to);

/**
 * vmboot_copy_archive_to: unpack a tar archive in a guest.
 * @vm: the handle.
 * @fd: read to the archive's end: any of tar's formats, or compressed by gzip, bzip2, xz or zstd.
 * @to: absolute path of a folder in the guest.
 *
 * Owners (by number), modes, times, links and holes are as in the archive. How long it takes
 * also depends on who writes the archive.
 *
 * Returns: as vmboot_exec(). Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_copy_archive_to(struct vmboot_vm *vm, int fd, const char *to);

/**
 * vmboot_copy_archive_from: copy a file or a tree out of a guest as a tar archive.
 * @vm: the handle.
 * @from: absolute path in the guest; the archive has it under its own name.
 * @fd: the archive, in pax format, is written here. After an error it is incomplete.
 *
 * The bytes come from the guest and are not checked: be careful when you unpack them.
 *
 * Returns: as vmboot_exec(). Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_copy_archive_from(struct vmboot_vm *vm, const char *from, int fd);

#ifdef __cplusplus
}
#endif
#endif
