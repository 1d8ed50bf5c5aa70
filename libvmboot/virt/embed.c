/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/embed.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"

#define EMBED "embed" /* the driver's root, in the store */

enum {
	/* sun_path holds 108 bytes, of which the driver takes up to 78 behind the root:
	 * /lib/qemu/channel/target/domain-NN-<20 bytes of name>/org.qemu.guest_agent.0 */
	EMBED_ROOT_MAX = 29,
	LINK_NAME_HEX = 8,
};

bool vmb_embed_is_uri(const char *uri)
{
	return strstr(uri, ":///embed");
}

/*
 * libvirt locks this file of a driver's root for as long as it uses it. To look at the lock the file
 * is opened and closed, which would give up a lock of this process's own.
 */
bool vmb_embed_is_taken(const char *uri)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	const char *root = strstr(uri, "root=");
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (!root || vmb_asprintf(&path, "%s/run/qemu/driver.pid", root + strlen("root=")) < 0)
		return false;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/*
 * The embedded driver takes up the guests that it finds running in threads of its own. Until they
 * are through, a state may be wrong, and a process that ends runs libraries' destructors under
 * their feet and crashes. A query has to wait for them.
 */
void vmb_embed_wait_for_guests(virConnectPtr c)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	virDomainPtr *domains = NULL;
	int n = virConnectListAllDomains(c, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	for (int i = 0; i < n; i++) {
		virDomainMemoryStats(domains[i], stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
		virDomainFree(domains[i]);
	}
	free(domains);
}

/* A folder for links that is short and goes away with the next boot of the host. */
static int link_folder(char **ret)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return vmb_strdup("/run/vmboot", ret);
	if (runtime && runtime[0] == '/')
		return vmb_strdup(runtime, ret);
	return vmb_asprintf(ret, "/tmp/vmboot-%u", (unsigned)geteuid());
}

/* The link of a store that is gone. The root is there before its link is. */
static void drop_if_dangling(int folder, const char *name)
{
	char target[PATH_MAX + 1];
	struct stat st;
	ssize_t n;

	if (strspn(name, "0123456789abcdef") != LINK_NAME_HEX || name[LINK_NAME_HEX] ||
	    fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_uid != geteuid())
		return;
	n = readlinkat(folder, name, target, PATH_MAX);
	if (n < 0)
		return;
	target[n] = '\0';
	if (vmb_ends_with(target, "/" EMBED) && lstat(target, &st) < 0 && errno == ENOENT)
		unlinkat(folder, name, 0);
}

static void drop_dangling_links(const char *folder)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *ent;

	while (dir && (ent = readdir(dir)))
		drop_if_dangling(dirfd(dir), ent->d_name);
}

/*
 * The driver's sockets lie below its root, and a socket's path is short: a long or odd root gets a short
 * link, always the same one. What stands there already must be ours.
 */
static int shorten_root(const char *root, char **ret)
{
	_cleanup_free_ char *folder = NULL, *link = NULL;
	char hex[VMB_SHA256_HEX + 1];
	struct vmb_hash h;
	struct stat st;
	int r;

	vmb_hash_init(&h);
	vmb_hash_str(&h, root);
	vmb_hash_hex(&h, hex);
	r = link_folder(&folder);
	/* root's QEMU runs as a user of its own, who must get through */
	if (r == 0)
		r = vmb_mkdir_p(folder, geteuid() == 0 ? 0711 : 0700);
	if (r < 0)
		return r;
	if (lstat(folder, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022))
		return vmb_error(EPERM, "%s is not a folder of ours alone; remove it", folder);
	r = vmb_asprintf(&link, "%s/%.*s", folder, LINK_NAME_HEX, hex);
	if (r < 0)
		return r;
	if (strlen(link) > EMBED_ROOT_MAX)
		return vmb_error(ENAMETOOLONG,
				 "the store's path %s is too long for libvirt's embedded driver",
				 root);
	drop_dangling_links(folder);
	if (symlink(root, link) < 0 && errno != EEXIST)
		return vmb_errno(errno, "cannot make the link %s", link);
	if (lstat(link, &st) < 0 || !S_ISLNK(st.st_mode) || st.st_uid != geteuid())
		return vmb_error(EPERM, "%s is not a link of ours; remove it", link);
	*ret = TAKE_PTR(link);
	return 0;
}

/*
 * Folders that QEMU's user must get through; libvirt would make them, with the program's umask, which
 * may forbid just that.
 */
static const char *const embed_folders[] = {"lib/qemu", "run/qemu", "cache/qemu", "log/qemu"};

/*
 * The root stands in a URI, and libvirt puts it into arguments of QEMU that it does not quote when it
 * asks what QEMU can: a blank spoils the one, a comma the other.
 */
static bool is_plain(const char *root)
{
	return !root[strspn(root, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789/-._")];
}

/* The embedded driver's root and its configuration: output goes to files, not to virtlogd. */
int vmb_embed_prepare(const struct vmb_store *store, char **ret_uri)
{
	static const char conf[] = "stdio_handler = \"file\"\n";
	_cleanup_free_ char *file = NULL, *root = NULL, *link = NULL;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(embed_folders) && r == 0; i++) {
		_cleanup_free_ char *folder = NULL;

		r = vmb_asprintf(&folder, "%s/" EMBED "/%s", store->path, embed_folders[i]);
		if (r == 0 && !vmb_exists(folder))
			r = vmb_mkdir_p(folder, 0711);
	}
	if (r == 0)
		r = vmb_store_path(store, &file, EMBED "/etc/qemu.conf");
	if (r == 0 && !vmb_exists(file))
		r = vmb_write_file_atomic(file, conf, sizeof(conf) - 1, 0644);
	if (r == 0)
		r = vmb_asprintf(&root, "%s/" EMBED, store->path);
	if (r == 0 && (strlen(root) > EMBED_ROOT_MAX || !is_plain(root)))
		r = shorten_root(root, &link);
	if (r < 0)
		return r;
	return vmb_asprintf(ret_uri, "qemu:///embed?root=%s", link ? link : root);
}
