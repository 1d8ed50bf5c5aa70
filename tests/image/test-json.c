/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "image/json.h"
#include "image/oci-json.h"
#include "image/record.h"
#include "test.h"
#include "wire/config.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BLOB(type) "{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX "\",\"size\":7}"
#define CONFIG BLOB("application/vnd.oci.image.config.v1+json")
#define GZIP BLOB("application/vnd.oci.image.layer.v1.tar+gzip")
#define MANIFEST(layers) "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[" layers "]}"
#define INDEX(blob) "{\"schemaVersion\":2,\"manifests\":[" blob "]}"

struct bad {
	const char *json, *words;
};

static void decodes_an_index(void)
{
	static const char json[] =
		"{\"schemaVersion\":2,\"manifests\":["
		"{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		"\"digest\":\"sha256:" HEX "\",\"size\":9223372036854775807,"
		"\"annotations\":{\"org.opencontainers.image.ref.name\":\"a:b/c\"},"
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
		"{\"mediaType\":\"x/y\",\"digest\":\"sha256:" HEX "\",\"size\":0,"
		"\"annotations\":null,\"more\":[1]}]}";
	_cleanup_oci_index_ struct vmb_oci_index index = {0};

	ASSERT_OK(vmb_oci_index_decode(json, strlen(json), &index));
	CU_ASSERT_EQUAL_FATAL(index.n, 2);
	CU_ASSERT_EQUAL(index.blobs[0].type, VMB_OCI_MANIFEST);
	CU_ASSERT_EQUAL(index.blobs[0].size, INT64_MAX);
	ASSERT_STR(index.blobs[0].tag, "a:b/c");
	ASSERT_STR(index.blobs[0].arch, "amd64");
	ASSERT_STR(index.blobs[0].hex, HEX);
	CU_ASSERT_EQUAL(index.blobs[1].type, VMB_OCI_UNKNOWN);
	CU_ASSERT_PTR_NULL(index.blobs[1].tag);
}

#define BARE "{\"digest\":\"sha256:" HEX "\",\"size\":7}"

/* What podman reads, too. */
static void reads_documents_that_say_less(void)
{
	static const char index_json[] = "{\"config\":null,\"manifests\":[" BARE "]}";
	static const char json[] = "{\"mediaType\":\"\",\"config\":" BARE ",\"layers\":[" BARE
				   "],\"annotations\":null,\"more\":{}}";
	_cleanup_oci_manifest_ struct vmb_oci_manifest m = {0};
	_cleanup_oci_index_ struct vmb_oci_index index = {0};
	_cleanup_image_config_ struct vmb_image_config config = {0};
	_cleanup_image_origin_ struct vmb_image_origin origin = {0};
	static const char empty[] = "{\"config\":{\"Cmd\":null,\"Env\":null,\"Entrypoint\":null}}";

	ASSERT_OK(vmb_oci_index_decode(index_json, strlen(index_json), &index));
	CU_ASSERT_EQUAL(index.blobs[0].type, VMB_OCI_MANIFEST);
	ASSERT_OK(vmb_oci_manifest_decode(json, strlen(json), &m));
	CU_ASSERT_EQUAL(m.config.type, VMB_OCI_CONFIG);
	CU_ASSERT_EQUAL(m.layers.blobs[0].type, VMB_OCI_LAYER);
	ASSERT_OK(vmb_oci_config_decode(empty, strlen(empty), &config, &origin));
	CU_ASSERT_PTR_NULL(config.cmd);
}

