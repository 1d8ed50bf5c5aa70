/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INIT_H
#define VMB_INIT_H

/*
 * The guest's PID 1. In: a kernel command line, the module list, the disks, the guest config. Out:
 * boot events, and the image's program running on the image's root. main.c has the table of
 * phases; each phase is one function in a file of its own name:
 *
 *   int init_<phase>(struct init *init, struct init_report *report)
 *
 * which returns 0 or -errno and says more in its report. All state is in struct init, so that a
 * test can run a phase on a folder instead of a guest.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "wire/config.h"
#include "wire/event.h"

/* ---- reports and events: report.c, event.c ---- */

/* What a phase says besides 0 or -errno. */
struct init_report {
	int64_t value;
	char device[VMB_EVENT_DEVICE_MAX + 1];
	char detail[VMB_EVENT_DETAIL_MAX + 1];
};

enum { INIT_EVENTS_MAX = 64 };

/* Records on their way to the host: a ring that is emptied when the port is there and open. */
struct init_events {
	int fd;		       /* the port, or -1: not found yet */
	bool deaf;	       /* the host did not take the last record in time: don't wait again */
	uint32_t seq;	       /* of the next record */
	size_t first, n, sent; /* sent: bytes of the first record that are written already */
	uint8_t ring[INIT_EVENTS_MAX][VMB_EVENT_SIZE];
};

/* Numbers, encodes and queues the event, cut to size and cleaned, then tries to send. */
void init_event_push(struct init_events *events, struct vmb_event *event);

/* Sends what is queued, for at most wait_ms; true if nothing is left. */
bool init_event_flush(struct init_events *events, int wait_ms);

/* ---- all state of one boot ---- */

/* The disks that every boot has, first in init->disks; the config names the others. */
enum init_role { INIT_DISK_ROOT, INIT_DISK_OVERLAY, INIT_DISK_CONFIG, INIT_N_CONTRACT };
enum init_port { INIT_PORT_EVENTS, INIT_PORT_STDOUT, INIT_PORT_STDERR, INIT_N_PORTS };

enum {
	INIT_SEEN_MAX = 128,
	INIT_NAME_MAX = 31,
	INIT_LATE_MAX = 16,
	INIT_RELAY_SIZE = 16384,
	INIT_GROUPS_MAX = 256,
};

/* A disk that this boot has. */
struct init_disk {
	const char *serial, *target;
	const struct vmb_config_disk *config; /* what the config says of it; NULL: nothing (yet) */
	char name[INIT_NAME_MAX + 1];	      /* of its device; "": not found yet */
};

/* A disk as /sys/block shows it. */
struct init_seen {
	char name[INIT_NAME_MAX + 1]; /* "vda" */
	char serial[24];	      /* reading one costs a request: kept once it is known */
	unsigned blank;		      /* how many looks found no serial */
	bool present;
};

/*
 * The program writes to a pipe and we carry it to the port: a port can be open only once, and
 * many programs open /dev/stdout again. From -1: closed; to: not ours to close.
 */
struct init_relay {
	int from, to;
	size_t at, n; /* of buf */
	char buf[INIT_RELAY_SIZE];
};

struct init_user {
	uid_t uid;
	gid_t gid;
	size_t n_groups;
	gid_t groups[INIT_GROUPS_MAX]; /* supplementary, and gid itself */
	char home[256];
};

/* The system calls that a test cannot let happen. */
struct init;

struct init_ops {
	int (*load_module)(int fd);			 /* 0 or -errno */
	int (*load_bytes)(const void *module, size_t n); /* 0 or -errno */
	int (*become)(const struct init_user *user);	 /* 0 or -errno */
	int (*mount)(const char *source, const char *target, const char *type, unsigned long flags,
		     const char *data);				       /* 0 or -errno */
	int (*make_node)(const char *path, mode_t mode, dev_t number); /* mknod */
	void (*kill_rest)(int sig);		     /* all processes but this one */
	void (*power_off)(int how);		     /* RB_POWER_OFF, …; returns in tests only */
	void (*agent_gone)(const struct init *init); /* for good: tells the host */
};

