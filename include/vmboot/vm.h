/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_VM_H
#define VMBOOT_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmboot/event.h>
#include <vmboot/export.h>
#include <vmboot/opts.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A handle on one VM. The VM does not depend on it: it keeps running when the handle is closed or the
 * program ends, and vmboot_open() finds it again. A forked child cannot use its parent's handles: all
 * functions except vmboot_name() and vmboot_close() return -EPERM there. */
struct vmboot_vm;

/** For timeouts: wait as long as it takes. */
#define VMBOOT_FOREVER (-1)

/** What a VM is doing. */
enum vmboot_state {
	VMBOOT_STATE_STOPPED = 0, /**< kept, not running */
	VMBOOT_STATE_RUNNING = 1, /**< its kernel runs; the ledger shows its progress */
	VMBOOT_STATE_PAUSED = 2,  /**< by libvirt, or because emulation failed */
};

/** A VM as vmboot_list() shows it. Since 0.1. */
struct vmboot_info {
	size_t size;		  /**< of this struct in the library that filled it */
	const char *name;	  /**< the VM's */
	const char *uuid;	  /**< libvirt's, in text */
	const char *image;	  /**< the image's name in full */
	const char *digest;	  /**< the image's */
	enum vmboot_state state;  /**< now */
	bool ephemeral;		  /**< it is removed when it stops */
	bool skip_kernel_headers; /**< as asked for */
	bool skip_guest_agent;	  /**< as asked for */
	uint64_t vcpus;
	uint64_t memory_mib;
	const char *accel;	     /**< "kvm" or "tcg" */
	const char *folder;	     /**< where its disks and logs are */
	bool skip_module_signatures; /**< as asked for */
	char padding[7];	     /**< 0 */
	const char *store;	     /**< the store of its files, an absolute path. Since 0.2 */
	int64_t created;     /**< when its files were made, seconds since 1970; 0: not known.
					Since 0.2 */
	int64_t started;     /**< when its newest boot began, likewise. Since 0.2 */
	const char *command; /**< the beginning of what it runs, in plain ASCII, for people; "" if
				it was made by 0.1. Since 0.2 */
	const char *const *publish; /**< NULL-ended: the published ports, each
				       "IP:PORT:GUESTPORT/tcp" or "/udp". Since 0.2 */
	const char *const *labels;  /**< "K=V", NULL-ended, as asked for; NULL: none. Since 0.2 */
};

/** The guest's output streams. */
enum vmboot_stream {
	VMBOOT_STREAM_STDOUT = 1,  /**< the program's standard output */
	VMBOOT_STREAM_STDERR = 2,  /**< the program's standard error */
	VMBOOT_STREAM_CONSOLE = 3, /**< kernel and init */
};

