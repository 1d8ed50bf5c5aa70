/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/oci-write.h"

#include <time.h>

#include "base/arch.h"
#include "base/error.h"
#include "image/json.h"

#define MEDIA_TYPE "application/vnd.oci.image."

static int add_object(struct json_object *o, const char *key, struct json_object **ret)
{
	struct json_object *v = json_object_new_object();
	int r = vmb_json_add(o, key, v);

	if (r == 0)
		*ret = v;
	return r;
}

/* {"80/tcp": {}} */
static int add_set(struct json_object *o, const char *key, char **list)
{
	struct json_object *set, *empty;
	int r;

	if (!list)
		return 0;
	r = add_object(o, key, &set);
	for (; r == 0 && *list; list++)
		r = add_object(set, *list, &empty);
	return r;
}

static int add_time(struct json_object *o, const char *key, uint64_t ms)
{
	return vmb_json_add_u64(o, key, ms < UINT64_MAX / 1000000 ? ms * 1000000 : 0);
}

static int add_health(struct json_object *config, const struct vmb_image_health *h)
{
	struct json_object *o = NULL;
	int r;

	if (!h->test)
		return 0;
	r = add_object(config, "Healthcheck", &o);
	if (r == 0)
		r = vmb_json_add_strings(o, "Test", vmb_list_const(h->test));
	if (r == 0)
		r = add_time(o, "Interval", h->interval_ms);
	if (r == 0)
		r = add_time(o, "Timeout", h->timeout_ms);
	if (r == 0)
		r = add_time(o, "StartPeriod", h->start_period_ms);
	if (r == 0)
		r = add_time(o, "StartInterval", h->start_interval_ms);
	return r < 0 ? r : vmb_json_add_u64(o, "Retries", h->retries);
}

static int add_config(struct json_object *o, const struct vmb_image_config *c)
{
	int r;

	r = vmb_json_add_strings(o, "Entrypoint", vmb_list_const(c->entrypoint));
	if (r == 0)
		r = vmb_json_add_strings(o, "Cmd", vmb_list_const(c->cmd));
	if (r == 0)
		r = vmb_json_add_strings(o, "Env", vmb_list_const(c->env));
	if (r == 0)
		r = vmb_json_add_string(o, "WorkingDir", c->workdir);
	if (r == 0)
		r = vmb_json_add_string(o, "User", c->user);
	if (r == 0)
		r = vmb_json_add_string(o, "StopSignal", c->stop_signal);
	if (r == 0)
		r = add_set(o, "ExposedPorts", c->exposed_ports);
	if (r == 0)
		r = add_set(o, "Volumes", c->volumes);
	if (r == 0)
		r = vmb_json_add_pairs(o, "Labels", vmb_list_const(c->labels));
	return r < 0 ? r : add_health(o, &c->health);
}

static int add_step(struct json_object *list, const struct vmb_image_step *step)
{
	struct json_object *o;
	int r = vmb_json_append_object(list, &o);

	if (r == 0)
		r = vmb_json_add_string(o, "created", step->created);
	if (r == 0)
		r = vmb_json_add_string(o, "created_by", step->created_by);
	if (r == 0)
		r = vmb_json_add_string(o, "comment", step->comment);
	if (r == 0 && step->empty)
		r = vmb_json_add(o, "empty_layer", json_object_new_boolean(1));
	return r;
}

static int add_history(struct json_object *root, const struct vmb_image *image, const char *created)
{
	const struct vmb_image_step own = {.created = (char *)created,
					   .created_by = (char *)"vmboot save",
					   .comment = (char *)"all layers in one"};
	struct json_object *list;
	int r = vmb_json_add_array(root, "history", &list);

	for (size_t i = 0; r == 0 && i < image->origin.n_history; i++) {
		struct vmb_image_step step = image->origin.history[i];

		step.empty = true;
		r = add_step(list, &step);
	}
	return r < 0 ? r : add_step(list, &own);
}