/* The agent's process, see agent.c. */
enum { INIT_AGENT_RESTARTS = 5 };

struct init_agent {
	bool wanted;
	bool told;   /* that it answers */
	int self;    /* this program's file */
	int control; /* what it says to us, see agent.h; or -1 */
	pid_t pid;   /* 0: does not run */
	uint64_t start_us;
	int64_t ends[INIT_AGENT_RESTARTS]; /* when it ended the last times: a ring */
	size_t n_ends;
};

/* How long init waits, in ms: init_setup() has what a guest gets, a test on a slow machine more. */
struct init_patience {
	int disk;  /* for each disk to be there, on a host that is not busy: see settle.c */
	int stop;  /* for the program to end, from SIGTERM to SIGKILL */
	int kill;  /* for it to be gone after that */
	int drain; /* for the port to take the last output of the program */
	int rest;  /* for the other processes to end, after SIGTERM and after SIGKILL each */
};

/* What the image runs as PID 1; see systems.c. */
enum init_system {
	INIT_SYSTEM_SYSV, /* or an unknown one */
	INIT_SYSTEM_SYSTEMD,
	INIT_SYSTEM_BUSYBOX,
	INIT_SYSTEM_OPENRC,
};

/* See restart.c. */
struct init_restart {
	unsigned attempts;
	int wait_ms;		/* before the newest; 0: none yet */
	struct vmb_deadline at; /* never: the program runs, or is not started again */
	int64_t status;		/* how it ended before, as the value of exit */
	uint64_t ended_us;
};

/* See health.c. */
struct init_health {
	enum { INIT_HEALTH_STARTING, INIT_HEALTH_HEALTHY, INIT_HEALTH_UNHEALTHY } state, told;
	pid_t pid;		   /* of the check that runs; 0: none does */
	struct vmb_deadline at;	   /* of the next one */
	struct vmb_deadline until; /* then the one that runs is killed */
	struct vmb_deadline start_until, tell_at;
	unsigned failures, changes;
	uint64_t since_us;
};

struct init {
	const char *root; /* goes before every path; "" in a guest */
	const struct init_ops *ops;
	struct init_patience patience;
	bool debug, probe, unchecked; /* words of the kernel command line */
	int console;		      /* or -1 */
	int trace;		      /* the counts of trace.c, or -1 */
	struct init_events events;

	int uevents;			      /* netlink socket, or -1 */
	struct init_seen seen[INIT_SEEN_MAX]; /* by name */
	size_t n_seen;
	struct init_disk disks[INIT_N_CONTRACT + VMB_CONFIG_DISKS_MAX];
	size_t n_disks;
	int ports[INIT_N_PORTS]; /* or -1 */

	int late[INIT_LATE_MAX]; /* modules that wait until the program runs */
	size_t n_late;
	size_t n_unchecked;  /* modules that were loaded without a look at their signatures */
	const char *insists; /* why signatures are checked all the same; or NULL */
	const char *layer;   /* of overlayfs, over the image: the kernel's modules; or NULL */
	int overlay;	     /* a folder on the overlay disk, for freezing it at the end; or -1 */

	uint8_t *config_bytes; /* VMB_CONFIG_BLOCK + VMB_CONFIG_SIZE_MAX; config points into it */
	struct vmb_guest_config config;

