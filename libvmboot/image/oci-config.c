/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/path.h"
#include "base/error.h"
#include "image/json.h"
#include "image/oci-json.h"
#include "wire/config.h"

static int decode_program(struct json_object *o, struct vmb_image_config *c)
{
	const size_t max = VMB_CONFIG_STRING_MAX;
	int r;

	r = vmb_json_strings(o, "Entrypoint", VMB_CONFIG_LIST_MAX, max, &c->entrypoint);
	if (r == 0)
		r = vmb_json_strings(o, "Cmd", VMB_CONFIG_LIST_MAX, max, &c->cmd);
	if (r == 0)
		r = vmb_json_strings(o, "Env", VMB_CONFIG_LIST_MAX, max, &c->env);
	if (r == 0)
		r = vmb_json_string(o, "WorkingDir", PATH_MAX - 1, &c->workdir);
	if (r == 0)
		r = vmb_json_string(o, "User", VMB_OCI_WORD_MAX, &c->user);
	return r < 0 ? r : vmb_json_string(o, "StopSignal", VMB_OCI_WORD_MAX, &c->stop_signal);
}

static int decode_metadata(struct json_object *o, struct vmb_image_config *c)
{
	const size_t max_n = VMB_OCI_MEMBERS_MAX;
	int r;

	r = vmb_json_keys(o, "ExposedPorts", max_n, VMB_OCI_WORD_MAX, &c->exposed_ports);
	if (r == 0)
		r = vmb_json_keys(o, "Volumes", max_n, PATH_MAX - 1, &c->volumes);
	return r < 0 ? r : vmb_json_pairs(o, "Labels", max_n, VMB_IMAGE_JSON_MAX, &c->labels);
}

/* Nanoseconds, rounded up. */
static int decode_time(struct json_object *o, const char *key, uint64_t *ret_ms)
{
	const uint64_t ns_per_ms = 1000 * 1000;
	uint64_t ns;
	int r = vmb_json_u64(o, key, &ns);

	if (r > 0)
		*ret_ms = ns / ns_per_ms + (ns % ns_per_ms != 0);
	return r < 0 ? r : 0;
}

static int decode_health(struct json_object *o, struct vmb_image_health *h)
{
	int r;

	r = vmb_json_strings(o, "Test", VMB_CONFIG_LIST_MAX, VMB_CONFIG_STRING_MAX, &h->test);
	if (r == 0)
		r = decode_time(o, "Interval", &h->interval_ms);
	if (r == 0)
		r = decode_time(o, "Timeout", &h->timeout_ms);
	if (r == 0)
		r = decode_time(o, "StartPeriod", &h->start_period_ms);
	if (r == 0)
		r = decode_time(o, "StartInterval", &h->start_interval_ms);
	if (r == 0)
		r = vmb_json_u64(o, "Retries", &h->retries);
	return r < 0 ? r : 0;
}

static int decode_config(struct json_object *o, struct vmb_image_config *c)
{
	struct json_object *health;
	int r = decode_program(o, c);

	if (r == 0)
		r = decode_metadata(o, c);
	if (r == 0)
		r = vmb_json_object(o, "Healthcheck", &health);
	if (r > 0)
		r = decode_health(health, &c->health);
	return r < 0 ? r : 0;
}

static int decode_step(struct json_object *o, struct vmb_image_step *step)
{
	struct json_object *empty;
	int r;

	if (!json_object_is_type(o, json_type_object))
		return vmb_error(VMBOOT_EIMAGE, "it is not an object");
	r = vmb_json_string(o, "created", VMB_OCI_WORD_MAX, &step->created);
	if (r == 0)
		r = vmb_json_string(o, "created_by", VMB_IMAGE_JSON_MAX, &step->created_by);
	if (r == 0)
		r = vmb_json_string(o, "comment", VMB_IMAGE_JSON_MAX, &step->comment);
	if (r == 0 && json_object_object_get_ex(o, "empty_layer", &empty))
		step->empty = json_object_get_boolean(empty);
	return r;
}

static int decode_history(struct json_object *o, struct vmb_image_origin *origin)
{
	struct json_object *list;
	int r = vmb_json_array(o, "history", VMB_OCI_HISTORY_MAX, &list);
	size_t n = r > 0 ? json_object_array_length(list) : 0;

	if (r <= 0)
		return r;
	origin->history = calloc(n ? n : 1, sizeof(*origin->history));
	if (!origin->history)
		return vmb_oom();
	for (size_t i = 0; i < n; i++) {
		r = decode_step(json_object_array_get_idx(list, i),
				&origin->history[origin->n_history++]);
		if (r < 0)
			return vmb_error_prefix("history[%zu]", i);
	}
	return 0;
}

int vmb_oci_origin_decode(struct json_object *o, struct vmb_image_origin *origin)
{
	int r;

	r = vmb_json_string(o, "architecture", VMB_OCI_WORD_MAX, &origin->arch);
	if (r == 0)
		r = vmb_json_string(o, "variant", VMB_OCI_WORD_MAX, &origin->variant);
	if (r == 0)
		r = vmb_json_string(o, "created", VMB_OCI_WORD_MAX, &origin->created);
	if (r == 0)
		r = vmb_json_string(o, "author", VMB_IMAGE_JSON_MAX, &origin->author);
	return r < 0 ? r : decode_history(o, origin);
}

int vmb_oci_config_decode(const char *json, size_t n, struct vmb_image_config *ret_config,
			  struct vmb_image_origin *ret_origin)
{
	_cleanup_image_config_ struct vmb_image_config c = {0};
	_cleanup_image_origin_ struct vmb_image_origin origin = {0};
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_free_ char *os = NULL;
	struct json_object *v;
	int r;

	r = vmb_json_document(json, n, &o);
	if (r == 0)
		r = vmb_json_string(o, "os", VMB_OCI_WORD_MAX, &os);
	if (r < 0)
		return r;
	if (os && *os && !vmb_streq(os, "linux"))
		return vmb_error(VMBOOT_EIMAGE, "it is for the system %s, not for linux",
				 vmb_show(os).text);
	r = vmb_oci_origin_decode(o, &origin);
	if (r == 0)
		r = vmb_json_object(o, "config", &v);
	if (r > 0)
		r = decode_config(v, &c);
	if (r < 0)
		return r;
	*ret_config = c;
	c = (struct vmb_image_config){0};
	*ret_origin = origin;
	origin = (struct vmb_image_origin){0};
	return 0;
}
