/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest in somebody else's program: what is the program's stays as it was. Each case is a program
 * of its own, a fork of this one, since what libvirt's embedded driver sets up stays in a process
 * until it ends; it ends with 0 if all it checked held.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/globals.h>
#include <libxml/parser.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "boot.h"
#include "snapshot.h"

static int failures;

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			dprintf(STDERR_FILENO, "%s:%d: not so: %s (last error: %s)\n", __FILE__,   \
				__LINE__, #cond, vmboot_last_error()->message);                    \
			failures++;                                                                \
		}                                                                                  \
	} while (0)

/* Not exit(): libvirt's threads live on, and destructors under their feet crash. */
static void in_a_program_of_its_own(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	(void)test_tmpdir(); /* ours, so that it goes with us and not with the child */
	pid = fork();
	if (pid == 0) {
		fn();
		_exit(failures > 0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool says(struct vmboot_vm *vm, const char *word)
{
	const char *const args[] = {"echo", word, NULL};
	const struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = 60000);
	struct vmboot_exec_result *result;
	bool same;

	if (vmboot_exec(vm, &opts, &result) < 0)
		return false;
	same = result->exit_code == 0 && strncmp(result->out, word, strlen(word)) == 0;
	vmboot_exec_result_free(result);
	return same;
}

/* A VM from its beginning to its end. */
static void live(const char *name)
{
	struct vmboot_opts opts = boot_opts(name, "sleep 1000");
	struct vmboot_vm *vm = NULL;

	CHECK(vmboot_create(&opts, &vm) == 0);
	if (!vm)
		return;
	CHECK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS) == 0);
	CHECK(says(vm, "hello"));
	CHECK(vmboot_destroy(vm) == 0);
	vmboot_close(vm);
}

/* ---- nothing is left behind ---- */

/* What libvirt's embedded driver keeps in a process that has once opened it; none of it is ours. */
static const char *const libvirts[] = {
	"descriptor * -> *s/embed/run/qemu/driver.pid", /* this process' claim on the root */
	"descriptor * -> anon_inode:[[]eventfd]",	/* of GLib's, one for each context */
	"thread gmain",
	"thread qemu-event",
	NULL,
};
static const char *const nothing[] = {NULL};

static void on_signal(int number)
{
	(void)number;
}

/*
 * When libvirt cannot connect to the port of an agent that has just come, since the guest is being
 * destroyed, its qemuAgentDispose() gives a GMainContext back that it has not taken yet (9.0 does),
 * and GLib says so. Nobody can keep libvirt from that: of all that was printed, it is not ours.
 */
static bool is_libvirts(const char *line)
{
	return !*line || (strstr(line, "GLib-CRITICAL") &&
			  strstr(line, "g_main_context_unref: assertion 'context != NULL' failed"));
}

static void check_nothing_was_said(const char *path)
{
	char *text = strdup(test_read(path)), *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		if (!is_libvirts(line))
			dprintf(STDERR_FILENO, "printed: %s\n", line);
		CHECK(is_libvirts(line));
	}
	free(text);
}

static void leaves_nothing_behind(void)
{
	const char *said = test_path("%s/said", test_tmpdir());
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct snapshot before, first, second;
	int saved = dup(STDERR_FILENO);
	sigset_t set;

	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	umask(077);
	snapshot_redirect(said);
	snapshot_take(&before);
	live("embed-first");
	snapshot_take(&first);
	live("embed-second");
	snapshot_take(&second);
	dup2(saved, STDERR_FILENO);
	dup2(saved, STDOUT_FILENO);
	CHECK(snapshot_compare(&before, &first, libvirts) == 0);
	CHECK(snapshot_compare(&first, &second, nothing) == 0);
	check_nothing_was_said(said);
	snapshot_done(&before);
	snapshot_done(&first);
	snapshot_done(&second);
}

/* A libvirt in another process leaves nothing at all. */
static void a_connection_leaves_nothing(void)
{
	struct vmboot_opts where = VMBOOT_OPTS(.store = boot_store(), .uri = "test:///default");
	struct snapshot before, after;
	struct vmboot_info **infos;

	snapshot_take(&before);
	CHECK(vmboot_list(&where, &infos) == 0);
	vmboot_list_free(infos);
	snapshot_take(&after);
	CHECK(snapshot_compare(&before, &after, nothing) == 0);
	snapshot_done(&before);
	snapshot_done(&after);
}