	int signals; /* signalfd */
	int acpi;    /* netlink socket, or -1 */
	struct init_relay relays[2];
	pid_t program;	     /* 0: not started, or it waits for a restart */
	uint64_t started_us; /* when it was */
	char **environment;  /* see init_environment(); made once */
	struct init_restart restart;
	struct init_health health;
	int pid_ns; /* our own PID namespace, while what we start goes into the program's; or -1 */
	bool ended; /* the program has */
	struct init_agent agent;
	enum init_system system;
	int self; /* a folder of the initramfs with this program, kept for systemd; or -1 */
	struct vmb_deadline ttl;	/* the guest's time is over then */
	int how;			/* RB_POWER_OFF, or what else ends it all */
	const char *why;		/* in a few words */
	bool by_guest;			/* a program in it asked for that, by a signal to us */
	bool stopping, killed;		/* a stop was asked for; and was not heard */
	struct vmb_deadline stop_until; /* then SIGKILL */
};

/* For main() and for tests: every descriptor -1. The rest of *init must be zero. */
void init_setup(struct init *init, const char *root, const struct init_ops *ops);

static inline uint64_t init_now_us(void)
{
	return (uint64_t)vmb_clock_us(CLOCK_BOOTTIME);
}

/* ---- the phases ---- */

/* Returned by a phase that ends later and then tells so itself. */
enum { INIT_LATER = 1 };

int init_mounts(struct init *init, struct init_report *report);
int init_modules(struct init *init, struct init_report *report);
int init_settle_root(struct init *init, struct init_report *report);
int init_settle_overlay(struct init *init, struct init_report *report);
int init_settle_config(struct init *init, struct init_report *report);
int init_config(struct init *init, struct init_report *report);
int init_root(struct init *init, struct init_report *report);
int init_headers(struct init *init, struct init_report *report);
int init_overlay(struct init *init, struct init_report *report);
int init_network(struct init *init, struct init_report *report);
int init_switch(struct init *init, struct init_report *report);
int init_agent(struct init *init, struct init_report *report);
int init_program(struct init *init, struct init_report *report);

/* ---- what they share ---- */

/* disks.c: the disks of the contract; those that the config names as well. */
void init_disks_begin(struct init *init);
int init_disks_add(struct init *init, struct init_report *report);
struct init_disk *init_disk_find(struct init *init, const char *serial); /* or NULL */
/* Whether its options have the word, such as "nofail". */
bool init_disk_has_option(const struct init_disk *disk, const char *word);
/* Mounts it as the config says, at the folder, which is made if it is not there. */
int init_disk_mount(struct init *init, const struct init_disk *disk, const char *folder,
		    struct init_report *report);

/* settle.c: waits until the disk is there, as long as init->patience has it. */
int init_settle(struct init *init, struct init_disk *disk, struct init_report *report);

/* report.c: sets the detail and returns -err. */
int init_failed(struct init_report *report, int err, const char *fmt, ...) VMB_PRINTF(3, 4);
/* "vdb vmboot-overlay" */
void init_report_disk(const struct init_disk *disk, struct init_report *report);
/* mark.c: for who counts instructions: the phase ends here; see wire/mark.h. */
void init_mark(enum vmboot_phase phase);
/* One event and, for a failure, one line on the console. */
void init_tell(struct init *init, enum vmboot_phase phase, uint64_t start_us, int error,
	       const struct init_report *report);

/* log.c: "vmboot: …" on the console; serial output costs guest time, so there is little of it. */
void init_log(const struct init *init, const char *fmt, ...) VMB_PRINTF(2, 3);
void init_debug(const struct init *init, const char *fmt, ...) VMB_PRINTF(2, 3);
void init_log_drain(const struct init *init);
void init_shell(const struct init *init); /* on the console, if the boot is debugged */

/*
 * trace.c: a debugged boot counts system calls. With the word VMB_CMDLINE_TRACE, that of the kernel
 * command line, main() begins, which does not return unless it cannot be done; the second time it
 * has INIT_TRACED for an argument, and goes on.
 */
#define INIT_TRACED "traced"
enum { INIT_TRACE_CALLS = 512 };
struct init_trace {
	uint32_t calls[INIT_TRACE_CALLS]; /* by number; the last has all that are beyond */
};
void init_trace_begin(char *self);
int init_trace_go_on(void); /* init->trace */
/* "406 system calls: openat 50, …", as many as fit. */
void init_trace_words(const struct init_trace *trace, char *text, size_t size);
void init_trace_tell(const struct init *init, struct init_report *report);