static void refuses_bad_indexes(void)
{
	static const struct bad table[] = {
		{"", "ends too early"},
		{"{", "ends too early"},
		{"[]", "not a JSON object"},
		{"null", "not a JSON object"},
		{"{} x", "at byte 3"},
		{"{\"a\":1,}", "not valid JSON"},
		{"{}", "no \"manifests\""},
		{"{\"manifests\":[],\"layers\":[]}", "ambiguous: an index has no \"layers\""},
		{"{\"manifests\":[],\"config\":{}}", "ambiguous: an index has no \"config\""},
		{"{\"schemaVersion\":\"2\"}", "not of the type int"},
		{"{\"schemaVersion\":1}", "skopeo"},
		{"{\"schemaVersion\":2}", "no \"manifests\""},
		{"{\"schemaVersion\":2,\"manifests\":{}}", "not of the type array"},
		{INDEX("7"), "manifests[0]"},
		{INDEX("{}"), "\"digest\" is missing"},
		{INDEX("{\"digest\":\"sha512:ab\",\"size\":1}"), "sha512:ab is not a sha256"},
		{INDEX("{\"digest\":\"sha256:../../../../etc/passwd\",\"size\":1}"),
		 "not a sha256"},
		{INDEX("{\"digest\":\"sha256:" HEX "0\",\"size\":1}"), "not a sha256"},
		{INDEX("{\"digest\":\"sha256:" HEX "\"}"), "no \"size\""},
		{INDEX("{\"digest\":\"sha256:" HEX "\",\"size\":-1}"), "negative"},
		{INDEX("{\"digest\":\"sha256:" HEX "\",\"size\":1.5}"), "not of the type int"},
		{INDEX("{\"digest\":\"sha256:" HEX "\",\"size\":1,\"annotations\":[]}"),
		 "not of the type object"},
		{INDEX("{\"digest\":\"sha256:" HEX "\",\"size\":1,\"mediaType\":\"a\\u0000b\"}"),
		 "0 byte"},
		{INDEX("{\"mediaType\":\"\xff\"}"), "UTF-8"},
		{"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
		 "]]]]]]]"
		 "}",
		 "too deep"},
	};
	struct vmb_oci_index index;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		ASSERT_ERROR(vmb_oci_index_decode(table[i].json, strlen(table[i].json), &index),
			     VMBOOT_EIMAGE, table[i].words);
}

static void decodes_a_manifest(void)
{
	static const char json[] = MANIFEST(
		GZIP "," BLOB("application/vnd.docker.image.rootfs.diff.tar.gzip") "," BLOB(
			"application/vnd.oci.image.layer.v1.tar"));
	_cleanup_oci_manifest_ struct vmb_oci_manifest m = {0};

	ASSERT_OK(vmb_oci_manifest_decode(json, strlen(json), &m));
	CU_ASSERT_EQUAL(m.layers.n, 3);
	CU_ASSERT_EQUAL(m.config.size, 7);
}

static void refuses_bad_manifests(void)
{
	static const struct bad table[] = {
		{"{\"schemaVersion\":2,\"layers\":[]}", "no \"config\""},
		{"{\"config\":" CONFIG ",\"layers\":[],\"manifests\":[]}",
		 "ambiguous: a manifest has no \"manifests\""},
		{"{\"schemaVersion\":2,\"config\":" CONFIG "}", "no \"layers\""},
		{"{\"schemaVersion\":2,\"config\":" GZIP ",\"layers\":[]}",
		 "not a container image"},
		{MANIFEST(GZIP "," BLOB("application/vnd.oci.image.layer.v1.tar+encrypted")),
		 "layer 2 has the media type application/vnd.oci.image.layer.v1.tar+encrypted"},
		{MANIFEST(BLOB("a\\nb")), "a?b"},
		{MANIFEST("null"), "layers[0]"},
	};
	_cleanup_buf_ struct vmb_buf many = {0};
	struct vmb_oci_manifest m;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		ASSERT_ERROR(vmb_oci_manifest_decode(table[i].json, strlen(table[i].json), &m),
			     VMBOOT_EIMAGE, table[i].words);
	vmb_buf_str(&many, "{\"schemaVersion\":2,\"config\":" CONFIG ",\"layers\":[0");
	for (int i = 0; i < VMB_OCI_LAYERS_MAX; i++)
		vmb_buf_str(&many, ",0");
	vmb_buf_str(&many, "]}");
	ASSERT_ERROR(vmb_oci_manifest_decode(many.data, many.len, &m), VMBOOT_EIMAGE,
		     "more than 1000 elements");
	while (many.len <= VMB_IMAGE_JSON_MAX)
		vmb_buf_str(&many, "                                                            ");
	ASSERT_ERROR(vmb_oci_manifest_decode(many.data, many.len, &m), VMBOOT_EIMAGE,
		     "larger than 4194304 bytes");
}

static void decodes_a_config(void)
{
	static const char json[] =
		"{\"os\":\"linux\",\"architecture\":\"arm64\",\"config\":{\"Entrypoint\":null,"
		"\"Cmd\":[\"a\",\"\"],\"Env\":[],\"User\":\"0\"}}";
	_cleanup_image_config_ struct vmb_image_config c = {0};
	_cleanup_image_origin_ struct vmb_image_origin origin = {0};
	_cleanup_free_ char *text = NULL;

	ASSERT_OK(vmb_oci_config_decode(json, strlen(json), &c, &origin));
	ASSERT_STR(origin.arch, "arm64");
	CU_ASSERT_PTR_NULL(c.entrypoint);
	CU_ASSERT_PTR_NULL(c.workdir);
	ASSERT_OK(vmb_config_json(&c, &text));
	ASSERT_STR(text, "{\"cmd\":[\"a\",\"\"],\"env\":[],\"user\":\"0\"}");
}

