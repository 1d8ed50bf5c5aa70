/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <json.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "client.h"
#include "guest.h"

enum { LINE_MAX_BYTES = 5 << 20 };

/* ---- a client: replies are read by another JSON library than ours ---- */

/* One line, without its end; NULL if none comes. Lives until the next. */
static const char *line(struct client *c, int wait_ms)
{
	static char text[LINE_MAX_BYTES];
	static size_t n;
	static char *end;
	struct vmb_deadline until = vmb_deadline_in(wait_ms);
	static const struct client *last;

	if (last != c) {
		n = 0;
		end = NULL;
		last = c;
	}
	if (end) {
		n -= (size_t)(end + 1 - text);
		memmove(text, end + 1, n);
	}
	while (!(end = memchr(text, '\n', n))) {
		struct pollfd p = {.fd = c->qga, .events = POLLIN};
		ssize_t r;

		if (poll(&p, 1, vmb_deadline_poll(until, -1)) <= 0)
			return NULL;
		r = read(c->qga, text + n, sizeof(text) - n);
		if (r <= 0)
			return NULL;
		n += (size_t)r;
	}
	*end = '\0';
	return text;
}

static void say(struct client *c, const char *text)
{
	client_send_all(c->qga, text, strlen(text));
}

/* Objects that live until the test's end of the process: a test is short. */
static struct json_object *parse(const char *text)
{
	struct json_object *o = text ? json_tokener_parse(text) : NULL;

	if (!o)
		fprintf(stderr, "no reply, or not JSON: %s\n", text ? text : "(none)");
	CU_ASSERT_PTR_NOT_NULL_FATAL(o);
	return o;
}

static struct json_object *reply_to(struct client *c, const char *message)
{
	say(c, message);
	return parse(line(c, CLIENT_WAIT_MS));
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	if (!json_object_object_get_ex(o, key, &v))
		fprintf(stderr, "no \"%s\" in %s\n", key, json_object_to_json_string(o));
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	return v;
}

static const char *get_str(struct json_object *o, const char *key)
{
	return test_path("%s", json_object_get_string(get(o, key)));
}

static int64_t get_int(struct json_object *o, const char *key)
{
	return json_object_get_int64(get(o, key));
}

static bool has(struct json_object *o, const char *key)
{
	return json_object_object_get_ex(o, key, NULL);
}

static struct json_object *call(struct client *c, const char *command, const char *arguments)
{
	struct json_object *o =
		reply_to(c, arguments ? test_path("{\"execute\":\"%s\",\"arguments\":%s}", command,
						  arguments)
				      : test_path("{\"execute\":\"%s\"}", command));
	struct json_object *value = json_object_get(get(o, "return"));

	json_object_put(o);
	return value;
}

static void expect_error(struct client *c, const char *message, const char *class,
			 const char *words)
{
	struct json_object *o = reply_to(c, message), *e = get(o, "error");

	ASSERT_STR(get_str(e, "class"), class);
	if (!strstr(get_str(e, "desc"), words))
		fprintf(stderr, "\"%s\" not in \"%s\"\n", words, get_str(e, "desc"));
	CU_ASSERT_PTR_NOT_NULL(strstr(get_str(e, "desc"), words));
	json_object_put(o);
}

/* ---- messages ---- */

static void sync_rules(void)
{
	struct client *c = client_new("");

	say(c, "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1234}}\n");
	ASSERT_STR(line(c, CLIENT_WAIT_MS), "{\"return\":1234}");
	say(c, "{\"execute\":\"guest-sync\",\"id\":\"a\\u00e9\",\"arguments\":{\"id\":-1}}");
	ASSERT_STR(line(c, CLIENT_WAIT_MS), "{\"return\":-1,\"id\":\"aé\"}");
	say(c, "{\"execute\":\"guest-ping\", \"id\": 7}");
	ASSERT_STR(line(c, CLIENT_WAIT_MS), "{\"return\":{},\"id\":7}");
	/* a message that nobody finished is forgotten, and 0xFF comes before the reply */
	say(c, "{\"execute\":\"guest-pi\xff{\"execute\":\"guest-sync-delimited\","
	       "\"arguments\":{\"id\":9}}");
	ASSERT_STR(line(c, CLIENT_WAIT_MS), "\xff{\"return\":9}");
	/* several in one go, without anything between them */
	say(c, "{\"execute\":\"guest-ping\"}{\"execute\":\"guest-sync\",\"arguments\":{\"id\":2}}");
	ASSERT_STR(line(c, CLIENT_WAIT_MS), "{\"return\":{}}");
	ASSERT_STR(line(c, CLIENT_WAIT_MS), "{\"return\":2}");
	client_done(c);
}