/**
 * vmboot_create: make a VM and start it.
 * @opts: the request; name and image are required.
 * @ret_vm: (out, may be NULL) a handle, closed with vmboot_close().
 *
 * Returns when libvirt has started the guest; vmboot_wait() waits for its boot. All or nothing: on
 * failure no domain, disk or process is left. The image is imported if it is not in the store.
 *
 * The call takes at most opts->timeout_ms. opts->cancel ends it, see vmboot_cancel().
 *
 * Returns: 0; -VMBOOT_EOPTS; -EEXIST, a domain or VM of that name exists; -VMBOOT_EIMAGE,
 * -VMBOOT_ENOIMAGE, -VMBOOT_EKERNEL, -VMBOOT_EHOST, -VMBOOT_ELIBVIRT; -ETIMEDOUT, -ECANCELED; or
 * another negative errno.
 * Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_create(const struct vmboot_opts *opts, struct vmboot_vm **ret_vm);

/**
 * vmboot_prepare: make all of a VM except its domain, for programs that define and start the
 * domain themselves.
 * @opts: as for vmboot_create().
 * @ret_vm: (out) a handle, closed with vmboot_close(). Until the domain exists, the handle keeps
 * vmboot_gc() from removing the VM's files.
 * @ret_xml: (out) the domain's XML; freed with vmboot_free().
 *
 * Give @ret_xml to libvirt (virDomainDefineXML() and virDomainCreate(); for an ephemeral VM,
 * virDomainCreateXML()), as it is or with additions. Do not change name, metadata, boot, disks
 * and channels. From then on the VM is like one that vmboot_create() made. vmboot_destroy() removes the
 * files, with or without a domain.
 *
 * Returns: as vmboot_create(); all or nothing. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_prepare(const struct vmboot_opts *opts, struct vmboot_vm **ret_vm,
			      char **ret_xml);

/**
 * vmboot_plan: what vmboot_create() would do, as JSON; the same bytes for the same request on
 * the same host.
 * @opts: as for vmboot_create().
 * @ret_json: (out) freed with vmboot_free().
 *
 * No VM, disk or image is made. If it is not known yet whether KVM works here, KVM is tried once.
 *
 * Returns: as vmboot_create(). Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_plan(const struct vmboot_opts *opts, char **ret_json);

/**
 * vmboot_render_xml: the libvirt domain XML of the plan.
 * @opts: as for vmboot_create().
 * @ret_xml: (out) freed with vmboot_free().
 *
 * It names files that may not exist yet: vmboot_prepare() makes them.
 *
 * Returns: as vmboot_plan(). Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_render_xml(const struct vmboot_opts *opts, char **ret_xml);

/**
 * vmboot_open: open a handle on an existing VM, whoever made it.
 * @where: opts of which uri, connection, store and log are read; NULL: defaults.
 * @name: the VM's.
 * @ret_vm: (out) closed with vmboot_close().
 *
 * This function, vmboot_list() and vmboot_gc() do not create a missing store, but treat it as empty.
 * The handle refers to this one VM. If the VM is removed, calls return -VMBOOT_ENOVM, even if another
 * VM has got its name.
 *
 * If the VM's folder is not on this host, or the caller may not use it, the functions that only need
 * libvirt still work: vmboot_info(), vmboot_xml(), vmboot_stop() and all of vmboot/exec.h. Functions
 * that need the VM's files, such as vmboot_ledger(), vmboot_wait(), vmboot_start() and
 * vmboot_destroy(), return -VMBOOT_EHOST.
 *
 * Returns: 0, -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_open(const struct vmboot_opts *where, const char *name,
			   struct vmboot_vm **ret_vm);

/**
 * vmboot_close: close a handle. The VM keeps running.
 * @vm: or NULL. No other thread may be using it, and no callback of it may be running.
 *
 * If libvirt does not answer, this returns after 2 s, and a thread that holds the connection ends when
 * libvirt answers or gives up.
 *
 * Thread-safe. Since 0.1.
 */
VMBOOT_API void vmboot_close(struct vmboot_vm *vm);

/**
 * vmboot_name: the VM's name.
 * @vm: the handle.
 *
 * Returns: a string that belongs to the handle. Thread-safe. Since 0.1.
 */
VMBOOT_API const char *vmboot_name(const struct vmboot_vm *vm);

/**
 * vmboot_info: the properties and the state of a VM.
 * @vm: the handle.
 * @ret_info: (out) freed with vmboot_info_free().
 *
 * Returns: 0, -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_info(struct vmboot_vm *vm, struct vmboot_info **ret_info);

/**
 * vmboot_info_free: free an info.
 * @info: or NULL.
 *
 * Thread-safe. Since 0.1.
 */
VMBOOT_API void vmboot_info_free(struct vmboot_info *info);

