/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/connect.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/sigpipe.h"
#include "base/str.h"
#include "virt/evloop.h"

#define EMBED "embed" /* the driver's root, in the store */

enum {
	/* sun_path holds 108 bytes, of which the driver takes up to 78 behind the root:
	 * /lib/qemu/channel/target/domain-NN-<20 bytes of name>/org.qemu.guest_agent.0 */
	EMBED_ROOT_MAX = 29,
	LINK_NAME_HEX = 8,
};

struct vmb_conn {
	struct vmb_conn *next;
	int refs;
	pid_t pid; /* a forked child must not use its parent's connection */
	char *uri;
	bool lent, embed;
	bool events; /* opened with an event loop, for who asked for that */
	bool loop;   /* our reference on it */
	pthread_mutex_t lock;
	virConnectPtr c;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vmb_conn *list;

/* Errors reach the caller as ours; on a connection of ours libvirt need not print them. */
static void quiet(void *data VMB_UNUSED, virErrorPtr error VMB_UNUSED)
{
}

/*
 * The embedded driver takes up the guests that it finds running in threads of its own. Until they
 * are through, a state may be wrong, and a process that ends runs libraries' destructors under
 * their feet and crashes. A query has to wait for them.
 */
static void wait_for_guests(virConnectPtr c)
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

/* list_lock is held by who opens an embedded driver. */
static const struct vmb_conn *opened_embed(void)
{
	const struct vmb_conn *c = list;

	while (c && !(c->embed && c->c && c->pid == getpid()))
		c = c->next;
	return c;
}

/* Why there is no connection, with the mend before libvirt's words. */
static int not_connected(const struct vmb_conn *conn)
{
	if (conn->embed && opened_embed())
		return vmb_libvirt_error("a process has one embedded driver, and this one has %s: "
					 "give that as the URI",
					 opened_embed()->uri);
	if (conn->embed && strstr(virGetLastErrorMessage(), "pid file"))
		return vmb_libvirt_error("another process has %s, which serves one at a time: wait "
					 "for its end, or use a libvirt with a daemon, such as "
					 "qemu:///session",
					 conn->uri);
	if (conn->embed)
		return vmb_libvirt_error("cannot use %s", conn->uri);
	return vmb_libvirt_error("cannot connect to %s (is libvirtd or virtqemud running, and may "
				 "you use it?)",
				 conn->uri);
}

static int open_connection(struct vmb_conn *conn)
{
	VMB_KEEP_SIGPIPE;
	virConnectPtr c;
	int r = vmb_libvirt_descriptors();

	if (r < 0)
		return r;
	c = virConnectOpen(conn->uri);
	if (!c)
		return not_connected(conn);
	virConnSetErrorFunc(c, NULL, quiet);
	if (conn->embed)
		wait_for_guests(c);
	conn->c = c;
	return 0;
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
static int prepare_embed(const struct vmb_store *store, char **ret_uri)
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

static const char *wanted_uri(const struct vmboot_opts *opts)
{
	const char *uri = opts->uri;

	if (!uri || !*uri)
		uri = secure_getenv("LIBVIRT_DEFAULT_URI");
	if (!uri || !*uri)
		uri = geteuid() == 0 ? "qemu:///system" : "qemu:///session";
	return uri;
}

bool vmb_conn_is_in_store(const struct vmboot_opts *opts)
{
	return !opts->connection && vmb_streq(wanted_uri(opts), EMBED);
}

static int choose_uri(const struct vmboot_opts *opts, const struct vmb_store *store, char **ret)
{
	const char *uri = wanted_uri(opts);

	if (vmb_streq(uri, EMBED))
		return prepare_embed(store, ret);
	return vmb_strdup(uri, ret);
}

static void drop_loop(struct vmb_conn *conn)
{
	if (conn->loop)
		vmb_evloop_unref();
	conn->loop = false;
}

static void conn_free(struct vmb_conn *conn)
{
	if (conn->c && conn->pid == getpid())
		virConnectClose(conn->c);
	drop_loop(conn);
	pthread_mutex_destroy(&conn->lock);
	free(conn->uri);
	free(conn);
}

static struct vmb_conn *conn_new(const char *uri)
{
	struct vmb_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->uri = strdup(uri);
	if (!conn->uri) {
		free(conn);
		return NULL;
	}
	conn->refs = 1;
	conn->pid = getpid();
	pthread_mutex_init(&conn->lock, NULL);
	return conn;
}

static int open_lent(virConnectPtr c, struct vmb_conn **ret)
{
	char *uri = virConnectGetURI(c);
	struct vmb_conn *conn = conn_new(uri ? uri : "the connection that was lent");

	free(uri);
	if (!conn)
		return vmb_oom();
	if (virConnectRef(c) < 0) {
		conn_free(conn);
		return vmb_libvirt_error("the connection that was lent is not usable");
	}
	conn->lent = true;
	conn->c = c;
	*ret = conn;
	return 0;
}

static bool in_process(const char *uri)
{
	return strstr(uri, ":///embed");
}

static struct vmb_conn *find_shared(const char *uri, bool events)
{
	for (struct vmb_conn *c = list; c; c = c->next)
		if (c->pid == getpid() && c->events == events && vmb_streq(c->uri, uri))
			return c;
	return NULL;
}

static int need_loop(struct vmb_conn *conn)
{
	int r;

	if (conn->loop || !(conn->embed || conn->events))
		return 0;
	r = vmb_evloop_ref();
	conn->loop = r == 0;
	return r < 0 ? r : 0;
}

/* Under list_lock, so that two callers open one connection. */
static int open_shared(const char *uri, bool events, struct vmb_conn **ret)
{
	struct vmb_conn *conn = find_shared(uri, events);
	int r = 0;

	if (conn) {
		r = need_loop(conn);
		if (r < 0)
			return r;
		conn->refs++;
		*ret = conn;
		return 0;
	}
	conn = conn_new(uri);
	if (!conn)
		return vmb_oom();
	conn->events = events;
	conn->embed = in_process(uri);
	r = need_loop(conn);
	if (r == 0)
		r = open_connection(conn);
	if (r < 0) {
		conn_free(conn);
		return r;
	}
	conn->next = list;
	list = conn;
	*ret = conn;
	return 0;
}

int vmb_conn_open(const struct vmboot_opts *opts, const struct vmb_store *store,
		  struct vmb_conn **ret)
{
	_cleanup_free_ char *uri = NULL;
	int r;

	if (opts->connection)
		return open_lent(opts->connection, ret);
	r = choose_uri(opts, store, &uri);
	if (r < 0)
		return r;
	pthread_mutex_lock(&list_lock);
	r = open_shared(uri, false, ret);
	pthread_mutex_unlock(&list_lock);
	return r;
}

int vmb_conn_with_events(struct vmb_conn *conn, struct vmb_conn **ret)
{
	int r = 0;

	pthread_mutex_lock(&list_lock);
	if (in_process(conn->uri)) {
		conn->refs++;
		*ret = conn;
	} else {
		r = open_shared(conn->uri, true, ret);
	}
	pthread_mutex_unlock(&list_lock);
	return r;
}

void vmb_conn_unref(struct vmb_conn *conn)
{
	struct vmb_conn **p;

	pthread_mutex_lock(&list_lock);
	/* libvirt registers its driver anew each time that the embedded one is opened, and runs out
	 * of places after a few: once open, it stays open for the next user in this process */
	if (--conn->refs == 0 && conn->embed && conn->c) {
		drop_loop(conn);
	} else if (conn->refs == 0) {
		for (p = &list; *p && *p != conn; p = &(*p)->next)
			;
		if (*p)
			*p = conn->next;
		conn_free(conn);
	}
	pthread_mutex_unlock(&list_lock);
}

int vmb_conn_get(struct vmb_conn *conn, virConnectPtr broken, virConnectPtr *ret)
{
	int r = 0;

	pthread_mutex_lock(&conn->lock);
	if (broken && conn->c == broken && !conn->lent) {
		virConnectClose(conn->c);
		conn->c = NULL;
	}
	if (!conn->c)
		r = open_connection(conn);
	if (r == 0 && virConnectRef(conn->c) < 0)
		r = vmb_libvirt_error("the connection to %s is not usable", conn->uri);
	if (r == 0)
		*ret = conn->c;
	pthread_mutex_unlock(&conn->lock);
	return r;
}

bool vmb_conn_in_process(const struct vmb_conn *conn)
{
	return in_process(conn->uri);
}

const char *vmb_conn_uri(const struct vmb_conn *conn)
{
	return conn->uri;
}

int vmb_conn_real_uri(struct vmb_conn *conn, char **ret)
{
	_cleanup_connect_ virConnectPtr c = NULL;
	char *uri;
	int r = vmb_conn_get(conn, NULL, &c);

	if (r < 0)
		return r;
	uri = virConnectGetURI(c);
	if (!uri)
		return vmb_libvirt_error("cannot ask for the URI of %s", conn->uri);
	*ret = uri;
	return 0;
}

int vmb_conn_domain(struct vmb_conn *conn, const char *name, virDomainPtr *ret)
{
	_cleanup_connect_ virConnectPtr c = NULL, again = NULL;
	virDomainPtr d;
	int r;

	r = vmb_conn_get(conn, NULL, &c);
	if (r < 0)
		return r;
	d = virDomainLookupByName(c, name);
	if (!d && vmb_libvirt_disconnected()) {
		r = vmb_conn_get(conn, c, &again);
		if (r < 0)
			return r;
		d = virDomainLookupByName(again, name);
	}
	if (d) {
		*ret = d;
		return 0;
	}
	if (vmb_libvirt_code() == VIR_ERR_NO_DOMAIN)
		return vmb_error(VMBOOT_ENOVM, "there is no VM \"%s\" at %s", name, conn->uri);
	return vmb_libvirt_error("cannot look up the VM \"%s\"", name);
}