/* format.c: as snprintf, but with few conversions; returns the length that there would be. */
size_t init_format(char *text, size_t size, const char *fmt, ...) VMB_PRINTF(3, 4);
size_t init_vformat(char *text, size_t size, const char *fmt, va_list ap) VMB_PRINTF(3, 0);

/* util.c: paths below init->root; small files. Texts come without the newline at their end. */
#define INIT_PATH_MAX 512
const char *init_path(const struct init *init, char path[INIT_PATH_MAX], const char *fmt, ...)
	VMB_PRINTF(3, 4);
int init_read_text(const char *path, char *text, size_t size); /* length or -errno */
int init_read_file(const char *path, size_t max, char **ret);  /* allocated; 0 or -errno */
char *init_read_proc(const char *path); /* allocated, at most 16 KiB; or NULL */
int init_write_file(const char *path, mode_t mode, const void *bytes, size_t n); /* 0 or -errno */
void init_make_folders(char *path); /* mkdir -p; what fails shows when it is used */
bool init_has_word(const char *words, const char *word);

/* mounts.c: what a program expects below /dev and /sys; after the switch. */
int init_mounts_late(struct init *init, struct init_report *report);

/* devices.c: nodes below /dev; before the program starts, and after. The parser cuts the line up. */
void init_devices(const struct init *init);
void init_devices_late(const struct init *init);
bool init_devices_parse(char *line, const char **ret_name, mode_t *ret_type, dev_t *ret_number);

/*
 * modprobe.c: loads a module for the kernel, by its name or an alias, 0 or -errno; and tells the kernel
 * to run this program for that, if there are modules and no modprobe.
 */
#define INIT_MODPROBE_NAME "/proc/1/exe"
#define INIT_MODPROBE_FILE "/dev/.vmboot" /* where the program is PID 1: a copy of this program */
int init_modprobe(const struct init *init, const char *release, const char *name);
bool init_modprobe_matches(const char *pattern, const char *name);
int init_modprobe_main(struct init *init, int argc, char **argv);
void init_modprobe_offer(const struct init *init);

/*
 * settings.c: what the request asks of the guest beside its program. init_settings() is a phase;
 * init_seal_root() comes last of all that writes to the root; init_set_ulimits() is for the process
 * itself.
 */
int init_settings(struct init *init, struct init_report *report);
int init_seal_root(struct init *init, struct init_report *report);
int init_set_ulimits(const struct init *init, struct init_report *report);

/* run.c: /run for an init system; after the switch. */
int init_run(struct init *init, struct init_report *report);
/*
 * Copies to the folder, which is a new mount, what the one below it has: its entries, its owner and
 * mode. Closes from, that one. 0 or -errno.
 */
int init_copy_up(const struct init *init, int from, const char *name, bool entries, bool owner);

/* names.c: /etc/hosts, /etc/hostname and /etc/resolv.conf; after the switch. */
void init_names(struct init *init);
/* What hosts must get at its end for localhost and the name to resolve; returns its length. */
size_t init_names_missing(const char *hosts, const char *name, char *text, size_t size);

/* network.c: "10.0.2.15/24", 0 or -EINVAL; the device, if one comes in time. */
struct in_addr;
int init_parse_address(const char *text, struct in_addr *ret_ip, struct in_addr *ret_mask);
bool init_network_device(const struct init *init, struct vmb_deadline until, char name[16]);

/* unchecked.c: a module without a look at its signature, 0 or -errno; -ENODATA: it has none. */
int init_load_unchecked(const struct init *init, int fd);
/* How long a module is without the signature at its end; n, if there is none that it could cut. */
size_t init_unsigned_length(const uint8_t *module, size_t n);