/**
 * vmboot_inspect: all that is known of a VM, as one JSON object; vmboot-json(5) describes it.
 * @vm: the handle.
 * @ret_json: (out) freed with vmboot_free().
 *
 * It has the request and the plan that the VM was made with, which contain the environment of its
 * program. They are kept in files with mode 0600, so they are null for other users than the one who
 * made the VM; and for VMs that 0.1 made.
 *
 * Returns: 0, -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_inspect(struct vmboot_vm *vm, char **ret_json);

/**
 * vmboot_list: all VMs that this library made and libvirt knows, by name.
 * @where: as for vmboot_open().
 * @ret_infos: (out) NULL-ended; freed with vmboot_list_free().
 *
 * Returns: how many, -VMBOOT_ELIBVIRT or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_list(const struct vmboot_opts *where, struct vmboot_info ***ret_infos);

/**
 * vmboot_store_path: the folder of the store that a call with these opts uses.
 * @where: opts of which store is read; NULL: defaults.
 * @ret_path: (out) absolute and without links, as vmboot_info has it; freed with vmboot_free().
 *
 * The store is not made if it is not there. vmboot_list() returns VMs of all stores at a libvirt:
 * compare vmboot_info's store with this one to tell them apart.
 *
 * Returns: 0 or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_store_path(const struct vmboot_opts *where, char **ret_path);

/**
 * vmboot_list_free: free a list.
 * @infos: from vmboot_list(), or NULL.
 *
 * Thread-safe. Since 0.1.
 */
VMBOOT_API void vmboot_list_free(struct vmboot_info **infos);

/**
 * vmboot_start: start a stopped VM from its own disks; its logs and ledger begin again.
 * @vm: the handle.
 *
 * If libvirt has a saved state of the VM (`virsh managedsave`, which libvirt-guests uses when the host
 * shuts down), the guest is restored from that: the boot, its logs and its ledger go on, and the ledger
 * has a row VMBOOT_PHASE_RESUMED.
 *
 * Returns: 0; -EALREADY, it runs or is paused; -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT; or a negative errno.
 * Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_start(struct vmboot_vm *vm);

/**
 * vmboot_stop: ask the guest to power off; cut its power if it has not done so by the deadline.
 * @vm: the handle.
 * @timeout_ms: milliseconds that the guest has, at most; 0: cut the power at once; VMBOOT_FOREVER.
 *
 * Callbacks run in this call, as in vmboot_wait(). An ephemeral VM is gone afterwards.
 *
 * Returns: 0, it powered off; 1, its power was cut; -EALREADY, it was stopped; -EINTR, a signal
 * handler ran while it waited, and the guest may still power off; -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT; or a
 * negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_stop(struct vmboot_vm *vm, int timeout_ms);

/**
 * vmboot_reboot: ask the guest to reboot, with its agent or the power button; reset it if it has not
 * done so by the deadline. It boots again from the same disks.
 * @vm: the handle.
 * @timeout_ms: milliseconds that the guest has, at most; 0: reset it at once; VMBOOT_FOREVER.
 *
 * If the guest is still booting, it first waits for VMBOOT_PHASE_PROGRAM. It returns when the new boot has
 * sent its first event. From then on vmboot_wait() waits for that boot's phases, also in other
 * processes. Callbacks run in this call.
 *
 * Returns: 0, it rebooted; 1, it was reset; -ETIMEDOUT, it is still booting; -VMBOOT_EENDED, it is not
 * running, or powered off instead; or as vmboot_wait(). Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_reboot(struct vmboot_vm *vm, int timeout_ms);

/**
 * vmboot_pause: stop the guest's CPUs; it keeps its memory, and uses no CPU time.
 * @vm: the handle.
 *
 * vmboot_unpause() lets it go on. A guest that is paused answers nothing: vmboot_exec() and the like
 * wait, and vmboot_stop() cuts its power at once.
 *
 * Returns: 0; -EALREADY, it is paused; -VMBOOT_EENDED, it is not running; -VMBOOT_ENOVM,
 * -VMBOOT_ELIBVIRT; or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_pause(struct vmboot_vm *vm);

/**
 * vmboot_unpause: let a paused guest go on, and have its agent set its clock.
 * @vm: the handle.
 *
 * A guest's clock stands still while it is paused. Without an agent it stays behind. A guest that
 * another program lets go on (`virsh resume`) and that has our agent sets its clock itself, within
 * about five seconds.
 *
 * Returns: 0; -EALREADY, it is not paused; -VMBOOT_EENDED, it is not running; -VMBOOT_ENOVM,
 * -VMBOOT_ELIBVIRT; or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_unpause(struct vmboot_vm *vm);

/**
 * vmboot_publish: have the host listen on a port for one of the guest's, until the VM is removed or
 * vmboot_unpublish() ends it.
 * @vm: the handle, of a VM with VMBOOT_NETWORK_USER that runs or is stopped.
 * @port: as in opts' publish; ranges, too.
 * @ret_ports: (out, may be NULL) what is published, "IP:PORT:GUESTPORT/tcp" with blanks between if they are
 * several; freed with vmboot_free().
 *
 * QEMU listens, as the user who runs it. The ports come back with each vmboot_start(), but not if the
 * VM is started by other means, such as `virsh start`. A port can be connected to as soon as the VM runs;
 * until the guest's program listens, the connection is closed at once.
 *
 * Returns: 0; -EADDRINUSE, with the process that listens on it if that is known; -EACCES;
 * -EADDRNOTAVAIL; -ENOTSUP, the VM has no user network; -VMBOOT_EOPTS, that is not a port;
 * -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_publish(struct vmboot_vm *vm, const char *port, char **ret_ports);

/**
 * vmboot_unpublish: end the publishing of a port. Connections that are open stay open.
 * @vm: the handle.
 * @port: as vmboot_info() has it; "0.0.0.0" and "/tcp" can be left out. Ranges, too.
 *
 * Returns: 0; -ENOENT, that port is not published; or as vmboot_publish(). Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_unpublish(struct vmboot_vm *vm, const char *port);

/**
 * vmboot_destroy: remove the VM with its disks and logs; cut its power if it is running. The image
 * is kept. A saved state, and libvirt's records of snapshots, go with it. Afterwards, the handle can only be passed to vmboot_close().
 * @vm: the handle.
 *
 * Returns: 0 (also if it was gone already), -VMBOOT_ELIBVIRT or a negative errno. Thread-safe.
 * Since 0.1.
 */