static void decodes_all_fields_of_a_config(void)
{
	static const char json[] =
		"{\"created\":\"2026-01-31T12:00:00Z\",\"author\":\"a\",\"architecture\":\"amd64\","
		"\"variant\":\"v2\",\"history\":[{\"created\":\"c\",\"created_by\":\"RUN x\"},"
		"{\"comment\":\"k\",\"empty_layer\":true}],\"config\":{\"StopSignal\":\"SIGRTMIN+"
		"3\","
		"\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":null},\"Volumes\":{\"/data\":{}},"
		"\"Labels\":{\"a=b\":\"c=d\",\"e\":\"\"},\"Healthcheck\":{\"Test\":[\"CMD\","
		"\"true\"],"
		"\"Interval\":1500000001,\"Timeout\":3000000000,\"StartPeriod\":0,"
		"\"StartInterval\":1000000,\"Retries\":3}}}";
	_cleanup_image_config_ struct vmb_image_config c = {0};
	_cleanup_image_origin_ struct vmb_image_origin origin = {0};
	_cleanup_free_ char *text = NULL;

	ASSERT_OK(vmb_oci_config_decode(json, strlen(json), &c, &origin));
	ASSERT_OK(vmb_config_json(&c, &text));
	ASSERT_STR(text,
		   "{\"stop_signal\":\"SIGRTMIN+3\",\"exposed_ports\":[\"80/tcp\",\"53/udp\"],"
		   "\"volumes\":[\"/data\"],\"labels\":{\"a=b\":\"c=d\",\"e\":\"\"},"
		   "\"healthcheck\":{\"test\":[\"CMD\",\"true\"],\"interval_ms\":1501,"
		   "\"timeout_ms\":3000,\"start_interval_ms\":1,\"retries\":3}}");
	ASSERT_STR(origin.created, "2026-01-31T12:00:00Z");
	ASSERT_STR(origin.author, "a");
	ASSERT_STR(origin.variant, "v2");
	CU_ASSERT_EQUAL_FATAL(origin.n_history, 2);
	ASSERT_STR(origin.history[0].created_by, "RUN x");
	CU_ASSERT_FALSE(origin.history[0].empty);
	ASSERT_STR(origin.history[1].comment, "k");
	CU_ASSERT_TRUE(origin.history[1].empty);
}

static void refuses_bad_configs(void)
{
	static const struct bad table[] = {
		{"{\"os\":\"windows\"}", "for the system windows"},
		{"{\"os\":7}", "\"os\" is not of the type string"},
		{"{\"config\":[]}", "\"config\" is not of the type object"},
		{"{\"config\":{\"Cmd\":\"sh\"}}", "\"Cmd\" is not of the type array"},
		{"{\"config\":{\"Cmd\":[1]}}", "\"Cmd\" has something that is not a string"},
		{"{\"config\":{\"Cmd\":[null]}}", "\"Cmd\" has something that is not a string"},
		{"{\"config\":{\"Env\":[\"A=\\u0000\"]}}", "\"Env\" has a 0 byte"},
		{"{\"config\":{\"StopSignal\":2}}", "\"StopSignal\" is not of the type string"},
		{"{\"config\":{\"ExposedPorts\":[\"80\"]}}", "not of the type object"},
		{"{\"config\":{\"Labels\":{\"x\":1}}}", "\"Labels\" has something"},
		{"{\"config\":{\"Healthcheck\":{\"Interval\":-1}}}", "\"Interval\" is negative"},
		{"{\"config\":{\"Healthcheck\":{\"Test\":\"x\"}}}", "not of the type array"},
		{"{\"history\":[7]}", "history[0]: it is not an object"},
		{"{\"history\":[{\"created_by\":{}}]}", "\"created_by\" is not"},
		{"{\"config\":{\"WorkingDir\":{}}}", "\"WorkingDir\" is not of the type string"},
	};
	_cleanup_buf_ struct vmb_buf large = {0}, many = {0};
	struct vmb_image_config c;
	struct vmb_image_origin origin;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		ASSERT_ERROR(vmb_oci_config_decode(table[i].json, strlen(table[i].json), &c,
						   &origin),
			     VMBOOT_EIMAGE, table[i].words);
	vmb_buf_str(&large, "{\"config\":{\"Env\":[\"A=");
	for (int i = 0; i < 1 << 17; i++)
		vmb_buf_str(&large, "x");
	vmb_buf_str(&large, "\"]}}");
	ASSERT_ERROR(vmb_oci_config_decode(large.data, large.len, &c, &origin), VMBOOT_EIMAGE,
		     "\"Env\" has a string of more than 131071 bytes");
	vmb_buf_str(&many, "{\"config\":{\"Cmd\":[\"x\"");
	for (int i = 0; i < VMB_CONFIG_LIST_MAX; i++)
		vmb_buf_str(&many, ",\"x\"");
	vmb_buf_str(&many, "]}}");
	ASSERT_ERROR(vmb_oci_config_decode(many.data, many.len, &c, &origin), VMBOOT_EIMAGE,
		     "\"Cmd\" has more than 233016 elements");
}