/* modules.c: those that nobody waits for. */
void init_modules_late(struct init *init);

/* uevent.c: wakes on any kernel event on the socket, or after timeout_ms; fd may be -1. */
int init_uevent_open(void);
bool init_uevent_wait(int fd, int timeout_ms); /* true if an event came */
/* Takes the events that are there. True if the path of a device in one has these words. */
bool init_uevent_names(int fd, const char *words);

/* ports.c: opens the ports that are there by now; or waits for them, if any can come. */
bool init_ports_look(struct init *init);
void init_ports_wait(struct init *init, struct vmb_deadline until);

/* user.c: "", "name", "uid", each with ":group" or ":gid", by the files in the image. */
int init_user_find(const struct init *init, const char *spec, struct init_user *ret,
		   struct init_report *report);

/*
 * namespace.c: for a program that is PID 1. From init_pid_enter() on, 0 or -errno, what init starts is in
 * a PID namespace, of which the first is PID 1; its end is that of all in it. Then init has to leave.
 */
int init_pid_enter(struct init *init);
int init_pid_mount_proc(const struct init *init); /* in the first of them; 0 or -errno */
void init_pid_leave(struct init *init);
/* What reboot(2) made of PID 1 in there: its signal; how: for init_stop(). False: it ended otherwise. */
bool init_pid_rebooted(const struct init *init, int sig, int *ret_how);

#define INIT_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* exec.c: runs args[0], searched in env's PATH; returns -errno. */
int init_exec(const char *const *args, char *const *env);
/* Says in the report that the command could not be run, and returns r. */
int init_cannot_run(struct init_report *report, int r, const char *command);
/* config's env and what is missing of PATH and HOSTNAME; allocated, NULL-ended, or NULL. */
char **init_environment(const struct vmb_guest_config *config);

/*
 * exec.c: the limits of a program, as podman sets them for root: open files, and as many processes as
 * memory takes. The kernel's own limit of processes is small where memory is: 835 at 256 MiB.
 */
void init_set_limits(void);

/* exec.c: likewise for an image's init system, without what makes it think it is in a container. */
char **init_system_environment(const struct vmb_guest_config *config);

/* ---- beside an init system ---- */

#define INIT_RUN "/run/vmboot"
#define INIT_LATE INIT_RUN "/events"
#define INIT_STARTING INIT_RUN "/starting"	 /* until the default target */
#define INIT_ENVIRONMENT INIT_RUN "/environment" /* of the image; each entry ends with a 0 */
#define INIT_DEFAULTS INIT_RUN "/defaults"	 /* see init_agent_defaults() */
#define INIT_OVERLAY INIT_RUN "/overlay"	 /* a link to a folder on the overlay disk */
#define INIT_WHY INIT_RUN "/why" /* why the keeper asked systemd to end, if it did */
#define INIT_SELF_FOLDER "/run/initramfs"
#define INIT_SELF INIT_SELF_FOLDER "/shutdown" /* this program */
#define INIT_SELF_KEPT "/vmboot/self"	       /* where the folder is in the initramfs */

/* systems.c: which it is, by its program; and asking it to end all. False: no way to ask. */
enum init_system init_system_find(const struct init *init, const char *program);
bool init_system_end(const struct init *init, enum init_system system, int how);

/* machine.c: machine-id, host name, and for systemd its units. */
int init_machine(struct init *init, struct init_report *report);

/* units.c: first, for it makes the folder. */
int init_units(const struct init *init, struct init_report *report);

/* without.c: for systemd, what takes the place of an image's udev and kmod where it has none. */
void init_without_tools(const struct init *init);

/* engines.c: folders of the overlay disk for container engines, before the disk is hidden. */
void init_engines(const struct init *init);

/* netfiles.c: what network.c has set, for networkd and resolved. */
void init_network_files(const struct init *init);

/* spare.c: what systemd need not do while it starts. */
void init_spare(const struct init *init);