VMBOOT_API int vmboot_destroy(struct vmboot_vm *vm);

/**
 * vmboot_wait: wait until a phase of the boot has ended.
 * @vm: the handle.
 * @phase: e.g. VMBOOT_PHASE_PROGRAM, VMBOOT_PHASE_EXIT, VMBOOT_PHASE_STOPPED.
 * @timeout_ms: milliseconds at most, or VMBOOT_FOREVER; 0: check once, for which libvirt has 10 s.
 *
 * Callbacks run in this call, which returns when they have received everything that came before the
 * phase's end. It returns at once when the phase can no longer happen. With the image's own agent,
 * VMBOOT_PHASE_AGENT is reached while libvirt reports that an agent has opened its port.
 * If the guest reboots, the wait continues with the phases of the new boot. If the guest is reset before
 * its program ran, for example because its kernel panicked, the boot has failed and its power is cut.
 * Otherwise the guest would repeat that for ever.
 *
 * Returns: 0; -ETIMEDOUT; -VMBOOT_EBOOT, the boot failed, the error has phase, errno, device and
 * console lines; -VMBOOT_EENDED, the guest is gone, with console lines unless it powered off by itself;
 * -VMBOOT_EGUEST, it sent invalid data; -VMBOOT_ELOST, see vmboot_on_output(), and the call can be
 * repeated; -EINTR, a signal handler ran; -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT; or a negative errno.
 * Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_wait(struct vmboot_vm *vm, enum vmboot_phase phase, int timeout_ms);

/**
 * vmboot_wait_next_boot: wait for a phase of a later boot than the newest that this handle knows; a
 * handle that has not listened yet takes the current boot as the newest.
 * @vm: the handle.
 * @phase: which phase of the later boot.
 * @timeout_ms: milliseconds at most, or VMBOOT_FOREVER.
 *
 * Use it for a guest that is asked to reboot by other means than vmboot_reboot(): call vmboot_wait() for
 * the current boot, make the guest reboot, then call this.
 *
 * Returns: as vmboot_wait(); -VMBOOT_EENDED, it powered off instead. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_wait_next_boot(struct vmboot_vm *vm, enum vmboot_phase phase, int timeout_ms);

/**
 * vmboot_event_fd: a file descriptor for poll(2) and the like; it is readable when vmboot_dispatch() has
 * something to do.
 * @vm: the handle, which keeps the descriptor until vmboot_close(); do not close or read it.
 *
 * Returns: the descriptor or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_event_fd(struct vmboot_vm *vm);

/**
 * vmboot_dispatch: read the guest's events and output, and call the callbacks.
 * @vm: the handle.
 *
 * It never waits. If libvirt must be asked, a thread does it and ends when it has the answer; the
 * descriptor is readable then. It calls callbacks at most 64 times; if there is more, the
 * descriptor stays readable. While another thread calls this handle's callbacks, it calls none.
 *
 * Returns: how many events were new, or a negative errno or VMBOOT_E… as vmboot_wait().
 * Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_dispatch(struct vmboot_vm *vm);

/**
 * Receives each event once, in vmboot_dispatch() and vmboot_wait(), in one thread at a time. @event is valid
 * during the call. The callback may call any function for any handle, except vmboot_close() for this one.
 * If it waits, that wait calls no callbacks of this handle.
 */
