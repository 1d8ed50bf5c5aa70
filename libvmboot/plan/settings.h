/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PLAN_SETTINGS_H
#define VMB_PLAN_SETTINGS_H

/*
 * What init carries out for a request beside starting its program: limits, mounts, kernel parameters, a
 * time to live. In: checked opts. Out: a part of the plan, and of the guest config.
 */

#include <vmboot/opts.h>

#include "image/image.h"
#include "wire/config.h"

struct vmb_settings {
	char *shm_size, *restart; /* or NULL */
	char **tmpfs, **sysctl, **ulimit;
	uint64_t ttl_ms;		/* 0: none */
	struct vmb_image_health health; /* test: the command itself, or NULL */
	bool read_only;
};

int vmb_settings_make(const struct vmboot_opts *opts, const struct vmb_image_health *image,
		      struct vmb_settings *ret);
void vmb_settings_done(struct vmb_settings *settings);
#define _cleanup_settings_ vmb_cleanup(vmb_settings_done)

/* Points into the settings. */
void vmb_settings_fill(const struct vmb_settings *settings, struct vmb_guest_config *config);

#endif
