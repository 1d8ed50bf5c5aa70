/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <string.h>
#include <sys/stat.h>

#include "init.h"

/*
 * The address, gateway and name server that init has set, for systemd-networkd and systemd-resolved.
 * All files are below /run, and named so that any of the image's own comes first. ifupdown and
 * NetworkManager need none: they leave a device alone that has its address.
 */

#define MADE_BY "# made by libvmboot's init at each boot\n"

struct network {
	const struct vmb_guest_config *c;
	char name[16], mac[24];
};

/*
 * The device is up, so udev cannot rename it; if it tries, networkd waits for the new name for ever.
 * For the rest it is what systemd's 99-default.link says.
 */
static size_t for_udev(const struct network *n, char *text, size_t size)
{
	return init_format(text, size,
			   MADE_BY "[Match]\nMACAddress=%s\n\n"
				   "[Link]\nNamePolicy=keep\n"
				   "AlternativeNamesPolicy=database onboard slot path\n"
				   "MACAddressPolicy=none\n",
			   n->mac);
}

static size_t for_networkd(const struct network *n, char *text, size_t size)
{
	return init_format(text, size,
			   MADE_BY "[Match]\nMACAddress=%s\n\n"
				   "[Network]\nAddress=%s\n%s%s\n%s%s\n"
				   "KeepConfiguration=static\n",
			   n->mac, n->c->address, *n->c->gateway ? "Gateway=" : "", n->c->gateway,
			   *n->c->nameserver ? "DNS=" : "", n->c->nameserver);
}

/* Used if neither networkd nor the image names a server. */
static size_t for_resolved(const struct network *n, char *text, size_t size)
{
	return *n->c->nameserver ? init_format(text, size, MADE_BY "[Resolve]\nFallbackDNS=%s\n",
					       n->c->nameserver)
				 : 0;
}

static const struct {
	const char *folder, *name;
	size_t (*text)(const struct network *n, char *text, size_t size);
} files[] = {
	{"/run/systemd/network", "98-vmboot.link", for_udev},
	{"/run/systemd/network", "zz-vmboot.network", for_networkd},
	{"/run/systemd/resolved.conf.d", "50-vmboot.conf", for_resolved},
};

static void write_file(const struct init *init, size_t i, const struct network *n)
{
	char path[INIT_PATH_MAX], text[1024];
	size_t size = files[i].text(n, text, sizeof(text));

	if (size == 0 || size >= sizeof(text))
		return;
	mkdir(init_path(init, path, "/run/systemd"), 0755);
	mkdir(init_path(init, path, "%s", files[i].folder), 0755);
	init_path(init, path, "%s/%s", files[i].folder, files[i].name);
	if (init_write_file(path, 0644, text, size) < 0)
		init_log(init, "cannot write %s", path);
}

void init_network_files(const struct init *init)
{
	struct network n = {.c = &init->config};
	char path[INIT_PATH_MAX];

	if (!n.c->address[0] || !init_network_device(init, vmb_deadline_in(0), n.name))
		return;
	init_path(init, path, "/sys/class/net/%s/address", n.name);
	init_read_text(path, n.mac, sizeof(n.mac));
	for (size_t i = 0; n.mac[0] && i < ARRAY_SIZE(files); i++)
		write_file(init, i, &n);
}