/* ---- two users of the library in one program ---- */

struct context {
	struct vmboot_opts opts;
	struct vmboot_vm *vm;
	bool well;
};

static void *boot_context(void *data)
{
	struct context *c = data;

	if (vmboot_create(&c->opts, &c->vm) == 0)
		c->well = vmboot_wait(c->vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS) == 0 &&
			  says(c->vm, c->opts.name);
	if (!c->well)
		dprintf(STDERR_FILENO, "%s\n", vmboot_last_error()->message);
	return NULL;
}

static void two_contexts(void)
{
	const char *store = test_path("%s/../other", boot_store());
	const char *root = test_path("qemu:///embed?root=%s/embed", boot_store());
	const char *source = test_path("oci:%s/../image:test", boot_store());
	struct context c[2] = {{.opts = boot_opts("embed-one", "sleep 1000")},
			       {.opts = boot_opts("embed-two", "sleep 1000")}};
	struct vmboot_opts other = VMBOOT_OPTS(.store = store, .uri = root);
	struct vmboot_info **infos;
	pthread_t threads[2];

	c[1].opts.store = store;
	c[1].opts.uri = root;
	CHECK(vmboot_image_import(&other, source, "test", NULL) == 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, boot_context, &c[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CHECK(c[0].well && c[1].well);
	CHECK(vmb_exists(test_path("%s/vms/embed-one", boot_store())));
	CHECK(vmb_exists(test_path("%s/vms/embed-two", store)));
	CHECK(vmboot_list(&other, &infos) == 2);
	vmboot_list_free(infos);
	/* neither takes the other's for litter */
	CHECK(vmboot_gc(&other, 0, NULL) == 0);
	CHECK(vmboot_gc(&c[0].opts, 0, NULL) == 0);
	/* a third with a libvirt of its own: a process has one embedded driver */
	other.uri = "embed";
	CHECK(vmboot_list(&other, &infos) == -VMBOOT_ELIBVIRT);
	CHECK(strstr(vmboot_last_error()->message, "one embedded driver"));
	for (int i = 0; i < 2; i++) {
		CHECK(vmboot_destroy(c[i].vm) == 0);
		vmboot_close(c[i].vm);
	}
}

/* ---- a program that uses libvirt and libxml2 itself ---- */

static int virt_errors, xml_errors;

static void on_virt_error(void *data, virErrorPtr error)
{
	(void)error;
	++*(int *)data;
}

static void on_xml_error(void *data, xmlErrorPtr error)
{
	(void)error;
	++*(int *)data;
}

static void __attribute__((format(printf, 2, 3))) on_xml_words(void *data, const char *fmt, ...)
{
	(void)data;
	(void)fmt;
}

static void settings_of_its_own(void)
{
	struct vmboot_opts opts = boot_opts("embed-render", "true");
	xmlExternalEntityLoader loader = xmlGetExternalEntityLoader();
	char *before = NULL, *after = NULL;

	CHECK(vmboot_render_xml(&opts, &before) == 0);
	xmlKeepBlanksDefault(0);
	xmlSubstituteEntitiesDefault(1);
	xmlLoadExtDtdDefaultValue = 6;
	xmlIndentTreeOutput = 0;
	xmlSaveNoEmptyTags = 1;
	xmlTreeIndentString = "\t";
	xmlSetStructuredErrorFunc(&xml_errors, on_xml_error);
	xmlSetGenericErrorFunc(&xml_errors, on_xml_words);
	virSetErrorFunc(&virt_errors, on_virt_error);
	CHECK(vmboot_render_xml(&opts, &after) == 0);
	CHECK(before && after && strcmp(before, after) == 0);
	CHECK(xmlIndentTreeOutput == 0);
	live("embed-settings"); /* libvirt's driver sets that one, in the thread that calls it */
	CHECK(xmlKeepBlanksDefaultValue == 0);
	CHECK(xmlSubstituteEntitiesDefaultValue == 1);
	CHECK(xmlLoadExtDtdDefaultValue == 6);
	CHECK(xmlSaveNoEmptyTags == 1);
	CHECK(strcmp(xmlTreeIndentString, "\t") == 0);
	CHECK(xmlGetExternalEntityLoader() == loader);
	CHECK(xmlStructuredError == on_xml_error && xmlStructuredErrorContext == &xml_errors);
	CHECK(xmlGenericError == on_xml_words && xmlGenericErrorContext == &xml_errors);
	/* libxml2 still lives, and both report to the program */
	CHECK(xmlParseDoc(BAD_CAST "<a>") == NULL && xml_errors > 0);
	virt_errors = 0;
	CHECK(virConnectOpen("nosuch:///") == NULL && virt_errors == 1);
	vmboot_free(before);
	vmboot_free(after);
}

/* GLib is there, since libvirt uses it; a program's main loop runs on its default context. */
static atomic_int glib_calls, glib_strangers;
static pthread_t main_thread;

static int on_glib_timeout(void *data)
{
	(void)data;
	atomic_fetch_add(&glib_calls, 1);
	if (!pthread_equal(pthread_self(), main_thread))
		atomic_fetch_add(&glib_strangers, 1);
	return 1;
}

static void a_glib_program(void)
{
	unsigned (*timeout_add)(unsigned, int (*)(void *), void *);
	int (*iteration)(void *, int);

	*(void **)&timeout_add = dlsym(RTLD_DEFAULT, "g_timeout_add");
	*(void **)&iteration = dlsym(RTLD_DEFAULT, "g_main_context_iteration");
	if (!timeout_add || !iteration) {
		test_not_tried("libvirt brings no GLib here");
		return;
	}
	main_thread = pthread_self();
	timeout_add(1, on_glib_timeout, NULL);
	live("embed-glib");
	CHECK(atomic_load(&glib_strangers) == 0);
	CHECK(atomic_load(&glib_calls) == 0); /* its loop did not run */
	iteration(NULL, 1);
	CHECK(atomic_load(&glib_calls) == 1);
}

static atomic_bool loop_quit;

static void *run_loop(void *data)
{
	while (!atomic_load(&loop_quit))
		virEventRunDefaultImpl();
	return data;
}

static void on_tick(int timer, void *data)
{
	(void)timer;
	if (!pthread_equal(pthread_self(), *(pthread_t *)data))
		failures++;
}

/* Threads of ours, by name. */
static int loops_of_ours(void)
{
	struct snapshot s;
	int n = 0;

	snapshot_take(&s);
	for (char **l = s.lines; *l; l++)
		n += strcmp(*l, "thread vmboot-events") == 0;
	snapshot_done(&s);
	return n;
}

static void a_program_with_a_loop_of_libvirts(void)
{
	struct vmboot_opts opts = boot_opts("embed-loop", "sleep 1000");
	struct vmboot_vm *vm = NULL;
	pthread_t thread;
	int timer;

	CHECK(virEventRegisterDefaultImpl() == 0);
	timer = virEventAddTimeout(50, on_tick, &thread, NULL);
	pthread_create(&thread, NULL, run_loop, NULL);
	CHECK(vmboot_create(&opts, &vm) == 0);
	CHECK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS) == 0);
	CHECK(says(vm, "hello"));
	CHECK(loops_of_ours() == 0);
	CHECK(vmboot_destroy(vm) == 0);
	vmboot_close(vm);
	atomic_store(&loop_quit, true);
	pthread_join(thread, NULL);
	CHECK(virEventRemoveTimeout(timer) == 0);
}

