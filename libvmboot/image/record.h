/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_RECORD_H
#define VMB_IMAGE_RECORD_H

/*
 * image.json, which lies beside an image's disk and is written last:
 *
 *   {
 *     "format": 1,
 *     "digest": "sha256:…",               of what it was made from; the folder's name has it too
 *     "source": "oci:/srv/images/node:20",
 *     "fstype": "squashfs",               the disk is root.<fstype>
 *     "bytes": 4096,                      of the disk
 *     "imported": 1700000000,             seconds since 1970
 *     "created": "2026-01-31T12:00:00Z",  as its config has it; so are the next three
 *     "author": "", "architecture": "amd64", "variant": "v3",
 *     "history": [{"created": "", "created_by": "", "comment": "", "empty_layer": true}],
 *     "layers": [{"digest": "sha256:…", "bytes": 4096, "media_type": ""}],    the lowest first
 *     "config": {"entrypoint": [], "cmd": [], "env": [], "workdir": "", "user": "",
 *                "stop_signal": "SIGINT", "exposed_ports": ["80/tcp"], "volumes": ["/data"],
 *                "labels": {"name": "value"},
 *                "healthcheck": {"test": ["CMD", "true"], "interval_ms": 30000, "timeout_ms": 1000,
 *                                "start_period_ms": 1, "start_interval_ms": 1, "retries": 3}}
 *   }
 *
 * What the image does not have is left out. An image whose record has another
 * format counts as not imported, and importing it again replaces it. Bytes in and out, no I/O.
 */

#include "image/image.h"

enum { VMB_RECORD_MAX = 8 << 20 };

int vmb_record_encode(const struct vmb_image *image, char **ret);

/* Fills digest, source, fstype, bytes, imported, origin and config. -VMBOOT_EIMAGE if it is none. */
int vmb_record_decode(const char *json, size_t n, struct vmb_image *ret);

/* The part under "config", which is also what callers of the library get. */
int vmb_config_json(const struct vmb_image_config *config, char **ret);

#endif