static int add_rootfs(struct json_object *root, const struct vmb_oci_written *layer)
{
	_cleanup_free_ char *digest = NULL;
	struct json_object *o = NULL;
	int r = vmb_asprintf(&digest, "sha256:%s", layer->hex);
	const char *const list[] = {digest, NULL};

	if (r == 0)
		r = add_object(root, "rootfs", &o);
	if (r == 0)
		r = vmb_json_add_string(o, "type", "layers");
	return r < 0 ? r : vmb_json_add_strings(o, "diff_ids", list);
}

static int to_text(struct json_object *o, char **ret)
{
	const char *s = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE);

	return s ? vmb_strdup(s, ret) : vmb_oom();
}

int vmb_oci_config_encode(const struct vmb_image *image, const struct vmb_oci_written *layer,
			  char **ret)
{
	_cleanup_json_ struct json_object *root = json_object_new_object();
	const struct vmb_image_origin *origin = &image->origin;
	const struct vmb_arch *host = vmb_arch_of_host();
	time_t imported = (time_t)image->imported;
	struct json_object *config;
	char created[40] = "";
	struct tm tm;
	int r;

	if (!root)
		return vmb_oom();
	if (gmtime_r(&imported, &tm))
		strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	r = vmb_json_add_string(root, "created", origin->created ? origin->created : created);
	if (r == 0)
		r = vmb_json_add_string(root, "author", origin->author);
	if (r == 0)
		r = vmb_json_add_string(root, "architecture",
					origin->arch ? origin->arch
					: host	     ? host->oci
						     : NULL);
	if (r == 0)
		r = vmb_json_add_string(root, "variant", origin->variant);
	if (r == 0)
		r = vmb_json_add_string(root, "os", "linux");
	if (r == 0)
		r = add_object(root, "config", &config);
	if (r == 0)
		r = add_config(config, &image->config);
	if (r == 0)
		r = add_rootfs(root, layer);
	if (r == 0)
		r = add_history(root, image, created);
	return r < 0 ? r : to_text(root, ret);
}

static int add_blob(struct json_object *o, const char *media_type,
		    const struct vmb_oci_written *blob)
{
	_cleanup_free_ char *digest = NULL;
	int r = vmb_asprintf(&digest, "sha256:%s", blob->hex);

	if (r == 0)
		r = vmb_json_add_string(o, "mediaType", media_type);
	if (r == 0)
		r = vmb_json_add_string(o, "digest", digest);
	return r < 0 ? r : vmb_json_add(o, "size", json_object_new_uint64(blob->size));
}

int vmb_oci_manifest_encode(const struct vmb_oci_written *config,
			    const struct vmb_oci_written *layer, char **ret)
{
	_cleanup_json_ struct json_object *root = json_object_new_object();
	struct json_object *o, *list;
	int r;

	if (!root)
		return vmb_oom();
	r = vmb_json_add(root, "schemaVersion", json_object_new_int(2));
	if (r == 0)
		r = vmb_json_add_string(root, "mediaType", MEDIA_TYPE "manifest.v1+json");
	if (r == 0)
		r = add_object(root, "config", &o);
	if (r == 0)
		r = add_blob(o, MEDIA_TYPE "config.v1+json", config);
	if (r == 0)
		r = vmb_json_add_array(root, "layers", &list);
	if (r == 0)
		r = vmb_json_append_object(list, &o);
	if (r == 0)
		r = add_blob(o, MEDIA_TYPE "layer.v1.tar", layer);
	return r < 0 ? r : to_text(root, ret);
}

int vmb_oci_index_encode(const struct vmb_oci_written *manifest, const char *tag, char **ret)
{
	_cleanup_json_ struct json_object *root = json_object_new_object();
	struct json_object *list, *o, *annotations;
	int r;

	if (!root)
		return vmb_oom();
	r = vmb_json_add(root, "schemaVersion", json_object_new_int(2));
	if (r == 0)
		r = vmb_json_add_array(root, "manifests", &list);
	if (r == 0)
		r = vmb_json_append_object(list, &o);
	if (r == 0)
		r = add_blob(o, MEDIA_TYPE "manifest.v1+json", manifest);
	if (r == 0)
		r = add_object(o, "annotations", &annotations);
	if (r == 0)
		r = vmb_json_add_string(annotations, "org.opencontainers.image.ref.name", tag);
	return r < 0 ? r : to_text(root, ret);
}