static void bad_messages(void)
{
	struct client *c = client_new("");
	char *deep = test_alloc(2001);

	expect_error(c, "what is this\n", "GenericError", "parse error");
	expect_error(c, "[1,2]\n", "GenericError", "parse error");
	expect_error(c, "{]\n", "GenericError", "parse error");
	expect_error(c, "{\"execute\":1}", "GenericError", "'execute'");
	expect_error(c, "{\"execute\":\"guest-ping\",\"more\":1}", "GenericError", "'execute'");
	expect_error(c, "{\"execute\":\"guest-ping\",\"execute\":\"guest-ping\"}", "GenericError",
		     "parse error");
	expect_error(c, "{\"execute\":\"guest-ping\",\"id\":[]}", "GenericError", "id");
	expect_error(c, "{\"execute\":\"guest-ping\",\"arguments\":[]}", "GenericError",
		     "'arguments'");
	expect_error(c, "{\"execute\":\"no-such\"}", "CommandNotFound", "no-such");
	expect_error(c, "{\"execute\":\"guest-suspend-ram\"}", "CommandNotFound", "not supported");
	expect_error(c, "{\"execute\":\"guest-sync\"}", "GenericError", "'id' is missing");
	expect_error(c, "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":\"1\"}}", "GenericError",
		     "expected: integer");
	expect_error(c, "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1.5}}", "GenericError",
		     "expected: integer");
	expect_error(c, "{\"execute\":\"guest-ping\",\"arguments\":{\"x\":1}}", "GenericError",
		     "'x' is unexpected");
	memset(deep, '[', 1000);
	memset(deep + 1000, ']', 1000);
	expect_error(c, test_path("{\"execute\":%s}", deep), "GenericError", "too deep");
	expect_error(c, "{\"a\":\"\xc3\x28\"}", "GenericError", "parse error");
	expect_error(c, "{\"a\":\"\\u0000\"}", "GenericError", "parse error");
	expect_error(c, "{\"a\":\"\\ud800\"}", "GenericError", "parse error");
	expect_error(c, "{\"a\":01}", "GenericError", "parse error");
	json_object_put(call(c, "guest-ping", NULL));
	client_done(c);
}

/* More than a message may be: it is refused once it ends, and the next one is heard. */
static void too_long(void)
{
	enum { N = 6 << 20 };
	struct client *c = client_new("");
	char *text = malloc(N);

	memset(text, 'x', N);
	say(c, "{\"execute\":\"");
	client_send_all(c->qga, text, N);
	expect_error(c, "\"}", "GenericError", "too long");
	json_object_put(call(c, "guest-ping", NULL));
	/* and many small ones, whose replies nobody reads, do not make it grow */
	free(text);
	client_done(c);
}

static void nobody_reads(void)
{
	struct client *c = client_new("");
	struct pollfd p = {.fd = c->qga, .events = POLLOUT};
	size_t sent = 0;

	while (poll(&p, 1, 300) > 0 && sent < 64 << 20) {
		ssize_t r = write(c->qga, "{\"execute\":\"guest-info\"}\n", 25);

		if (r <= 0)
			break;
		sent += (size_t)r;
	}
	CU_ASSERT(sent < 64 << 20);
	client_done(c);
}

