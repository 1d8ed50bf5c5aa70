/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_REGISTRIES_H
#define VMB_IMAGE_REGISTRIES_H

/*
 * Which registries a short name such as "node:20" may mean, as containers-registries.conf(5) says it for
 * podman: an alias, else each of unqualified-search-registries in order; docker.io where neither is
 * given. All else in these files (mirrors, blocked and insecure registries) is for skopeo.
 *
 * Read are $CONTAINERS_REGISTRIES_CONF, or ~/.config/containers/registries.conf, or
 * /etc/containers/registries.conf with its registries.conf.d; then ~/.config/containers/
 * registries.conf.d; and podman's own file of aliases, which counts most.
 */

#include <stddef.h>

/* All names in full that registries may have for name; "localhost/…" is none. -VMBOOT_EIMAGE: no name. */
int vmb_registries_names(const char *name, char ***ret);

/* What was read. A later file replaces search as a whole, and aliases one by one. */
struct vmb_registries {
	char **search;	/* NULL: not given */
	char **aliases; /* "name=host/path"; path empty: none */
};

/*
 * One file's text, n bytes and a 0. What is no TOML or of no interest is skipped: skopeo complains about it.
 * 0 or -ENOMEM. No I/O.
 */
int vmb_registries_decode(const char *text, size_t n, struct vmb_registries *registries);
void vmb_registries_done(struct vmb_registries *registries);

#endif
