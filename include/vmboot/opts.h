/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_OPTS_H
#define VMBOOT_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmboot/cancel.h>
#include <vmboot/export.h>

#ifdef __cplusplus
extern "C" {
#endif

struct _virConnect; /* libvirt's; `virConnectPtr` points to it */

/** Which process runs as PID 1 in the guest. */
enum vmboot_init_mode {
	VMBOOT_INIT_AUTO = 0,	 /**< systemd mode if the command is an init system, else exec */
	VMBOOT_INIT_EXEC = 1,	 /**< our init stays PID 1 and runs the program */
	VMBOOT_INIT_SYSTEMD = 2, /**< the image's init system becomes PID 1 */
	VMBOOT_INIT_PID1 = 3,	 /**< as exec, but the program sees itself as PID 1; since 0.2 */
};

/** What happens when the program ends (exec mode). */
enum vmboot_on_exit {
	VMBOOT_ON_EXIT_KEEP = 0,     /**< the VM keeps running until it is stopped */
	VMBOOT_ON_EXIT_POWEROFF = 1, /**< the VM syncs and powers off */
};

/** What executes the guest. */
enum vmboot_accel {
	VMBOOT_ACCEL_AUTO = 0, /**< KVM if a guest can run under it here, else TCG */
	VMBOOT_ACCEL_KVM = 1,  /**< KVM; fail if it does not work */
	VMBOOT_ACCEL_TCG = 2,  /**< emulation; works everywhere, slower */
};

/** What the guest can reach. Since 0.1. */
enum vmboot_network {
	VMBOOT_NETWORK_NONE = 0, /**< nothing: there is no network device */
	VMBOOT_NETWORK_USER =
		1, /**< what the user who runs QEMU can, by libvirt's "user" network */
};

/** Whose agent runs in the guest. Since 0.1. */
enum vmboot_guest_agent {
	VMBOOT_AGENT_VMBOOT = 0, /**< ours, which init starts */
	VMBOOT_AGENT_IMAGE = 1,	 /**< the image's own, qemu-ga for one: init starts none */
};

/** How the guest's kernel starts. Since 0.1. */
enum vmboot_kernel_start {
	/** Boot the uncompressed kernel directly (PVH) with the qboot firmware. There is no KASLR then,
	 * because the decompressor does it. Falls back step by step if the host, libvirt or the kernel
	 * lack support. */
	VMBOOT_KERNEL_START_AUTO = 0,
	/** The usual way: libvirt's default firmware, then the kernel's decompressor. */
	VMBOOT_KERNEL_START_BZIMAGE = 1,
};

/** When an image is fetched from where its name leads. Since 0.2. */
enum vmboot_pull {
	VMBOOT_PULL_MISSING = 0, /**< if the store does not have it */
	VMBOOT_PULL_ALWAYS = 1, /**< in any case; what the store has already is not fetched again */
	VMBOOT_PULL_NEWER = 2,	/**< as always; if it cannot be fetched, the store's is used */
	VMBOOT_PULL_NEVER = 3,	/**< never */
};

/** Whether a registry must have a valid certificate. Since 0.2. */
enum vmboot_tls_verify {
	VMBOOT_TLS_VERIFY_AUTO = 0,  /**< unless registries.conf says that it is insecure */
	VMBOOT_TLS_VERIFY_TRUE = 1,  /**< yes */
	VMBOOT_TLS_VERIFY_FALSE = 2, /**< no; plain HTTP is tried as well */
};

/** How serious a log record is; the numbers are syslog's. */
enum vmboot_log_level {
	VMBOOT_LOG_ERR = 3,
	VMBOOT_LOG_WARNING = 4,
	VMBOOT_LOG_INFO = 6,
	VMBOOT_LOG_DEBUG = 7,
};

/**
 * vmboot_log_fn: receives the library's log messages; they contain no secrets.
 * @level: how serious.
 * @message: one line without a newline; valid during the call.
 * @data: opts' log_data.
 */
typedef void (*vmboot_log_fn)(enum vmboot_log_level level, const char *message, void *data);

/**
 * vmboot_progress_fn: called from time to time during long operations (an import, an initramfs).
 * @what: what is done, e.g. "importing node:20"; valid during the call.
 * @done: how much is done, in the unit of @total.
 * @total: how much there is, or 0 if that is unknown.
 * @data: opts' progress_data.
 */
typedef void (*vmboot_progress_fn)(const char *what, uint64_t done, uint64_t total, void *data);

/**
 * What a caller asks for. A member that is 0 or NULL means its default, so
 * `struct vmboot_opts opts = VMBOOT_OPTS(.name = "web", .image = "node:20");` is complete. The
 * library copies what it needs; the strings still belong to the caller.
 *
 * Each member in the table of vmboot_opts_fields() is a field of the JSON request with the
 * same name. The table also has the defaults and bounds, which are checked. The struct grows
 * at its end; `size` tells the library which members the caller knows. Since 0.1.
 */
struct vmboot_opts {
	size_t size;		       /**< sizeof(struct vmboot_opts) */
	const char *name;	       /**< of the VM: A-Z, a-z, 0-9, "_", ".", "-"; at most 128 */
	const char *image;	       /**< "node:20", or a source of vmboot_image_import() */
	bool skip_kernel_headers;      /**< attach no disk with the kernel's modules and headers */
	bool skip_guest_agent;	       /**< run no agent: no exec, stat, cp */
	uint64_t vcpus;		       /**< virtual CPUs; 0: 1 */
	uint64_t memory_mib;	       /**< memory, MiB; 0: 512 */
	uint64_t overlay_mib;	       /**< size of the overlay disk, MiB; it is sparse; 0: 10240 */
	const char *const *entrypoint; /**< NULL-ended; NULL: the image's; empty: none */
	const char *const *cmd;	       /**< NULL-ended; NULL: the image's */
	const char *const *env;	       /**< NULL-ended "K=V", over the image's */
	const char *workdir;	       /**< absolute; NULL: the image's */
	const char *user;	       /**< "name", "uid", with ":group"; NULL: the image's */
	enum vmboot_init_mode init_mode; /**< which process runs as PID 1 */
	enum vmboot_on_exit on_exit;	 /**< what happens when the program ends */
	enum vmboot_accel accel;	 /**< what executes the guest */
	const char *kernel;		 /**< path of a kernel; NULL: the newest that can boot it */
	const char *kernel_args;	 /**< added last to the kernel's command line */
	const char *uri;		 /**< libvirt URI, or "embed"; NULL: as virsh chooses */
	const char *store;		 /**< store folder; NULL: see vmboot(3) */
	enum vmboot_network network;	 /**< what the guest can reach */
	bool ephemeral;			 /**< remove the VM when it stops */
	bool debug;			 /**< verbose boot; a shell on the console if it fails */
	enum vmboot_guest_agent guest_agent; /**< whose agent serves exec, stat and cp */
	const char *kernel_headers; /**< folder or tar archive; NULL: those installed for it */
	enum vmboot_kernel_start kernel_start; /**< how the kernel starts */
	bool skip_module_signatures;	       /**< do not check the boot's own modules; taints */

	/* C only: not fields of the request. New members, fields or not, come after them. */
	struct _virConnect *connection; /**< borrowed, used instead of `uri`; the caller keeps it
					   open until all handles made from it are closed */
	vmboot_log_fn log;		/**< NULL: no log */
	void *log_data;
	vmboot_progress_fn progress; /**< NULL: no progress */
	void *progress_data;

	/* since 0.2 */
	uint64_t timeout_ms; /**< how long a create or an import may take, ms; 0: 86400000, a day */
	struct vmboot_cancel *cancel; /**< C only; borrowed: ends the call, see vmboot_cancel() */
	const char *hostname;	      /**< the guest's; NULL: made of the name */
	uint64_t log_max_mib;	      /**< what is kept of each of the guest's logs, MiB; 0: 64 */
	const char *shm_size;	      /**< of /dev/shm, "64m"; NULL: half of the memory */
	const char *const *tmpfs;  /**< NULL-ended "PATH[:OPTION,…]": mounted for the program */
	const char *const *sysctl; /**< NULL-ended "KEY=VALUE", set before the program starts */
	const char *const *ulimit; /**< NULL-ended "NAME=SOFT[:HARD]" for program and exec */
	const char *ttl;	   /**< how long the guest runs at most, "90s"; NULL: no limit */
	const char *restart;	/**< "no", "on-failure[:N]", "always"; exec mode only; NULL: no */
	const char *health_cmd; /**< a shell command, or "none"; NULL: the image's; not systemd */
	const char *health_interval; /**< "30s"; NULL: the image's, or 30 s; so are the next two */
	const char *health_timeout;
	const char *health_start_period; /**< its failures do not count; NULL: the image's, or 0 */
	uint64_t
		health_retries; /**< failures in a row that make it unhealthy; 0: 3, or the image's */
	bool read_only;		/**< the root cannot be written; /tmp, /run and such can */
	char padding[7];	/**< 0 */
	const char *const *publish; /**< NULL-ended ports of the guest that the host listens for,
					 "[[IP:][PORT]:]GUESTPORT[/udp]"; implies VMBOOT_NETWORK_USER */
	const char *platform;	    /**< "linux/arm64"; NULL: this host's */
	const char *authfile;	    /**< file with passwords of registries; NULL: podman's */
	const char *creds;     /**< "user:password" for the registry; NULL: those of the authfile */
	const char *cert_dir;  /**< folder with certificates for it; NULL: podman's */
	enum vmboot_pull pull; /**< when the image is fetched */
	enum vmboot_tls_verify tls_verify; /**< whether a registry must have a valid certificate */
	const char *const *label; /**< NULL-ended "K=V": for whoever manages VMs; NULL: none */
};

/** The most bytes of a request in JSON: 16 MiB, 1 MiB in 0.1. Since 0.2. */
#define VMBOOT_REQUEST_MAX (16 << 20)

/** An initialiser: size set, all else as written or default. */
#define VMBOOT_OPTS(...)                                                                           \
	{                                                                                          \
		.size = sizeof(struct vmboot_opts), __VA_ARGS__                                    \
	}

/** The types of fields. */
enum vmboot_field_type {
	VMBOOT_FIELD_STRING = 1, /**< const char * */
	VMBOOT_FIELD_BOOL = 2,	 /**< bool */
	VMBOOT_FIELD_UINT = 3,	 /**< uint64_t */
	VMBOOT_FIELD_ENUM = 4,	 /**< an enum; JSON has the choice's name */
	VMBOOT_FIELD_LIST = 5,	 /**< const char *const *, NULL-ended */
};

/** One row of the table that the struct, the JSON, the tool's flags and the manual share. */
struct vmboot_field {
	size_t size;		     /**< of this struct in the library that filled it */
	const char *name;	     /**< in the struct and in JSON; with dashes, the flag */
	enum vmboot_field_type type; /**< of the member */
	size_t offset;		     /**< of the member */
	uint64_t min;		     /**< VMBOOT_FIELD_UINT: smallest */
	uint64_t max;		/**< VMBOOT_FIELD_UINT: largest; STRING, LIST: most bytes each */
	uint64_t default_value; /**< VMBOOT_FIELD_UINT: what 0 means */
	const char *const *choices; /**< VMBOOT_FIELD_ENUM: NULL-ended names; index is value */
	const char *metavar;	    /**< for help: "MIB", "PATH", … or "" */
	const char *rule;	    /**< what is accepted, in words */
	const char *help;	    /**< what it does, in one line */
	const char *since;	    /**< version */
	char short_flag;	    /**< the tool's one-letter flag, or 0 */
	char padding[7];	    /**< 0 */
};

/**
 * vmboot_opts_fields: the table of all fields.
 * @ret_n: (out) how many.
 *
 * Returns: pointers to static rows, in the order of the struct. Thread-safe. Since 0.1.
 */
VMBOOT_API const struct vmboot_field *const *vmboot_opts_fields(size_t *ret_n);

/**
 * vmboot_opts_new: opts that own their strings, for vmboot_opts_set().
 * @ret_opts: (out) all default; freed with vmboot_opts_free().
 *
 * Returns: 0 or -ENOMEM. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_opts_new(struct vmboot_opts **ret_opts);

/**
 * vmboot_opts_from_json: opts from a request such as
 * `{"name": "my-instance", "image": "node:20", "skip_kernel_headers": true}`.
 * @json: one JSON object, at most VMBOOT_REQUEST_MAX bytes.
 * @ret_opts: (out) freed with vmboot_opts_free().
 *
 * Unknown fields, wrong types and values out of range are refused with the field's name, the value
 * and the rule; so is a field that is given twice, and anything after the object.
 *
 * Returns: 0, -VMBOOT_EOPTS, -E2BIG or -ENOMEM. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_opts_from_json(const char *json, struct vmboot_opts **ret_opts);

/**
 * vmboot_opts_to_json: opts as a request; fields with their default are left out.
 * @opts: any.
 * @ret_json: (out) freed with vmboot_free().
 *
 * Returns: 0, -VMBOOT_EOPTS or -ENOMEM. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_opts_to_json(const struct vmboot_opts *opts, char **ret_json);

/**
 * vmboot_opts_set: set one field from text, as a flag of the tool would.
 * @opts: from vmboot_opts_new() or vmboot_opts_from_json(), not a struct of the caller's own.
 * @name: the field's.
 * @value: the text. For a list, each call adds one entry; NULL empties the list.
 *
 * Returns: 0, -VMBOOT_EOPTS or -ENOMEM. Two threads must not call it for the same @opts at once.
 * Since 0.1.
 */
VMBOOT_API int vmboot_opts_set(struct vmboot_opts *opts, const char *name, const char *value);

/**
 * vmboot_opts_check: check opts against the rules; nothing is changed.
 * @opts: the same as for vmboot_create().
 *
 * Returns: 0, -VMBOOT_EOPTS, or -EINVAL for a `size` that no version of the library had.
 * Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_opts_check(const struct vmboot_opts *opts);

/**
 * vmboot_opts_free: free opts that the library made.
 * @opts: from vmboot_opts_new() or vmboot_opts_from_json(), or NULL.
 *
 * Thread-safe. Since 0.1.
 */
VMBOOT_API void vmboot_opts_free(struct vmboot_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
