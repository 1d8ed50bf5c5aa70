/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/settings.h"

#include "base/str.h"
#include "opts/opts.h"
#include "wire/settings.h"

void vmb_settings_done(struct vmb_settings *s)
{
	free(s->shm_size);
	free(s->restart);
	vmb_list_free(s->tmpfs);
	vmb_list_free(s->sysctl);
	vmb_list_free(s->ulimit);
	vmb_list_free(s->health.test);
	*s = (struct vmb_settings){0};
}

/* ---- health ---- */

enum { INTERVAL_MS = 30000, TIMEOUT_MS = 30000, RETRIES = VMB_OPTS_HEALTH_RETRIES };

static int make_shell_check(const char *script, char ***ret)
{
	return vmb_list_dup((const char *const[]){"/bin/sh", "-c", script, NULL}, ret);
}

/* Docker's format: "NONE", "CMD" and a command, or "CMD-SHELL" and a script. */
static int make_image_check(const char *const *test, char ***ret)
{
	if (test && vmb_streq(test[0], "CMD") && test[1])
		return vmb_list_dup(test + 1, ret);
	if (test && vmb_streq(test[0], "CMD-SHELL") && test[1])
		return make_shell_check(test[1], ret);
	return 0;
}

static uint64_t choose_ms(const char *asked, uint64_t image, uint64_t otherwise)
{
	uint64_t ms = 0;

	if (asked && vmb_duration_parse(asked, &ms) == 0)
		return ms;
	return image ? image : otherwise;
}

static int make_health(const struct vmboot_opts *opts, const struct vmb_image_health *image,
		       struct vmb_image_health *h)
{
	h->interval_ms = choose_ms(opts->health_interval, image->interval_ms, INTERVAL_MS);
	h->timeout_ms = choose_ms(opts->health_timeout, image->timeout_ms, TIMEOUT_MS);
	h->start_period_ms = choose_ms(opts->health_start_period, image->start_period_ms, 0);
	h->retries = opts->health_retries ? opts->health_retries : RETRIES;
	if (h->retries == RETRIES && image->retries) /* the default is filled in already */
		h->retries = image->retries;
	if (!opts->health_cmd || !*opts->health_cmd)
		return make_image_check(vmb_list_const(image->test), &h->test);
	return vmb_streq(opts->health_cmd, "none") ? 0
						   : make_shell_check(opts->health_cmd, &h->test);
}

int vmb_settings_make(const struct vmboot_opts *opts, const struct vmb_image_health *image,
		      struct vmb_settings *ret)
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
		r = make_health(opts, image, &s.health);
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
	if (s->health.test) {
		config->health_cmd = vmb_list_const(s->health.test);
		config->health_interval_ms = s->health.interval_ms;
		config->health_timeout_ms = s->health.timeout_ms;
		config->health_start_period_ms = s->health.start_period_ms;
		config->health_retries = s->health.retries;
	}
	config->read_only = s->read_only;
}
