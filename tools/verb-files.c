/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cp and stat: the files of a VM that runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "verbs.h"

/* ---- cp ---- */

/* NAME:PATH, as podman has it: a path of the host's has no colon, or a slash or dot before it. */
static bool is_guest(const char *operand, char **ret_name, char **ret_path)
{
	const char *colon = strchr(operand, ':');

	if (!colon || colon == operand || *operand == '.' ||
	    memchr(operand, '/', (size_t)(colon - operand)))
		return false;
	*ret_name = xasprintf("%.*s", (int)(colon - operand), operand);
	*ret_path = xasprintf("%s%s", colon[1] == '/' ? "" : "/", colon + 1);
	return true;
}

static int copy(struct vmboot_vm *vm, const char *from, const char *to, bool into)
{
	if (into && strcmp(from, "-") == 0)
		return vmboot_copy_archive_to(vm, STDIN_FILENO, to);
	if (!into && strcmp(to, "-") == 0)
		return vmboot_copy_archive_from(vm, from, STDOUT_FILENO);
	return into ? vmboot_copy_to(vm, from, to) : vmboot_copy_from(vm, from, to);
}

static int open_and_copy(struct args *args, const char *name, const char *from, const char *to,
			 bool into)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	int r = vmboot_open(args->opts, name, &vm);

	if (r >= 0)
		r = copy(vm, from, to, into);
	return r < 0 ? show_error(EXIT_FAILED) : 0;
}

int verb_cp(struct args *args)
{
	char *names[2] = {NULL, NULL}, *paths[2] = {NULL, NULL};
	const char *from = args->operands[0], *to = args->operands[1];
	bool out = is_guest(from, &names[0], &paths[0]), in = is_guest(to, &names[1], &paths[1]);
	int r;

	if (in == out)
		r = usage_error("cp", "one of SRC and DST must be NAME:PATH, the other a path of "
				      "the host's");
	else if (strcmp(in ? from : to, "-") == 0 && isatty(in ? STDIN_FILENO : STDOUT_FILENO))
		r = usage_error("cp", "\"-\" is an archive, and this a terminal; ./- is a file of "
				      "that name");
	else
		r = open_and_copy(args, names[in], out ? paths[0] : from, in ? paths[1] : to, in);
	for (int i = 0; i < 2; i++) {
		free(names[i]);
		free(paths[i]);
	}
	return r;
}

/* ---- stat ---- */

static const char *type_name(uint32_t mode)
{
	static const struct {
		uint32_t type;
		const char *name;
	} types[] = {{S_IFREG, "file"},	  {S_IFDIR, "folder"},		 {S_IFLNK, "link"},
		     {S_IFIFO, "fifo"},	  {S_IFCHR, "character device"}, {S_IFBLK, "block device"},
		     {S_IFSOCK, "socket"}};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if ((mode & S_IFMT) == types[i].type)
			return types[i].name;
	return "unknown";
}

/* RFC 3339, UTC, with all digits. */
static char *time_text(int64_t ns)
{
	int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
	char text[64] = "";
	struct tm tm;
	time_t t;

	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	t = (time_t)seconds;
	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return xasprintf("%s.%09dZ", text, (int)rest);
}

static void add_int(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)value));
}

static void print_json(const struct vmboot_stat *st)
{
	struct json_object *o = json_object_new_object();
	char *mode = xasprintf("%04o", st->mode & 07777);

	json_object_object_add(o, "exists", json_object_new_boolean(st->exists));
	if (st->exists) {
		json_object_object_add(o, "type", json_text(type_name(st->mode)));
		json_object_object_add(o, "mode", json_text(mode));
		add_int(o, "uid", st->uid);
		add_int(o, "gid", st->gid);
		add_int(o, "links", st->nlink);
		add_int(o, "size", st->bytes);
		add_int(o, "blocks", st->blocks);
		add_int(o, "inode", st->inode);
		add_int(o, "device", st->device);
		add_int(o, "atime_ns", (uint64_t)st->atime_ns);
		add_int(o, "mtime_ns", (uint64_t)st->mtime_ns);
		add_int(o, "ctime_ns", (uint64_t)st->ctime_ns);
		json_object_object_add(o, "target", json_text(st->target));
	}
	out_json(o);
	json_object_put(o);
	free(mode);
}

static void print_text(const struct vmboot_stat *st)
{
	char *times[] = {time_text(st->atime_ns), time_text(st->mtime_ns), time_text(st->ctime_ns)};
	char *target = printable(st->target);

	out("type:     %s\n", type_name(st->mode));
	if (*target)
		out("target:   %s\n", target);
	out("size:     %llu\n", (unsigned long long)st->bytes);
	out("mode:     %04o\n", st->mode & 07777);
	out("owner:    %u:%u\n", st->uid, st->gid);
	out("links:    %u\n", st->nlink);
	out("accessed: %s\nmodified: %s\nchanged:  %s\n", times[0], times[1], times[2]);
	free(target);
	for (int i = 0; i < 3; i++)
		free(times[i]);
}

int verb_stat(struct args *args)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	struct vmboot_stat *st = NULL;
	char *safe;
	int r = vmboot_open(args->opts, args->operands[0], &vm);

	if (r >= 0)
		r = vmboot_stat(vm, args->operands[1], args->dereference, &st);
	if (r < 0)
		return show_error(EXIT_FAILED);
	r = st->exists ? 0 : EXIT_FAILED;
	if (args->json) {
		print_json(st);
	} else if (st->exists) {
		print_text(st);
	} else {
		safe = printable(args->operands[1]);
		say("there is no %s in %s", safe, vmboot_name(vm));
		free(safe);
	}
	vmboot_stat_free(st);
	return r;
}