static void info_is_true(void)
{
	struct client *c = client_new("");
	struct json_object *o = call(c, "guest-info", NULL), *list = get(o, "supported_commands");

	ASSERT_STR(get_str(o, "version"), "vmboot-" AGENT_VERSION);
	CU_ASSERT_EQUAL(json_object_array_length(list), qga_n_commands);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i);
		bool off = strncmp(get_str(row, "name"), "guest-suspend", 13) == 0;

		CU_ASSERT_EQUAL(json_object_get_boolean(get(row, "enabled")), !off);
		CU_ASSERT_EQUAL(json_object_get_boolean(get(row, "success-response")),
				strcmp(get_str(row, "name"), "guest-shutdown") != 0);
	}
	json_object_put(o);
	client_done(c);
}

/* ---- programs ---- */

static struct json_object *run(struct client *c, const char *arguments)
{
	struct json_object *o = call(c, "guest-exec", arguments), *status;
	const char *ask = test_path("{\"pid\":%ld}", (long)get_int(o, "pid"));

	json_object_put(o);
	for (;;) {
		status = call(c, "guest-exec-status", ask);
		if (json_object_get_boolean(get(status, "exited")))
			return status;
		json_object_put(status);
		poll(NULL, 0, 5);
	}
}

static void exec_and_status(void)
{
	struct client *c = client_new("");
	struct json_object *o = run(c, "{\"path\":\"sh\",\"arg\":[\"-c\",\"cat; echo e >&2; exit "
				       "3\"],\"input-data\":\"aGVsbG8=\",\"capture-output\":true}");

	CU_ASSERT_EQUAL(get_int(o, "exitcode"), 3);
	ASSERT_STR(get_str(o, "out-data"), "aGVsbG8=");
	ASSERT_STR(get_str(o, "err-data"), "ZQo=");
	json_object_put(o);
	o = run(c, "{\"path\":\"/bin/sh\",\"arg\":[\"-c\",\"kill -9 $$\"]}");
	CU_ASSERT_EQUAL(get_int(o, "signal"), 9);
	CU_ASSERT(!has(o, "out-data") && !has(o, "exitcode"));
	json_object_put(o);
	o = run(c, "{\"path\":\"sh\",\"arg\":[\"-c\",\"echo $A$BASE\"],\"env\":[\"A=x\"],"
		   "\"capture-output\":true}");
	ASSERT_STR(get_str(o, "out-data"), "eAo=");
	json_object_put(o);
	expect_error(c, "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/no/such\"}}",
		     "GenericError", "No such file");
	expect_error(c, "{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":1}}",
		     "GenericError", "pid");
	expect_error(c,
		     "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"sh\","
		     "\"input-data\":\"x\"}}",
		     "GenericError", "base64");
	expect_error(c, "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"sh\",\"arg\":[1]}}",
		     "GenericError", "'arg'");
	client_done(c);
}

/* More than is kept: the program ends all the same. */
static void much_output(void)
{
	struct client *c = client_new("");
	struct json_object *o = run(c, "{\"path\":\"head\",\"arg\":[\"-c\",\"3000000\","
				       "\"/dev/zero\"],\"capture-output\":true}");

	CU_ASSERT(json_object_get_boolean(get(o, "out-truncated")));
	CU_ASSERT_EQUAL(strlen(get_str(o, "out-data")), (QGA_CAPTURE_MAX + 2) / 3 * 4);
	CU_ASSERT_EQUAL(get_int(o, "exitcode"), 0);
	json_object_put(o);
	client_done(c);
}

/* ---- files, on a folder as root ---- */

