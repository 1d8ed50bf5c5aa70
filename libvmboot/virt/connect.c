/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/connect.h"

#include <string.h>
#include <unistd.h>

#include "base/sigpipe.h"
#include "base/str.h"
#include "base/thread.h"
#include "virt/embed.h"
#include "virt/evloop.h"
#include "virt/uri.h"

enum {
	/* How long a call waits for libvirt to open a connection. */
	OPEN_MS = 30000,
	/* A daemon that says nothing for that long has hung: its connections break. It is as long
	 * as daemons give their clients. */
	KEEPALIVE_S = 5,
	KEEPALIVE_COUNT = 5,
};

struct vmb_conn {
	struct vmb_conn *next;
	int refs;  /* its users, and the thread that opens it */
	pid_t pid; /* a forked child must not use its parent's connection */
	char *uri;
	bool lent, embed;
	bool events; /* for streams and events, apart from calls that may take long */
	bool loop;   /* our reference on the event loop */
	enum { CLOSED, OPENING, OPEN } state;
	virConnectPtr c;
	unsigned attempts; /* to open it, that have ended */
	int result;	   /* of the last one */
	struct vmb_saved_error *error;
	pthread_cond_t changed;
	int waiting;
	bool joinable; /* the thread that opened it has ended, or is about to */
	pthread_t opener;
};

/* Of all that is above and of the list. It is never held while libvirt is called, references on its
 * objects aside, which are counters. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vmb_conn *list;

/* ---- fork ---- */

static void lock_list(void)
{
	pthread_mutex_lock(&list_lock);
}

static void unlock_list(void)
{
	pthread_mutex_unlock(&list_lock);
}

static void watch_for_forks(void)
{
	/* a child is not to find the lock held by a thread that it does not have */
	(void)pthread_atfork(lock_list, unlock_list, unlock_list);
}

static int check_process(const struct vmb_conn *conn)
{
	if (conn->pid == getpid())
		return 0;
	return vmb_error(EPERM,
			 "this process was forked from the one that connected to %s, and cannot "
			 "use its connection: open the VM anew here",
			 conn->uri);
}

/* ---- opening ---- */

/* The embedded driver that this process has already, or NULL. */
static char *opened_embed(void)
{
	const struct vmb_conn *c;
	char *uri = NULL;

	lock_list();
	for (c = list; c && !uri; c = c->next)
		if (c->embed && c->c && c->pid == getpid())
			uri = strdup(c->uri);
	unlock_list();
	return uri;
}

