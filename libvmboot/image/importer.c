/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/importer.h"

#include <signal.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"
#include "base/process.h"

enum { CODE_MAX = 1 << 16 };

/* One run, as its lines tell. */
struct importer {
	struct vmb_process process;
	struct vmb_progress_count *import;
	char line[VMB_IMPORTER_LINE_MAX];
	size_t len;
	unsigned logged;
	bool complete; /* its last line came, and nothing may follow */
	int result;
};

static int bad_line(const struct importer *im)
{
	return vmb_error(VMBOOT_EIMAGE, "%s: vmboot-import wrote a line that it never writes",
			 im->import->what);
}

/* Cuts a number off the head of *text: false if there is none. */
static bool take_number(char **text, uint64_t *ret)
{
	char *word = strsep(text, " ");

	return word && vmb_parse_u64(word, ret) == 0;
}

static int take_progress(struct importer *im, char *text)
{
	uint64_t done, total;

	if (!take_number(&text, &done) || !take_number(&text, &total) || text)
		return bad_line(im);
	im->import->done = done;
	im->import->total = total;
	vmb_progress(im->import->log, im->import->what, done, total);
	return 0;
}

static int take_log(struct importer *im, char *text)
{
	uint64_t level;

	if (!take_number(&text, &level) || !text || level > VMBOOT_LOG_DEBUG)
		return bad_line(im);
	if (im->logged++ < VMB_IMPORTER_LOG_MAX)
		vmb_log(im->import->log, (enum vmboot_log_level)level, "%s", text);
	return 0;
}

static int no_memory(const struct importer *im, const char *words)
{
	return vmb_error(ENOMEM, "%s takes more memory than the %d MiB that an import may have: %s",
			 im->import->what, VMB_IMPORTER_MEMORY_MIB, words);
}

static int take_error(struct importer *im, char *text)
{
	uint64_t code;

	if (!take_number(&text, &code) || !text || code == 0 || code > CODE_MAX)
		return bad_line(im);
	im->complete = true;
	im->result = code == ENOMEM ? no_memory(im, text) : vmb_error((int)code, "%s", text);
	return 0;
}

static int take_ok(struct importer *im, char *text)
{
	if (text)
		return bad_line(im);
	im->complete = true;
	return 0;
}

static const struct {
	const char *word;
	int (*take)(struct importer *im, char *text);
} lines[] = {
	{"progress", take_progress},
	{"log", take_log},
	{"error", take_error},
	{"ok", take_ok},
};

static int take_line(struct importer *im, char *text)
{
	char *word = strsep(&text, " ");

	for (size_t i = 0; i < ARRAY_SIZE(lines) && !im->complete; i++)
		if (vmb_streq(word, lines[i].word))
			return lines[i].take(im, text);
	return bad_line(im);
}

/* All lines that are whole; what is behind them stays. */
static int take_lines(struct importer *im)
{
	char *line = im->line, *end;
	int r = 0;

	while (r == 0 && (end = memchr(line, '\n', im->len))) {
		*end = '\0';
		im->len -= (size_t)(end + 1 - line);
		r = take_line(im, line);
		line = end + 1;
	}
	memmove(im->line, line, im->len);
	return r == 0 && im->len == sizeof(im->line) ? bad_line(im) : r;
}

/* What it writes, to its end. */
static int read_lines(struct importer *im)
{
	struct pollfd fd = {.fd = im->process.stdout_fd, .events = POLLIN};
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n != 0) {
		r = vmb_limit_poll(&fd, vmb_deadline_in(VMB_LIMIT_DEFAULT_MS));
		if (r <= 0)
			return r < 0 ? r : vmb_error(ETIMEDOUT, "vmboot-import hangs");
		n = read(fd.fd, im->line + im->len, sizeof(im->line) - im->len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return vmb_errno(errno, "cannot read what vmboot-import writes");
		im->len += n > 0 ? (size_t)n : 0;
		r = take_lines(im);
	}
	return r;
}

/* The error is how it ended, with its last words: of libarchive they are the only sign. */
static int died(const struct importer *im)
{
	const char *words = vmboot_last_error()->message;

	if (strstr(words, "emory"))
		return no_memory(im, words);
	return vmb_error(VMBOOT_EIMAGE,
			 "%s: the process that unpacks it died; the image may be damaged: %s",
			 im->import->what, words);
}

static int finish(struct importer *im)
{
	struct vmb_saved_error *said = im->result < 0 ? vmb_error_save() : NULL;
	int r = vmb_process_finish(&im->process);

	if (im->result < 0) {
		vmb_error_restore(said);
		return im->result;
	}
	if (r == -VMBOOT_EHOST)
		return died(im);
	return r < 0 || im->complete ? r : bad_line(im);
}

/* What still runs ends, with the tool that it runs: they are a process group. */
static void importer_done(struct importer *im)
{
	if (im->process.pid > 0)
		kill(-im->process.pid, SIGKILL);
	vmb_process_done(&im->process);
}

int vmb_importer_build(const struct vmb_source *source, const struct vmb_image *image,
		       const char *disk, struct vmb_progress_count *import)
{
	vmb_cleanup(importer_done) struct importer im = {.process = VMB_PROCESS_INIT,
							 .import = import};
	_cleanup_free_ char *program = NULL;
	int r = vmb_find_installed("vmboot-import", "the importer", X_OK, &program);
	const char *argv[] = {
		program,
		VMB_IMPORTER_PROTOCOL,
		source->kind->prefix,
		source->path,
		source->tag ? source->tag : "",
		image->digest,
		disk,
		import->what,
		NULL,
	};

	if (r == 0)
		r = vmb_process_start(&im.process, argv, VMB_PIPE_STDIN | VMB_PIPE_STDOUT);
	if (r < 0)
		return r;
	im.process.tool = "vmboot-import";
	r = read_lines(&im);
	return r < 0 ? r : finish(&im);
}