static void files(void)
{
	struct client *c = client_new(test_tmpdir());
	struct json_object *o = call(c, "guest-file-open", "{\"path\":\"/f\",\"mode\":\"w+\"}");
	long handle = (long)json_object_get_int64(o);

	json_object_put(o);
	o = call(c, "guest-file-write",
		 test_path("{\"handle\":%ld,\"buf-b64\":\"aGVsbG8=\"}", handle));
	CU_ASSERT_EQUAL(get_int(o, "count"), 5);
	json_object_put(o);
	json_object_put(call(c, "guest-file-flush", test_path("{\"handle\":%ld}", handle)));
	ASSERT_STR(test_read(test_path("%s/f", test_tmpdir())), "hello");
	o = call(c, "guest-file-seek",
		 test_path("{\"handle\":%ld,\"offset\":-2,\"whence\":\"end\"}", handle));
	CU_ASSERT_EQUAL(get_int(o, "position"), 3);
	json_object_put(o);
	o = call(c, "guest-file-read", test_path("{\"handle\":%ld,\"count\":9}", handle));
	ASSERT_STR(get_str(o, "buf-b64"), "bG8=");
	CU_ASSERT(!json_object_get_boolean(get(o, "eof")));
	json_object_put(o);
	o = call(c, "guest-file-read", test_path("{\"handle\":%ld}", handle));
	CU_ASSERT_EQUAL(get_int(o, "count"), 0);
	CU_ASSERT(json_object_get_boolean(get(o, "eof")));
	json_object_put(o);
	json_object_put(call(c, "guest-file-close", test_path("{\"handle\":%ld}", handle)));
	expect_error(c,
		     test_path("{\"execute\":\"guest-file-read\",\"arguments\":{\"handle\":%ld}}",
			       handle),
		     "GenericError", "has not been found");
	expect_error(c, "{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":\"/no/f\"}}",
		     "GenericError", "No such file");
	expect_error(c,
		     "{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":\"/"
		     "f\",\"mode\":\"q\"}}",
		     "GenericError", "mode");
	client_done(c);
}

static void too_many_files(void)
{
	struct client *c = client_new(test_tmpdir());

	test_write(test_path("%s/f", test_tmpdir()), "");
	for (int i = 0; i < QGA_FILES_MAX; i++)
		json_object_put(call(c, "guest-file-open", "{\"path\":\"/f\"}"));
	expect_error(c, "{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":\"/f\"}}",
		     "GenericError", "too many");
	client_done(c);
}

static void stats(void)
{
	struct client *c = client_new(test_tmpdir());
	const char *file = test_path("%s/f", test_tmpdir());
	struct json_object *o;
	struct stat st;

	test_write(file, "hello");
	CU_ASSERT_EQUAL_FATAL(chmod(file, 04751), 0);
	CU_ASSERT_EQUAL_FATAL(symlink("f", test_path("%s/l", test_tmpdir())), 0);
	CU_ASSERT_EQUAL_FATAL(stat(file, &st), 0);
	o = call(c, "__org.vmboot_stat", "{\"path\":\"/f\"}");
	CU_ASSERT(json_object_get_boolean(get(o, "exists")));
	CU_ASSERT_EQUAL(get_int(o, "mode"), S_IFREG | 04751);
	CU_ASSERT_EQUAL(get_int(o, "size"), 5);
	CU_ASSERT_EQUAL(get_int(o, "nlink"), 1);
	CU_ASSERT_EQUAL(get_int(o, "uid"), geteuid());
	CU_ASSERT_EQUAL(get_int(o, "ino"), (int64_t)st.st_ino);
	CU_ASSERT_EQUAL(get_int(o, "dev"), (int64_t)st.st_dev);
	CU_ASSERT_EQUAL(get_int(o, "mtime-ns"),
			st.st_mtim.tv_sec * 1000000000LL + st.st_mtim.tv_nsec);
	CU_ASSERT(!has(o, "target"));
	json_object_put(o);
	o = call(c, "__org.vmboot_stat", "{\"path\":\"/l\",\"follow\":false}");
	CU_ASSERT(S_ISLNK(get_int(o, "mode")));
	ASSERT_STR(get_str(o, "target"), "f");
	json_object_put(o);
	o = call(c, "__org.vmboot_stat", "{\"path\":\"/l\",\"follow\":true}");
	CU_ASSERT(S_ISREG(get_int(o, "mode")));
	json_object_put(o);
	o = call(c, "__org.vmboot_stat", "{\"path\":\"/f/x\"}");
	ASSERT_STR(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), "{\"exists\":false}");
	json_object_put(o);
	client_done(c);
}

/* ---- the system, as a folder shows it ---- */

static void write_below(const char *name, const char *text)
{
	struct init init = {.root = test_tmpdir()};

	guest_write(&init, text, "%s", name);
}

