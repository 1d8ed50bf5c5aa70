/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many VMs at once in GLib's main loop: glib IMAGE [N].
 *
 * The main loop watches a descriptor for each VM. What waits, vmboot_create() and vmboot_exec(),
 * runs in threads as a GTask does. The library leaves GLib's default main context alone.
 */
#include <gio/gio.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

enum { MANY = 20, WAIT_MS = 600000 };

struct machine {
	char *name;
	const char *image;
	struct vmboot_vm *vm;
	gboolean up;
};

static GMainLoop *loop;
static int left, failed;

static void create(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
	struct machine *m = data;
	struct vmboot_opts opts = VMBOOT_OPTS(.name = m->name, .image = m->image, .memory_mib = 128,
					      .skip_kernel_headers = true, .ephemeral = true);

	(void)source, (void)cancel;
	if (vmboot_create(&opts, &m->vm) < 0)
		g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
					vmboot_last_error()->message);
	else
		g_task_return_boolean(task, TRUE);
}

static void talk(GTask *task, gpointer source, gpointer data, GCancellable *cancel)
{
	static const char *const args[] = {"hostname", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = WAIT_MS);
	struct vmboot_exec_result *result = NULL;
	struct machine *m = data;

	(void)source, (void)cancel;
	if (vmboot_exec(m->vm, &opts, &result) < 0) {
		g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
					vmboot_last_error()->message);
		return;
	}
	g_print("%s answers: %s", m->name, result->out);
	vmboot_exec_result_free(result);
	g_task_return_boolean(task, TRUE);
}

static void in_a_thread(struct machine *m, GTaskThreadFunc work, GAsyncReadyCallback then)
{
	GTask *task = g_task_new(NULL, NULL, then, m);

	g_task_set_task_data(task, m, NULL);
	g_task_run_in_thread(task, work);
	g_object_unref(task);
}

/* From here on everything runs in the main loop's thread. */

static gboolean went_well(GAsyncResult *result, struct machine *m)
{
	GError *error = NULL;

	if (g_task_propagate_boolean(G_TASK(result), &error))
		return TRUE;
	g_printerr("%s: %s\n", m->name, error->message);
	g_error_free(error);
	failed = 1;
	return FALSE;
}

static void finish(struct machine *m)
{
	if (m->vm && vmboot_destroy(m->vm) < 0)
		failed = 1;
	vmboot_close(m->vm);
	g_free(m->name);
	if (--left == 0)
		g_main_loop_quit(loop);
}

static void on_talked(GObject *source, GAsyncResult *result, gpointer data)
{
	(void)source;
	went_well(result, data);
	finish(data);
}

static void on_event(struct vmboot_vm *vm, const struct vmboot_event *event, void *data)
{
	struct machine *m = data;

	(void)vm;
	if (event->phase == VMBOOT_PHASE_PROGRAM)
		m->up = TRUE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
	struct machine *m = data;

	(void)fd, (void)condition;
	if (vmboot_dispatch(m->vm) < 0) {
		g_printerr("%s: %s\n", m->name, vmboot_last_error()->message);
		failed = 1;
		finish(m);
		return G_SOURCE_REMOVE;
	}
	if (!m->up)
		return G_SOURCE_CONTINUE;
	in_a_thread(m, talk, on_talked);
	return G_SOURCE_REMOVE;
}

static void on_created(GObject *source, GAsyncResult *result, gpointer data)
{
	struct machine *m = data;

	(void)source;
	if (!went_well(result, m)) {
		finish(m);
		return;
	}
	vmboot_on_event(m->vm, on_event, m);
	g_unix_fd_add(vmboot_event_fd(m->vm), G_IO_IN, on_readable, m);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : MANY;
	struct machine *machines;

	if (argc < 2 || n < 1) {
		g_printerr("usage: %s IMAGE [N]\n", argv[0]);
		return 2;
	}
	loop = g_main_loop_new(NULL, FALSE);
	machines = g_new0(struct machine, n);
	for (left = 0; left < n; left++) {
		machines[left].name = g_strdup_printf("glib-%d", left + 1);
		machines[left].image = argv[1];
		in_a_thread(&machines[left], create, on_created);
	}
	g_main_loop_run(loop);
	g_main_loop_unref(loop);
	g_free(machines);
	fflush(stdout);
	_exit(failed);
}
