/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "qga.h"

static const struct {
	const char *mode;
	int flags;
} modes[] = {
	{"r", O_RDONLY},
	{"rb", O_RDONLY},
	{"w", O_WRONLY | O_CREAT | O_TRUNC},
	{"wb", O_WRONLY | O_CREAT | O_TRUNC},
	{"a", O_WRONLY | O_CREAT | O_APPEND},
	{"ab", O_WRONLY | O_CREAT | O_APPEND},
	{"r+", O_RDWR},
	{"rb+", O_RDWR},
	{"r+b", O_RDWR},
	{"w+", O_RDWR | O_CREAT | O_TRUNC},
	{"wb+", O_RDWR | O_CREAT | O_TRUNC},
	{"w+b", O_RDWR | O_CREAT | O_TRUNC},
	{"a+", O_RDWR | O_CREAT | O_APPEND},
	{"ab+", O_RDWR | O_CREAT | O_APPEND},
	{"a+b", O_RDWR | O_CREAT | O_APPEND},
};

static struct qga_file *find(struct agent_qga *q, int64_t handle)
{
	for (size_t i = 0; i < QGA_FILES_MAX; i++)
		if (q->files[i].handle == handle)
			return &q->files[i];
	return NULL;
}

/* The file that the first argument names, or NULL, qga_fail()ed. */
static struct qga_file *file_of(struct agent_qga *q, const struct qga_call *call)
{
	int64_t handle = call->args[0]->number;
	struct qga_file *file = handle > 0 ? find(q, handle) : NULL;

	if (!file)
		qga_fail(q, "handle '%ld' has not been found", (long)handle);
	return file;
}

/* Not blocking: a pipe without a writer must not stop the agent. */
QGA_COMMAND(file_open)
{
	const char *mode = qga_text(call->args[1], "r");
	struct qga_file *file = find(q, 0);
	char path[INIT_PATH_MAX];
	size_t i = 0;

	while (i < ARRAY_SIZE(modes) && strcmp(modes[i].mode, mode) != 0)
		i++;
	if (i == ARRAY_SIZE(modes))
		return qga_fail(q, "invalid file open mode '%s'", mode);
	if (!file)
		return qga_fail(q, "too many files are open");
	init_path(q->init, path, "%s", call->args[0]->text);
	file->fd = open(path, modes[i].flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (file->fd < 0)
		return qga_fail_errno(q, "failed to open file", call->args[0]->text);
	file->handle = ++q->last_handle;
	ajson_int(out, NULL, file->handle);
	return 0;
}

QGA_COMMAND(file_close)
{
	struct qga_file *file = file_of(q, call);

	(void)out;
	if (!file)
		return -1;
	file->handle = 0;
	return close(file->fd) < 0 ? qga_fail_errno(q, "failed to close the file", "") : 0;
}

/* Fewer than asked for is no error: the caller goes on until "eof". */
QGA_COMMAND(file_read)
{
	struct qga_file *file = file_of(q, call);
	int64_t count = call->args[1] ? call->args[1]->number : 4096;
	_cleanup_free_ char *bytes = NULL;
	ssize_t n;

	if (!file)
		return -1;
	if (count < 0)
		return qga_fail(q, "value '%ld' is invalid for argument count", (long)count);
	if (count > QGA_READ_MAX)
		count = QGA_READ_MAX;
	bytes = malloc((size_t)count + 1);
	if (!bytes)
		return qga_fail(q, "no memory");
	n = read(file->fd, bytes, (size_t)count);
	if (n < 0)
		return qga_fail_errno(q, "failed to read file", "");
	ajson_open(out, NULL, '{');
	ajson_int(out, "count", n);
	ajson_base64(out, "buf-b64", bytes, (size_t)n);
	ajson_bool(out, "eof", n == 0 && count > 0);
	ajson_close(out, '}');
	return 0;
}

QGA_COMMAND(file_write)
{
	struct qga_file *file = file_of(q, call);
	/* in place: the message is ours, and its nodes are done with */
	char *bytes = (char *)(uintptr_t)call->args[1]->text;
	long size = ajson_unbase64(bytes, call->args[1]->n);
	int64_t count = call->args[2] ? call->args[2]->number : size;
	ssize_t n;

	if (!file)
		return -1;
	if (size < 0)
		return qga_fail(q, "buf-b64 is not base64");
	if (count < 0 || count > size)
		return qga_fail(q, "value '%ld' is invalid for argument count", (long)count);
	n = write(file->fd, bytes, (size_t)count);
	if (n < 0)
		return qga_fail_errno(q, "failed to write to file", "");
	ajson_open(out, NULL, '{');
	ajson_int(out, "count", n);
	ajson_bool(out, "eof", false);
	ajson_close(out, '}');
	return 0;
}

/* 0 set, 1 cur, 2 end; or the words. */
static int whence_of(const struct ajson *arg)
{
	static const char *const words[] = {"set", "cur", "end"};
	static const int values[] = {SEEK_SET, SEEK_CUR, SEEK_END};

	for (int i = 0; i < 3; i++)
		if (arg->type == AJSON_INT
			    ? arg->number == i
			    : arg->type == AJSON_STRING && strcmp(arg->text, words[i]) == 0)
			return values[i];
	return -1;
}

QGA_COMMAND(file_seek)
{
	struct qga_file *file = file_of(q, call);
	int whence = whence_of(call->args[2]);
	off_t at;

	if (!file)
		return -1;
	if (whence < 0)
		return qga_fail(q, "invalid whence code");
	at = lseek(file->fd, call->args[1]->number, whence);
	if (at < 0)
		return qga_fail_errno(q, "failed to seek file", "");
	ajson_open(out, NULL, '{');
	ajson_int(out, "position", at);
	ajson_bool(out, "eof", false);
	ajson_close(out, '}');
	return 0;
}

/* There is no buffer of ours that could be written out. */
QGA_COMMAND(file_flush)
{
	(void)out;
	return file_of(q, call) ? 0 : -1;
}