static void osinfo(void)
{
	struct client *c;
	struct json_object *o;

	write_below("etc/os-release", "NAME=\"A \\\"B\\\"\"\nID=ab\n# x\nVERSION_ID='1.2'\nX\n");
	c = client_new(test_tmpdir());
	o = call(c, "guest-get-osinfo", NULL);
	ASSERT_STR(get_str(o, "name"), "A \"B\"");
	ASSERT_STR(get_str(o, "id"), "ab");
	ASSERT_STR(get_str(o, "version-id"), "1.2");
	CU_ASSERT(has(o, "kernel-release") && has(o, "machine") && !has(o, "variant"));
	json_object_put(o);
	json_object_put(call(c, "guest-get-host-name", NULL));
	o = call(c, "guest-get-time", NULL);
	CU_ASSERT(json_object_get_int64(o) / 1000000000 - time(NULL) < 10);
	json_object_put(o);
	o = call(c, "guest-get-timezone", NULL);
	CU_ASSERT(get_int(o, "offset") > -86400);
	json_object_put(o);
	o = call(c, "guest-get-users", NULL);
	CU_ASSERT_EQUAL(json_object_array_length(o), 0);
	json_object_put(o);
	expect_error(c, "{\"execute\":\"guest-set-time\"}", "GenericError", "hardware clock");
	expect_error(c, "{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":-5}}",
		     "GenericError", "invalid time");
	client_done(c);
}

#define STAT(name, ppid)                                                                           \
	"7 (" name ") S " ppid " 7 7 0 -1 4194560 1 0 0 0 30 20 0 0 20 0 3 0 500 1000 25 "         \
	"18446744\n"

/* A name may have any character; the kernel's threads are left out, and what is no process. */
static void memory_and_processes(void)
{
	struct json_object *o, *p;
	struct client *c;

	write_below("proc/meminfo", "MemTotal:    1000 kB\nMemFree: 1 kB\nMemAvailable:  600 kB\n");
	write_below("proc/7/stat", STAT("a) R (b", "1"));
	write_below("proc/7/cmdline", "");
	write_below("proc/9/stat", STAT("kworker/0:1", "2"));
	write_below("proc/2/stat", STAT("kthreadd", "0"));
	write_below("proc/11/stat", "nonsense\n");
	write_below("proc/sys/x", "");
	c = client_new(test_tmpdir());
	o = call(c, "__org.vmboot_memory", NULL);
	CU_ASSERT_EQUAL(get_int(o, "total"), 1024000);
	CU_ASSERT_EQUAL(get_int(o, "available"), 614400);
	json_object_put(o);
	o = call(c, "__org.vmboot_processes", NULL);
	CU_ASSERT_EQUAL_FATAL(json_object_array_length(o), 1);
	p = json_object_array_get_idx(o, 0);
	CU_ASSERT_EQUAL(get_int(p, "pid"), 7);
	CU_ASSERT_EQUAL(get_int(p, "ppid"), 1);
	CU_ASSERT_EQUAL(get_int(p, "threads"), 3);
	CU_ASSERT_EQUAL(get_int(p, "cpu-ms"), 500);
	CU_ASSERT_EQUAL(get_int(p, "start-ms"), 5000);
	CU_ASSERT_EQUAL(get_int(p, "memory"), 25 * sysconf(_SC_PAGESIZE));
	ASSERT_STR(get_str(p, "state"), "S");
	ASSERT_STR(get_str(p, "command"), "[a) R (b]");
	json_object_put(o);
	client_done(c);
}

static void vcpus(void)
{
	struct client *c;
	struct json_object *o;

	write_below("sys/devices/system/cpu/cpu0/x", "");
	write_below("sys/devices/system/cpu/cpu1/online", "0\n");
	write_below("sys/devices/system/cpu/cpufreq/x", "");
	c = client_new(test_tmpdir());
	o = call(c, "guest-get-vcpus", NULL);
	CU_ASSERT_EQUAL(json_object_array_length(o), 2);
	for (size_t i = 0; i < 2; i++) {
		struct json_object *cpu = json_object_array_get_idx(o, i);
		bool first = get_int(cpu, "logical-id") == 0;

		CU_ASSERT_EQUAL(json_object_get_boolean(get(cpu, "online")), first);
		CU_ASSERT_EQUAL(json_object_get_boolean(get(cpu, "can-offline")), !first);
	}
	json_object_put(o);
	client_done(c);
}