typedef void (*vmboot_event_fn)(struct vmboot_vm *vm, const struct vmboot_event *event, void *data);

/** Receives each byte of output once, likewise, from the boot's first byte. Output that came before an
 * event is delivered before it. @bytes is not terminated by 0. */
typedef void (*vmboot_output_fn)(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes,
				 size_t n, void *data);

/**
 * vmboot_on_event: set the callback for events.
 * @vm: the handle.
 * @fn: NULL: nobody.
 * @data: for @fn.
 *
 * Returns: 0. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_on_event(struct vmboot_vm *vm, vmboot_event_fn fn, void *data);

/**
 * vmboot_on_output: set the callback for the output of one stream.
 * @vm: the handle.
 * @stream: which.
 * @fn: NULL: nobody.
 * @data: for @fn.
 *
 * The guest does not wait for a reader, and the logs are limited (log_max_mib each; for guests of a daemon as
 * virtlogd.conf says). If @fn is too slow, output may be lost. That is never
 * silent: vmboot_wait() or vmboot_dispatch() delivers what came before the gap and then returns
 * -VMBOOT_ELOST, whose message says how many bytes are missing if that is known. The next call continues
 * after the gap. Rotated files that were seen are kept open until they are read, up to 32 of a
 * stream (64 MiB with virtlogd's defaults). A handle begins to read at the oldest
 * output that is kept; it is no error if older output is gone.
 *
 * Returns: 0 or -EINVAL. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_on_output(struct vmboot_vm *vm, enum vmboot_stream stream,
				vmboot_output_fn fn, void *data);

/**
 * vmboot_ledger: all events of the newest boot on one time line. It also works for stopped VMs.
 * @vm: the handle.
 * @ret_ledger: (out) freed with vmboot_ledger_free().
 *
 * Returns: 0, -VMBOOT_EGUEST or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_ledger(struct vmboot_vm *vm, struct vmboot_ledger **ret_ledger);

/**
 * vmboot_xml: the domain XML as libvirt has it now.
 * @vm: the handle.
 * @ret_xml: (out) freed with vmboot_free().
 *
 * Returns: 0, -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_xml(struct vmboot_vm *vm, char **ret_xml);

/** Ask each guest's agent how much memory is in use, too, for at most a second. */
#define VMBOOT_STATS_GUEST 1U

/**
 * vmboot_stats: what all VMs that run at a libvirt use, as JSON; vmboot-json(5) describes it.
 * @where: as for vmboot_open().
 * @flags: 0 or VMBOOT_STATS_GUEST.
 * @ret_json: (out) a list with an object for each VM; freed with vmboot_free().
 *
 * Libvirt is asked once for all VMs. Its counters begin with QEMU's start: call it twice for a rate.
 *
 * Returns: 0, -VMBOOT_ELIBVIRT or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_stats(const struct vmboot_opts *where, unsigned flags, char **ret_json);

/**
 * vmboot_top: the processes of a guest, as JSON; vmboot-json(5) describes it.
 * @vm: the handle.
 * @ret_json: (out) a list with an object for each process; freed with vmboot_free().
 *
 * The guest's agent reads /proc, so the image needs no ps. The kernel's own threads are left out.
 *
 * Returns: 0; -VMBOOT_ENOAGENT, no agent answers; -ENOTSUP, it is not ours; -VMBOOT_EGUEST, it sent
 * invalid data; -VMBOOT_EENDED, -VMBOOT_ENOVM, -VMBOOT_ELIBVIRT; or a negative errno.
 * Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_top(struct vmboot_vm *vm, char **ret_json);

/** A subscription to what happens to all VMs of a libvirt. One thread at a time may use it. */
struct vmboot_events;