/* Why there is no connection: what to do about it comes before libvirt's words. */
static int not_connected(const struct vmb_conn *conn)
{
	_cleanup_free_ char *other = conn->embed ? opened_embed() : NULL;

	if (other)
		return vmb_libvirt_error("a process has one embedded driver, and this one has %s: "
					 "give that as the URI",
					 other);
	if (conn->embed && vmb_embed_is_taken(conn->uri))
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

static int open_connection(const struct vmb_conn *conn, virConnectPtr *ret)
{
	VMB_KEEP_SIGPIPE;
	virConnectPtr c;
	int r = vmb_libvirt_descriptors();

	if (r < 0)
		return r;
	c = vmb_libvirt_open(conn->uri);
	if (!c)
		return not_connected(conn);
	if (conn->embed)
		vmb_embed_wait_for_guests(c);
	else if (virConnectSetKeepAlive(c, KEEPALIVE_S, KEEPALIVE_COUNT) < 0)
		virResetLastError(); /* not with this driver, or without an event loop */
	*ret = c;
	return 0;
}

/* In a thread of its own, since libvirt sets no limit to how long it takes. */
static void *opener(void *data)
{
	struct vmb_conn *conn = data;
	virConnectPtr c = NULL;
	bool joinable;
	int r = open_connection(conn, &c);
	struct vmb_saved_error *error = r < 0 ? vmb_error_save() : NULL;

	lock_list();
	free(conn->error);
	conn->error = error;
	conn->result = r;
	conn->c = c;
	conn->state = c ? OPEN : CLOSED;
	conn->attempts++;
	joinable = conn->joinable = conn->waiting > 0;
	pthread_cond_broadcast(&conn->changed);
	unlock_list();
	if (!joinable)
		pthread_detach(pthread_self());
	vmb_conn_unref(conn);
	return NULL;
}

/* Those who wait for it hold references, so that its end waits for nothing. The lock is held. */
static void join_opener(struct vmb_conn *conn)
{
	const pthread_t thread = conn->opener;

	if (!conn->joinable)
		return;
	conn->joinable = false;
	unlock_list();
	pthread_join(thread, NULL);
	lock_list();
}

static int start_opener(struct vmb_conn *conn)
{
	int r = vmb_thread_start("vmboot-open", opener, conn, &conn->opener);

	if (r < 0)
		return vmb_errno(r, "cannot start a thread that connects to %s", conn->uri);
	conn->refs++;
	conn->state = OPENING;
	return 0;
}

/* One attempt, our own or somebody's that is under way; the lock is held. */
static int await_attempt(struct vmb_conn *conn, struct vmb_deadline deadline)
{
	const unsigned attempt = conn->attempts;
	int r = 0;

	if (conn->state == CLOSED)
		r = start_opener(conn);
	if (r < 0)
		return r;
	conn->waiting++;
	while (conn->attempts == attempt && !vmb_deadline_passed(deadline))
		vmb_cond_wait(&conn->changed, &list_lock, deadline);
	conn->waiting--;
	if (conn->attempts == attempt)
		return vmb_error(ETIMEDOUT,
				 "%s has not answered for %d seconds: does its daemon hang, or is "
				 "it out of reach?",
				 conn->uri, OPEN_MS / 1000);
	if (conn->state != OPEN && conn->result < 0)
		r = vmb_error_repeat(conn->error, conn->result);
	join_opener(conn);
	return r;
}

int vmb_conn_get(struct vmb_conn *conn, virConnectPtr broken, virConnectPtr *ret)
{
	const struct vmb_deadline deadline = vmb_deadline_in(OPEN_MS);
	_cleanup_connect_ virConnectPtr gone = NULL;
	VMB_KEEP_SIGPIPE;
	int r = check_process(conn);

	if (r < 0)
		return r;
	lock_list();
	if (broken && conn->c == broken && !conn->lent) {
		gone = TAKE_PTR(conn->c);
		conn->state = CLOSED;
	}
	join_opener(conn);
	while (r == 0 && conn->state != OPEN)
		r = await_attempt(conn, deadline);
	if (r == 0 && virConnectRef(conn->c) < 0)
		r = vmb_libvirt_error("the connection to %s is not usable", conn->uri);
	if (r == 0)
		*ret = conn->c;
	unlock_list();
	return r;
}

/* ---- which ---- */

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
	return !opts->connection && vmb_streq(wanted_uri(opts), "embed");
}

static int choose_uri(const struct vmboot_opts *opts, const struct vmb_store *store, char **ret)
{
	const char *uri = wanted_uri(opts);

	if (vmb_streq(uri, "embed"))
		return vmb_embed_prepare(store, ret);
	return vmb_strdup(uri, ret);
}

/* ---- one for each URI ---- */

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
	conn->embed = vmb_embed_is_uri(uri);
	vmb_cond_init(&conn->changed);
	return conn;
}

/* The lock is not held: libvirt may have to say goodbye to its daemon. */
static void conn_free(struct vmb_conn *conn)
{
	if (conn->c && conn->pid == getpid())
		virConnectClose(conn->c);
	if (conn->loop)
		vmb_evloop_unref();
	pthread_cond_destroy(&conn->changed);
	free(conn->error);
	free(conn->uri);
	free(conn);
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
	conn->state = OPEN;
	*ret = conn;
	return 0;
}

static struct vmb_conn *find_shared(const char *uri, bool events)
{
	for (struct vmb_conn *c = list; c; c = c->next)
		if (c->pid == getpid() && c->events == events && vmb_streq(c->uri, uri))
			return c;
	return NULL;
}

/* The one in the list, with a reference, or fresh, which is there then. */
static struct vmb_conn *find_or_add(struct vmb_conn *fresh)
{
	struct vmb_conn *conn = find_shared(fresh->uri, fresh->events);

	if (conn) {
		conn->refs++;
		return conn;
	}
	fresh->next = list;
	list = fresh;
	return fresh;
}