static void disks_and_mounts(void)
{
	static const char device[] =
		"../../devices/pci0000:00/0000:00:1f.2/0000:03:00.0/virtio2/block/vdb";
	struct json_object *o, *fs, *disk, *pci;
	struct client *c;

	write_below("sys/block/vda/size", "0\n");
	write_below("sys/dev/block/x", "");
	write_below("sys/devices/pci0000:00/0000:00:1f.2/0000:03:00.0/virtio2/block/vdb/size",
		    "8\n");
	write_below("sys/devices/pci0000:00/0000:00:1f.2/0000:03:00.0/virtio2/block/vdb/serial",
		    "vmboot-overlay");
	CU_ASSERT_EQUAL(symlink(device + 3, test_path("%s/sys/block/vdb", test_tmpdir())), 0);
	CU_ASSERT_EQUAL(symlink(device, test_path("%s/sys/dev/block/254:16", test_tmpdir())), 0);
	write_below("proc/self/mountinfo",
		    "20 1 0:20 / / rw,relatime - overlay vmboot rw\n"
		    "21 20 0:5 / /proc rw - proc proc rw\n"
		    "22 20 254:16 / /data\\040x rw,noatime shared:1 master:2 - ext4 /dev/vdb rw\n"
		    "23 20 254:16 / /again rw - ext4 /dev/vdb rw\nnonsense\n");
	c = client_new(test_tmpdir());
	o = call(c, "guest-get-fsinfo", NULL);
	CU_ASSERT_EQUAL_FATAL(json_object_array_length(o), 1);
	fs = json_object_array_get_idx(o, 0);
	ASSERT_STR(get_str(fs, "mountpoint"), "/data x");
	ASSERT_STR(get_str(fs, "name"), "vdb");
	ASSERT_STR(get_str(fs, "type"), "ext4");
	disk = json_object_array_get_idx(get(fs, "disk"), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(disk);
	pci = get(disk, "pci-controller");
	CU_ASSERT_EQUAL(get_int(pci, "bus"), 3);
	CU_ASSERT_EQUAL(get_int(pci, "slot"), 0);
	CU_ASSERT_EQUAL(get_int(pci, "function"), 0);
	ASSERT_STR(get_str(disk, "bus-type"), "virtio");
	ASSERT_STR(get_str(disk, "serial"), "vmboot-overlay");
	ASSERT_STR(get_str(disk, "dev"), "/dev/vdb");
	json_object_put(o);
	o = call(c, "guest-get-disks", NULL);
	CU_ASSERT_EQUAL_FATAL(json_object_array_length(o), 1);
	disk = json_object_array_get_idx(o, 0);
	ASSERT_STR(get_str(disk, "name"), "/dev/vdb");
	CU_ASSERT(has(disk, "address"));
	json_object_put(o);
	client_done(c);
}

static void interfaces(void)
{
	struct client *c = client_new("");
	struct json_object *o = call(c, "guest-network-get-interfaces", NULL);
	bool found = false;

	for (size_t i = 0; i < json_object_array_length(o); i++) {
		struct json_object *nic = json_object_array_get_idx(o, i);

		if (strcmp(get_str(nic, "name"), "lo") != 0)
			continue;
		found = true;
		CU_ASSERT(!has(nic, "x") && has(nic, "ip-addresses"));
		CU_ASSERT(get_int(get(nic, "statistics"), "rx-bytes") >= 0);
		for (size_t n = 0; n < json_object_array_length(get(nic, "ip-addresses")); n++) {
			struct json_object *a =
				json_object_array_get_idx(get(nic, "ip-addresses"), n);
			bool v4 = strcmp(get_str(a, "ip-address-type"), "ipv4") == 0;

			ASSERT_STR(get_str(a, "ip-address"), v4 ? "127.0.0.1" : "::1");
			CU_ASSERT_EQUAL(get_int(a, "prefix"), v4 ? 8 : 128);
		}
	}
	CU_ASSERT(found);
	json_object_put(o);
	client_done(c);
}

/* No file system that can be frozen is there; the state is kept all the same. */
static void freezing(void)
{
	struct client *c;
	struct json_object *o;

	write_below("proc/self/mountinfo", "21 20 0:5 / /proc rw - proc proc rw\n");
	c = client_new(test_tmpdir());
	o = call(c, "guest-fsfreeze-status", NULL);
	ASSERT_STR(json_object_get_string(o), "thawed");
	json_object_put(o);
	o = call(c, "guest-fsfreeze-freeze", NULL);
	CU_ASSERT_EQUAL(json_object_get_int(o), 0);
	json_object_put(o);
	o = call(c, "guest-fsfreeze-status", NULL);
	ASSERT_STR(json_object_get_string(o), "frozen");
	json_object_put(o);
	expect_error(c, "{\"execute\":\"guest-get-host-name\"}", "CommandNotFound", "frozen");
	json_object_put(call(c, "guest-ping", NULL));
	json_object_put(call(c, "guest-fsfreeze-thaw", NULL));
	json_object_put(call(c, "guest-get-host-name", NULL));
	o = call(c, "guest-fstrim", NULL);
	CU_ASSERT_EQUAL(json_object_array_length(get(o, "paths")), 0);
	json_object_put(o);
	client_done(c);
}

/* What PID 1 hears; there is no reply. */
static void shutdowns(void)
{
	static const struct {
		const char *arguments;
		char says;
	} rows[] = {{"{}", 'P'},
		    {"{\"mode\":\"powerdown\"}", 'P'},
		    {"{\"mode\":\"reboot\"}", 'R'},
		    {"{\"mode\":\"halt\"}", 'H'}};
	struct client *c = client_new("");
	struct pollfd p = {.fd = c->control, .events = POLLIN};
	char heard = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		do {
			CU_ASSERT_FATAL(poll(&p, 1, 0) >= 0);
			if (heard != AGENT_SAYS_READY && !(p.revents & POLLIN))
				break;
		} while (read(c->control, &heard, 1) == 1);
		say(c, test_path("{\"execute\":\"guest-shutdown\",\"arguments\":%s}",
				 rows[i].arguments));
		CU_ASSERT_FATAL(poll(&p, 1, CLIENT_WAIT_MS) > 0);
		CU_ASSERT_EQUAL(read(c->control, &heard, 1), 1);
		CU_ASSERT_EQUAL(heard, rows[i].says);
	}
	expect_error(c, "{\"execute\":\"guest-shutdown\",\"arguments\":{\"mode\":\"x\"}}",
		     "GenericError", "mode");
	client_done(c);
}

/* Both ports work at the same time. */
static void beside_streams(void)
{
	struct client *c = client_new("");
	struct vmb_frame f;

	client_sh(c, 1, "cat /dev/zero");
	client_credit(c, 1, 1000);
	for (int i = 0; i < 20; i++)
		json_object_put(call(c, "guest-ping", NULL));
	do
		f = client_next(c, CLIENT_WAIT_MS);
	while (f.type && f.type != VMB_FRAME_STDOUT);
	CU_ASSERT_EQUAL(f.type, VMB_FRAME_STDOUT);
	client_done(c);
}

TEST_MAIN("agent/qga", {"sync rules", sync_rules}, {"bad messages", bad_messages},
	  {"too long", too_long}, {"nobody reads", nobody_reads}, {"info is true", info_is_true},
	  {"exec and status", exec_and_status}, {"much output", much_output}, {"files", files},
	  {"too many files", too_many_files}, {"stats", stats}, {"osinfo", osinfo},
	  {"memory and processes", memory_and_processes}, {"vcpus", vcpus},
	  {"disks and mounts", disks_and_mounts}, {"interfaces", interfaces},
	  {"freezing", freezing}, {"shutdowns", shutdowns}, {"beside streams", beside_streams})