static void a_record_comes_back_as_it_was(void)
{
	char *cmd[] = {(char *)"a b", (char *)"\"\n", NULL}, *none[] = {NULL};
	struct vmb_image_layer layer = {(char *)"sha256:" HEX, (char *)"m/t", 1 << 20};
	struct vmb_image_step step = {(char *)"c", (char *)"by", (char *)"k", true};
	struct vmb_image image = {.digest = (char *)"sha256:" HEX,
				  .source = (char *)"oci:/x:1",
				  .fstype = (char *)"erofs",
				  .bytes = UINT64_C(1) << 40,
				  .imported = 1700000000,
				  .config = {.cmd = cmd,
					     .env = none,
					     .user = (char *)"u",
					     .stop_signal = (char *)"2",
					     .exposed_ports = cmd,
					     .volumes = cmd,
					     .labels = cmd,
					     .health = {cmd, 1, 2, 3, 4, 5}},
				  .origin = {.created = (char *)"c",
					     .author = (char *)"a",
					     .arch = (char *)"b",
					     .variant = (char *)"v",
					     .layers = &layer,
					     .n_layers = 1,
					     .history = &step,
					     .n_history = 1}};
	_cleanup_image_ struct vmb_image back = {0};
	_cleanup_free_ char *json = NULL, *again = NULL, *a = NULL, *b = NULL;

	ASSERT_OK(vmb_record_encode(&image, &json));
	ASSERT_OK(vmb_record_decode(json, strlen(json), &back));
	ASSERT_STR(back.digest, image.digest);
	ASSERT_STR(back.source, image.source);
	ASSERT_STR(back.fstype, image.fstype);
	CU_ASSERT_EQUAL(back.bytes, image.bytes);
	CU_ASSERT_EQUAL(back.imported, image.imported);
	ASSERT_OK(vmb_config_json(&image.config, &a));
	ASSERT_OK(vmb_config_json(&back.config, &b));
	ASSERT_STR(b, a);
	ASSERT_OK(vmb_record_encode(&back, &again));
	ASSERT_STR(again, json);
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"empty_layer\":true"));
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"media_type\":\"m/t\""));
}

static void refuses_bad_records(void)
{
	static const struct bad table[] = {
		{"{}", "format 0"},
		{"{\"format\":2}", "format 2"},
		{"{\"format\":1}", "digest or fstype"},
		{"{\"format\":1,\"digest\":\"sha256:" HEX "\",\"fstype\":\"../../x\"}",
		 "digest or fstype"},
		{"{\"format\":1,\"layers\":[{}]}", "a layer's digest"},
		{"{\"format\":1,\"digest\":7}", "\"digest\" is not"},
	};
	struct vmb_image image;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		ASSERT_ERROR(vmb_record_decode(table[i].json, strlen(table[i].json), &image),
			     VMBOOT_EIMAGE, table[i].words);
}

TEST_MAIN("image/json", {"reads documents that say less", reads_documents_that_say_less},
	  {"decodes an index", decodes_an_index}, {"refuses bad indexes", refuses_bad_indexes},
	  {"decodes a manifest", decodes_a_manifest},
	  {"refuses bad manifests", refuses_bad_manifests}, {"decodes a config", decodes_a_config},
	  {"decodes all fields of a config", decodes_all_fields_of_a_config},
	  {"refuses bad configs", refuses_bad_configs},
	  {"a record comes back as it was", a_record_comes_back_as_it_was},
	  {"refuses bad records", refuses_bad_records})