/* It may not be open yet. */
static int share(const char *uri, bool events, struct vmb_conn **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct vmb_conn *fresh = conn_new(uri), *conn;
	int r;

	if (!fresh)
		return vmb_oom();
	pthread_once(&once, watch_for_forks);
	fresh->events = events;
	r = vmb_evloop_ref();
	if (r < 0) {
		conn_free(fresh);
		return r;
	}
	fresh->loop = r == 0;
	lock_list();
	conn = find_or_add(fresh);
	if (conn != fresh && !conn->loop) {
		conn->loop = fresh->loop;
		fresh->loop = false;
	}
	unlock_list();
	if (conn != fresh)
		conn_free(fresh);
	*ret = conn;
	return 0;
}

static int open_shared(const char *uri, bool events, struct vmb_conn **ret)
{
	_cleanup_connect_ virConnectPtr c = NULL;
	_cleanup_conn_ struct vmb_conn *conn = NULL;
	int r = share(uri, events, &conn);

	if (r == 0)
		r = vmb_conn_get(conn, NULL, &c);
	if (r == 0)
		*ret = TAKE_PTR(conn);
	return r;
}

int vmb_conn_open(const struct vmboot_opts *opts, const struct vmb_store *store,
		  struct vmb_conn **ret)
{
	_cleanup_free_ char *uri = NULL;
	int r;

	if (opts->connection)
		return open_lent(opts->connection, ret);
	r = choose_uri(opts, store, &uri);
	return r < 0 ? r : open_shared(uri, false, ret);
}

int vmb_conn_with_events(struct vmb_conn *conn, struct vmb_conn **ret)
{
	int r = check_process(conn);

	if (r < 0)
		return r;
	if (!conn->embed)
		return open_shared(conn->uri, true, ret);
	lock_list();
	conn->refs++;
	unlock_list();
	*ret = conn;
	return 0;
}

static void remove_from_list(const struct vmb_conn *conn)
{
	struct vmb_conn **p = &list;

	while (*p && *p != conn)
		p = &(*p)->next;
	if (*p)
		*p = conn->next;
}

void vmb_conn_unref(struct vmb_conn *conn)
{
	bool last, stays, loop = false;

	lock_list();
	last = --conn->refs == 0;
	/* libvirt registers its driver anew each time that the embedded one is opened, and runs out
	 * of places after a few: once open, it stays open for the next user in this process */
	stays = last && conn->embed && conn->c && !conn->lent;
	if (stays) {
		loop = conn->loop;
		conn->loop = false;
	} else if (last) {
		remove_from_list(conn);
	}
	unlock_list();
	if (loop)
		vmb_evloop_unref();
	if (last && !stays)
		conn_free(conn);
}

bool vmb_conn_in_process(const struct vmb_conn *conn)
{
	return vmb_embed_is_uri(conn->uri);
}

const char *vmb_conn_uri(const struct vmb_conn *conn)
{
	return conn->uri;
}

/* ---- where ---- */

static int elsewhere(const char *uri)
{
	vmb_error(
		VMBOOT_EOPTS,
		"%s is the libvirt of another host, and a VM needs files on the host that it runs "
		"on: create and start it there. If that is this host, use a URI without a server, "
		"such as qemu:///system",
		uri);
	vmb_error_field("uri");
	return -VMBOOT_EOPTS;
}

int vmb_conn_check_uri(const struct vmboot_opts *opts)
{
	_cleanup_free_ char *lent = opts->connection ? virConnectGetURI(opts->connection) : NULL;
	const char *uri = lent ? lent : wanted_uri(opts);

	if (vmb_uri_place(uri) != VMB_URI_ELSEWHERE)
		return 0;
	return elsewhere(uri);
}

int vmb_conn_check_here(struct vmb_conn *conn)
{
	const enum vmb_uri_place place = vmb_uri_place(conn->uri);
	_cleanup_connect_ virConnectPtr c = NULL;
	_cleanup_free_ char *name = NULL;
	int r;

	if (place != VMB_URI_UNSURE)
		return place == VMB_URI_HERE ? 0 : elsewhere(conn->uri);
	r = vmb_conn_get(conn, NULL, &c);
	if (r < 0)
		return r;
	name = virConnectGetHostname(c);
	if (!name)
		return vmb_libvirt_error("cannot ask %s for the name of its host", conn->uri);
	return vmb_uri_is_own_name(name) ? 0 : elsewhere(conn->uri);
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