/**
 * vmboot_events_open: listen to what happens to all VMs of a libvirt, from now on.
 * @where: as for vmboot_open().
 * @ret_events: (out) closed with vmboot_events_close().
 *
 * Returns: 0, -VMBOOT_ENOVM if there is no store whose libvirt could be asked, -VMBOOT_ELIBVIRT or a
 * negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_events_open(const struct vmboot_opts *where,
				  struct vmboot_events **ret_events);

/**
 * vmboot_events_fd: a file descriptor for poll(2) and the like; it is readable when there may be events.
 * @events: the subscription, which keeps the descriptor; do not close or read it.
 *
 * Returns: the descriptor. Since 0.2.
 */
VMBOOT_API int vmboot_events_fd(const struct vmboot_events *events);

/**
 * vmboot_events_next: the next event, as JSON; vmboot-json(5) describes it.
 * @events: the subscription.
 * @ret_json: (out) one object; freed with vmboot_free(). It is set if there was an event.
 *
 * It does not wait for events, but asks libvirt about a VM that it does not know yet. Call it until it
 * returns 0, then wait for vmboot_events_fd().
 *
 * Returns: 1; 0, there is none for now; -VMBOOT_ELOST, events were lost because nobody read them, and
 * the call can be repeated; -VMBOOT_ELIBVIRT, the connection is gone; or a negative errno. Since 0.2.
 */
VMBOOT_API int vmboot_events_next(struct vmboot_events *events, char **ret_json);

/**
 * vmboot_events_close: end a subscription.
 * @events: or NULL.
 *
 * Since 0.2.
 */
VMBOOT_API void vmboot_events_close(struct vmboot_events *events);

/** Only report what would be removed. */
#define VMBOOT_GC_DRY_RUN 1U

/**
 * vmboot_gc: remove what killed programs left behind, and what the store no longer needs.
 * @where: as for vmboot_open().
 * @flags: 0 or VMBOOT_GC_DRY_RUN.
 * @ret_json: (out, may be NULL) a list of what was removed; freed with vmboot_free().
 *
 * The former are folders of VMs that were made at this libvirt and that it does not know, stopped
 * ephemeral VMs, the library's domains without a folder, and half-made files. The latter are images that
 * lost their name to a newer one while a VM used them, and kernels with their initramfs files and kernel
 * disks that neither a VM uses nor a new VM would use by default; these can be made again. Nothing that
 * is in use is removed, and nothing that this library did not make. All kernels are kept while a VM is
 * being made, or if a VM was made by an older version that did not record what it uses; the log reports
 * that.
 *
 * Returns: how many things, -VMBOOT_ELIBVIRT or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_gc(const struct vmboot_opts *where, unsigned flags, char **ret_json);

/**
 * vmboot_doctor: check this host, and suggest a fix for each problem.
 * @where: opts of which uri, connection, store, kernel are read; NULL: defaults.
 * @ret_json: (out) `{"checks": [{"name", "status": "ok"|"warning"|"error", "found", "mend"}]}`;
 * freed with vmboot_free().
 *
 * It checks tools, the kernel, its modules and headers, libvirt, files that libvirt's user cannot read,
 * and KVM. If it is not known yet whether guests run under KVM, one is tried; no VM is made. In the JSON,
 * "mend" is the suggested fix.
 *
 * Returns: how many checks have the status "error", or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_doctor(const struct vmboot_opts *where, char **ret_json);

#ifdef __cplusplus
}
#endif
#endif