/* A loop of the program's very own. It stands still while the program's one thread is in our calls,
 * which must come back all the same. */
static int n_added;

static int stub_add_handle(int fd, int events, virEventHandleCallback fn, void *opaque,
			   virFreeCallback free_opaque)
{
	(void)fd, (void)events, (void)fn, (void)opaque, (void)free_opaque;
	return ++n_added;
}

static int stub_add_timeout(int ms, virEventTimeoutCallback fn, void *opaque,
			    virFreeCallback free_opaque)
{
	(void)ms, (void)fn, (void)opaque, (void)free_opaque;
	return ++n_added;
}

static void stub_update(int id, int value)
{
	(void)id, (void)value;
}

static int stub_remove(int id)
{
	(void)id;
	return 0;
}

static void a_program_whose_loop_stands_still(void)
{
	struct vmboot_opts opts = boot_opts("embed-still", "sleep 1000");
	struct vmboot_vm *vm = NULL;

	virEventRegisterImpl(stub_add_handle, stub_update, stub_remove, stub_add_timeout,
			     stub_update, stub_remove);
	CHECK(vmboot_create(&opts, &vm) == 0);
	CHECK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS) == 0);
	CHECK(loops_of_ours() == 0);
	CHECK(n_added > 0);
	CHECK(vmboot_destroy(vm) == 0);
	vmboot_close(vm);
}

