/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_GUEST_LEDGER_H
#define VMB_GUEST_LEDGER_H

/*
 * The ledger: one time line for what the host did and what the guest said. In: the host's phases,
 * kept in the VM's folder, and the guest's boot events. Out: struct vmboot_ledger.
 */

#include <vmboot/event.h>

#include "wire/event.h"

enum { VMB_HOST_PHASES_MAX = 8, VMB_RESUMES_MAX = 8 };

/*
 * The guest was restored from its saved state (`virsh managedsave`), and its boot went on. Its clock
 * stood still meanwhile: the first events of the boot have the offset that they had before.
 */
struct vmb_resume {
	int64_t start_us, end_us; /* of the restore, since the start of the boot */
	size_t boot, events;	  /* in which boot, and how many events it had sent by then */
	int64_t offset_us;	  /* of these events, as in struct vmb_boot */
};

/* The host's phases of one boot; times in microseconds since start. */
struct vmb_host_phases {
	int64_t start_mono_us; /* CLOCK_MONOTONIC; means nothing in another process */
	int64_t start_real_us; /* CLOCK_REALTIME */
	size_t n;
	struct {
		enum vmboot_phase phase;
		int64_t start_us, end_us;
	} list[VMB_HOST_PHASES_MAX];
	size_t n_resumes;
	struct vmb_resume resumes[VMB_RESUMES_MAX];
};

void vmb_host_phases_begin(struct vmb_host_phases *p);

/* The phase went on from the last mark, or the beginning, to now. */
void vmb_host_phases_mark(struct vmb_host_phases *p, enum vmboot_phase phase);

/* The guest was restored; if that happened too often, the newest takes the place of the one before. */
void vmb_host_phases_add_resume(struct vmb_host_phases *p, const struct vmb_resume *resume);

/* Now, on that time line: in the process that began it, and in others as exactly as clocks allow. */
int64_t vmb_host_phases_now(const struct vmb_host_phases *p);

/* As a file of its own; reading checks it like anything else that lies on a disk. */
int vmb_host_phases_save(const struct vmb_host_phases *p, const char *path);
int vmb_host_phases_load(const char *path, struct vmb_host_phases *ret);

/* The same without I/O: n bytes and a 0. -EBADMSG; what names them in the error. */
int vmb_host_phases_parse(const char *text, size_t n, const char *what,
			  struct vmb_host_phases *ret);

/* The guest's newest boot, as far as it has told. */
struct vmb_boot {
	struct vmb_event *events; /* phases only */
	size_t n;
	size_t number; /* how many boots there were, so that a reboot shows */
	/* A later boot than the first: when the guest was reset (-1: nobody knows), and why. */
	int64_t reset_us;
	const char *reset_why;
	/* A boot was reset before it had started the program, and none has since. */
	bool aborted;
	/*
	 * The guest's clock against the host's: host = guest + offset. Each arrival gives an upper
	 * bound, so the smallest is the best; spread is how far the two best differ.
	 */
	int64_t offset_us,
		spread_us; /* of the events since the last resume, see vmb_boot_offset() */
	const struct vmb_resume
		*resumes; /* of this boot and others; points into the host's phases */
	size_t n_resumes;
	/* The guest is gone: why, or NULL; and when, or -1: as far as anybody knows, after the last. */
	const char *stopped;
	int64_t stopped_us;
};

/* The offset of the event of that number. */
int64_t vmb_boot_offset(const struct vmb_boot *boot, size_t event);

/* When the boot began on that time line, which is the zero of its own: 0, or its reset. */
int64_t vmb_boot_began(const struct vmb_boot *boot);

/* The ledger; all strings are copied. */
int vmb_ledger_make(const char *name, const struct vmb_host_phases *host,
		    const struct vmb_boot *boot, struct vmboot_ledger **ret);

#endif
