/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>

#include "base/error.h"
#include "image/json.h"
#include "image/oci-json.h"
#include "image/record-parts.h"
#include "wire/config.h"

static int add_health(struct json_object *config, const struct vmb_image_health *h)
{
	_cleanup_json_ struct json_object *o = NULL;
	int r;

	if (!h->test)
		return 0;
	o = json_object_new_object();
	if (!o)
		return vmb_oom();
	r = vmb_json_add_strings(o, "test", vmb_list_const(h->test));
	if (r == 0)
		r = vmb_json_add_u64(o, "interval_ms", h->interval_ms);
	if (r == 0)
		r = vmb_json_add_u64(o, "timeout_ms", h->timeout_ms);
	if (r == 0)
		r = vmb_json_add_u64(o, "start_period_ms", h->start_period_ms);
	if (r == 0)
		r = vmb_json_add_u64(o, "start_interval_ms", h->start_interval_ms);
	if (r == 0)
		r = vmb_json_add_u64(o, "retries", h->retries);
	return r < 0 ? r : vmb_json_add(config, "healthcheck", TAKE_PTR(o));
}

int vmb_record_config(const struct vmb_image_config *c, struct json_object **ret)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	int r;

	if (!o)
		return vmb_oom();
	r = vmb_json_add_strings(o, "entrypoint", vmb_list_const(c->entrypoint));
	if (r == 0)
		r = vmb_json_add_strings(o, "cmd", vmb_list_const(c->cmd));
	if (r == 0)
		r = vmb_json_add_strings(o, "env", vmb_list_const(c->env));
	if (r == 0)
		r = vmb_json_add_string(o, "workdir", c->workdir);
	if (r == 0)
		r = vmb_json_add_string(o, "user", c->user);
	if (r == 0)
		r = vmb_json_add_string(o, "stop_signal", c->stop_signal);
	if (r == 0)
		r = vmb_json_add_strings(o, "exposed_ports", vmb_list_const(c->exposed_ports));
	if (r == 0)
		r = vmb_json_add_strings(o, "volumes", vmb_list_const(c->volumes));
	if (r == 0)
		r = vmb_json_add_pairs(o, "labels", vmb_list_const(c->labels));
	if (r == 0)
		r = add_health(o, &c->health);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(o);
	return 0;
}

static int read_health(struct json_object *config, struct vmb_image_health *h)
{
	struct json_object *o;
	int r = vmb_json_object(config, "healthcheck", &o);

	if (r <= 0)
		return r;
	r = vmb_json_strings(o, "test", VMB_CONFIG_LIST_MAX, VMB_CONFIG_STRING_MAX, &h->test);
	if (r >= 0)
		r = vmb_json_u64(o, "interval_ms", &h->interval_ms);
	if (r >= 0)
		r = vmb_json_u64(o, "timeout_ms", &h->timeout_ms);
	if (r >= 0)
		r = vmb_json_u64(o, "start_period_ms", &h->start_period_ms);
	if (r >= 0)
		r = vmb_json_u64(o, "start_interval_ms", &h->start_interval_ms);
	return r < 0 ? r : vmb_json_u64(o, "retries", &h->retries);
}

static int read_program(struct json_object *o, struct vmb_image_config *c)
{
	const size_t max = VMB_CONFIG_STRING_MAX;
	int r;

	r = vmb_json_strings(o, "entrypoint", VMB_CONFIG_LIST_MAX, max, &c->entrypoint);
	if (r == 0)
		r = vmb_json_strings(o, "cmd", VMB_CONFIG_LIST_MAX, max, &c->cmd);
	if (r == 0)
		r = vmb_json_strings(o, "env", VMB_CONFIG_LIST_MAX, max, &c->env);
	if (r == 0)
		r = vmb_json_string(o, "workdir", PATH_MAX - 1, &c->workdir);
	if (r == 0)
		r = vmb_json_string(o, "user", VMB_OCI_WORD_MAX, &c->user);
	return r < 0 ? r : vmb_json_string(o, "stop_signal", VMB_OCI_WORD_MAX, &c->stop_signal);
}

int vmb_record_read_config(struct json_object *o, struct vmb_image_config *c)
{
	const size_t max_n = VMB_OCI_MEMBERS_MAX;
	int r = read_program(o, c);

	if (r == 0)
		r = vmb_json_strings(o, "exposed_ports", max_n, VMB_OCI_WORD_MAX,
				     &c->exposed_ports);
	if (r == 0)
		r = vmb_json_strings(o, "volumes", max_n, PATH_MAX - 1, &c->volumes);
	if (r == 0)
		r = vmb_json_pairs(o, "labels", max_n, VMB_IMAGE_JSON_MAX, &c->labels);
	if (r == 0)
		r = read_health(o, &c->health);
	return r < 0 ? r : 0;
}