/* ---- fork ---- */

/*
 * Ours. libvirt opens files of its own, and those that QEMU is to write to, without O_CLOEXEC for a
 * moment.
 */
static bool is_ours(const char *line)
{
	static const char *const words[] = {"/s/", "memfd:", "inotify", "eventfd", "pipe:"};
	static const char *const theirs[] = {"/s/embed/", ".log", "/events"};

	for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
		if (strstr(line, theirs[i]))
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

/* In the program that a fork became: what it has beyond the standard descriptors. */
static int list_descriptors(void)
{
	struct snapshot s;
	int n = 0;

	snapshot_take(&s);
	for (char **l = s.lines; *l; l++)
		if (strncmp(*l, "descriptor ", 11) == 0 && atoi(*l + 11) > STDERR_FILENO &&
		    is_ours(*l)) {
			dprintf(STDERR_FILENO, "a child has %s\n", *l);
			n++;
		}
	snapshot_done(&s);
	return n > 0;
}

static atomic_bool fork_quit;
static atomic_int forks, bad_forks;

static void *fork_all_the_time(void *data)
{
	while (!atomic_load(&fork_quit)) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			execl("/proc/self/exe", "test-embedding", "--descriptors", NULL);
			_exit(127);
		}
		if (waitpid(pid, &status, 0) != pid || status != 0)
			atomic_fetch_add(&bad_forks, 1);
		atomic_fetch_add(&forks, 1);
		usleep(20000);
	}
	return data;
}

static int fork_of(struct vmboot_vm *vm)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60); /* a fork that hangs is killed */
		vmboot_close(vm);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

static void a_program_that_forks(void)
{
	struct vmboot_opts opts = boot_opts("embed-fork", "sleep 1000"), where = boot_where();
	struct vmboot_vm *vm = NULL, *again = NULL;
	pthread_t thread;
	pid_t pid;

	pthread_create(&thread, NULL, fork_all_the_time, NULL);
	CHECK(vmboot_create(&opts, &vm) == 0);
	CHECK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS) == 0);
	CHECK(says(vm, "hello"));
	atomic_store(&fork_quit, true);
	pthread_join(thread, NULL);
	CHECK(atomic_load(&forks) > 0 && atomic_load(&bad_forks) == 0);
	/* a fork gives back its copy of the handle; its parent's is none the worse */
	CHECK(fork_of(vm) == 0);
	CHECK(says(vm, "again"));
	/* a fork that lives on holds nothing up */
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	vmboot_close(vm);
	CHECK(vmboot_open(&where, "embed-fork", &again) == 0);
	CHECK(vmboot_stop(again, 0) >= 0);
	CHECK(vmboot_start(again) == 0);
	CHECK(vmboot_destroy(again) == 0);
	vmboot_close(again);
	CHECK(vmboot_gc(&where, 0, NULL) == 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define IN_A_PROGRAM(fn)                                                                           \
	static void test_##fn(void)                                                                \
	{                                                                                          \
		in_a_program_of_its_own(fn);                                                       \
	}
IN_A_PROGRAM(leaves_nothing_behind)
IN_A_PROGRAM(a_connection_leaves_nothing)
IN_A_PROGRAM(two_contexts)
IN_A_PROGRAM(settings_of_its_own)
IN_A_PROGRAM(a_glib_program)
IN_A_PROGRAM(a_program_with_a_loop_of_libvirts)
IN_A_PROGRAM(a_program_whose_loop_stands_still)
IN_A_PROGRAM(a_program_that_forks)

/* make's job server and others' descriptors are not what is looked for. */
static void close_others_on_exec(void)
{
	for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{"leaves nothing behind", test_leaves_nothing_behind},
		{"a connection leaves nothing", test_a_connection_leaves_nothing},
		{"two contexts in one program", test_two_contexts},
		{"a program with settings of its own", test_settings_of_its_own},
		{"a GLib program", test_a_glib_program},
		{"a program that runs libvirt's loop", test_a_program_with_a_loop_of_libvirts},
		{"a program whose loop stands still", test_a_program_whose_loop_stands_still},
		{"a program that forks", test_a_program_that_forks},
	};
	int r;

	if (argc > 1 && strcmp(argv[1], "--descriptors") == 0)
		return list_descriptors();
	close_others_on_exec();
	boot_setup();
	r = test_run("boot/embedding", cases, sizeof(cases) / sizeof(cases[0]));
	boot_teardown();
	return r;
}