/* late.c: events when PID 1 is systemd. */
int init_late_begin(const struct init *init);	   /* 0 or -errno */
uint64_t init_late_start(const struct init *init); /* when it was handed over */
void init_late_tell(struct init *init, enum vmboot_phase phase, uint64_t start_us, int error,
		    const struct init_report *report);

/* keeper.c: the process that stays; -1: there is none. */
pid_t init_keeper_start(struct init *init);

/* Other names that this program is called by, for systemd: late.c, spare.c, shutdown.c. */
#define INIT_READY_NAME "vmboot-ready"
#define INIT_LATER_NAME "vmboot-later"
#define INIT_GENERATOR_NAME "/run/systemd/system-generators/vmboot"
#define INIT_SHUTDOWN_NAME "/shutdown"
int init_ready_main(struct init *init, int argc, char **argv);
int init_later_main(struct init *init, int argc, char **argv);
int init_generator_main(struct init *init, int argc, char **argv);
int init_shutdown_main(struct init *init, int argc, char **argv);

/* program.c: becomes the image's init system; returns, -errno, only on failure. */
int init_hand_over(struct init *init, struct init_report *report);

/* serve.c: blocks all signals and opens init->signals; the life of PID 1 while the program runs. */
int init_signals_open(struct init *init);
void init_serve(struct init *init); /* returns when it is time to power off */
void init_serve_once(struct init *init, int timeout_ms);

/* The program has ended, or could not be started again: value of exit. */
void init_program_failed(struct init *init, int64_t value);

/* program.c: starts the program once more; 0 or -errno. */
int init_program_again(struct init *init, struct init_report *report);

/* restart.c: true if the program, which ended so, is to be started again; and does it in time. */
bool init_restart_plan(struct init *init, int64_t value, uint64_t now_us);
void init_restart_serve(struct init *init);

/* health.c: the program has started; a check has ended so; and what is due. */
void init_health_begin(struct init *init);
void init_health_ended(struct init *init, int64_t status);
void init_health_serve(struct init *init);

/* oom.c: what the kernel's log says of a process that was killed for want of memory. */
struct init_oom {
	pid_t pid;
	char name[32];
	uint64_t us; /* since the boot */
};
bool init_oom_parse(const char *record, struct init_oom *ret);
bool init_oom_find(const struct init *init, pid_t program, uint64_t since_us, struct init_oom *ret);

/* Asks for the end when the guest's time is over. */
void init_enforce_ttl(struct init *init);

/* Ends the program, and then all; how: for reboot(2). The first who asks says how. */
void init_stop(struct init *init, int how, const char *why);

/*
 * agent.c. init_agent_defaults(): records "user=…", "workdir=…" and "ulimit=…", each ended by a 0, as the
 * agent takes them: what a program gets that exec runs. Allocated, or NULL.
 */
char *init_agent_defaults(const struct vmb_guest_config *config, size_t *ret_n);
void init_agent_start(struct init *init);
void init_agent_hear(struct init *init);
void init_agent_ended(struct init *init);

/* relay.c */
void init_relay_pump(struct init_relay *relay);
bool init_relay_pending(const struct init_relay *relay); /* the port has to take some first */

/* acpi.c: the power button. The decoders do no I/O. */
int init_acpi_open(void);			  /* socket or -errno */
bool init_acpi_pressed(int fd);			  /* reads all there is */
int init_acpi_group(const void *reply, size_t n); /* multicast group or -errno */
bool init_acpi_is_power(const void *message, size_t n);

/* crash.c: a fault of PID 1 itself powers the guest off, for a panic would boot it again. */
void init_catch_crashes(struct init *init);
void init_unblock_crashes(void); /* after all signals were blocked */

/* poweroff.c: ends what runs, syncs, tells, and powers off. */
void init_thaw(struct init *init);
void init_power_off(struct init *init);
int64_t init_power_off_value(int how); /* of the event */

#endif
