/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/settings.h"

#include "base/str.h"
#include "wire/settings.h"

void vmb_settings_done(struct vmb_settings *s)
{
	free(s->shm_size);
	free(s->restart);
	vmb_list_free(s->tmpfs);
	vmb_list_free(s->sysctl);
	vmb_list_free(s->ulimit);
	*s = (struct vmb_settings){0};
}

int vmb_settings_make(const struct vmboot_opts *opts, struct vmb_settings *ret)
{
	_cleanup_settings_ struct vmb_settings s = {.read_only = opts->read_only};
	int r = 0;

	if (opts->ttl)
		r = vmb_duration_parse(opts->ttl, &s.ttl_ms);
	if (r == 0)
		r = vmb_strdup(opts->shm_size, &s.shm_size);
	if (r == 0)
		r = vmb_strdup(opts->restart, &s.restart);
	if (r == 0)
		r = vmb_list_dup(opts->tmpfs, &s.tmpfs);
	if (r == 0)
		r = vmb_list_dup(opts->sysctl, &s.sysctl);
	if (r == 0)
		r = vmb_list_dup(opts->ulimit, &s.ulimit);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct vmb_settings){0};
	return 0;
}

void vmb_settings_fill(const struct vmb_settings *s, struct vmb_guest_config *config)
{
	config->shm_size = s->shm_size;
	config->restart = s->restart;
	config->tmpfs = vmb_list_const(s->tmpfs);
	config->sysctl = vmb_list_const(s->sysctl);
	config->ulimit = vmb_list_const(s->ulimit);
	config->ttl_ms = s->ttl_ms;
	config->read_only = s->read_only;
}
