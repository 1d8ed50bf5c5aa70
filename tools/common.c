/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

void *xrealloc(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n ? n : 1, size);
	if (!p) {
		say("out of memory");
		exit(EXIT_FAILED);
	}
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		say("out of memory");
		exit(EXIT_FAILED);
	}
	return s;
}

__attribute__((format(printf, 1, 0))) static void vsay(const char *fmt, va_list ap)
{
	progress_clear();
	fflush(stdout);
	fputs("vmboot: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
}

int usage_error(const char *verb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try 'vmboot %s%s' for more.\n", verb ? "help " : "--help",
		verb ? verb : "");
	return EXIT_USAGE;
}

/* Each line of text, indented; nothing of it moves the cursor. */
static void show_lines(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\r\n");
		char *line = n ? xasprintf("%.*s", (int)n, text) : NULL;
		char *safe = line ? printable(line) : NULL;

		if (safe)
			fprintf(stderr, "    %s\n", safe);
		free(safe);
		free(line);
		text += n;
		text += strspn(text, "\r\n");
	}
}

/* One more line of an error, unless the message says it already. */
static void show_more(const char *message, const char *what, const char *text)
{
	char *safe;

	if (!*text || strstr(message, text))
		return;
	safe = printable(text);
	fprintf(stderr, "  %s: %s\n", what, safe);
	free(safe);
}

int show_error(int failed)
{
	const struct vmboot_error *e = vmboot_last_error();
	char *safe = printable(*e->message ? e->message : vmboot_strerror(e->code));

	say("%s", safe);
	show_more(e->message, "field", e->field);
	show_more(e->message, "phase", e->phase);
	show_more(e->message, "device", e->device);
	if (e->guest_errno)
		show_more(e->message, "guest", vmboot_strerror(e->guest_errno));
	show_more(e->message, "libvirt", e->libvirt_message);
	if (*e->console && !strstr(e->message, e->console)) {
		fputs("  console:\n", stderr);
		show_lines(e->console);
	}
	free(safe);
	return e->code == -VMBOOT_EOPTS ? EXIT_USAGE : failed;
}

static int out_error; /* the first errno of standard output */

static void out_check(bool failed)
{
	if (failed && !out_error)
		out_error = errno ? errno : EIO;
}

void out(const char *fmt, ...)
{
	va_list ap;

	progress_clear();
	errno = 0;
	va_start(ap, fmt);
	out_check(vprintf(fmt, ap) < 0);
	va_end(ap);
}

void out_line(const char *text)
{
	size_t n = strlen(text);

	out("%s%s", text, n && text[n - 1] == '\n' ? "" : "\n");
}

void out_name(const char *name)
{
	char *safe = printable(name);

	out_line(safe);
	free(safe);
}

int out_finish(int status)
{
	errno = 0;
	out_check(fflush(stdout) == EOF);
	if (!out_error)
		return status;
	if (out_error == EPIPE) /* whoever read has seen enough */
		return status ? status : EXIT_SIGNAL + SIGPIPE;
	say("cannot write to standard output: %s", strerror(out_error));
	return status ? status : EXIT_FAILED;
}

int write_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EAGAIN)
			done = poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1) < 0 ? -1
											      : 0;
		if (done < 0)
			return errno;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

char *printable(const char *s)
{
	char *safe = xrealloc(NULL, strlen(s) * 4 + 1, 1), *to = safe;

	while (*s) {
		size_t n = text_printable(s);

		if (n) {
			memcpy(to, s, n);
			to += n;
			s += n;
		} else {
			to += sprintf(to, "\\x%02x", (unsigned)(unsigned char)*s++);
		}
	}
	*to = '\0';
	return safe;
}

char *printable_list(const char *const *list)
{
	char *text = xasprintf("%s", ""), *safe;

	for (size_t i = 0; list && list[i]; i++) {
		char *longer = xasprintf("%s%s%s", text, i ? "," : "", list[i]);

		free(text);
		text = longer;
	}
	safe = printable(text);
	free(text);
	return safe;
}

struct json_object *json_text(const char *s)
{
	char *clean = xrealloc(NULL, strlen(s ? s : "") * 3 + 1, 1), *to = clean;
	struct json_object *json;

	while (s && *s) {
		size_t n = text_utf8(s, NULL);

		memcpy(to, n ? s : "\xef\xbf\xbd", n ? n : 3);
		to += n ? n : 3;
		s += n ? n : 1;
	}
	*to = '\0';
	json = json_object_new_string(clean);
	free(clean);
	return json;
}

struct json_object *json_list(const char *const *list)
{
	struct json_object *json = json_object_new_array();

	for (; list && *list; list++)
		json_object_array_add(json, json_text(*list));
	return json;
}

void out_json(struct json_object *json)
{
	out_line(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_SPACED |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
}

void nearest_try(struct nearest *near, const char *word, const char *candidate)
{
	size_t limit = strlen(word) < 4 ? 1 : strlen(word) < 8 ? 2 : 3;
	size_t d = text_distance(word, candidate);

	if (d > limit || (near->best && d >= near->distance))
		return;
	near->best = candidate;
	near->distance = d;
}

bool ask(const char *question)
{
	char answer[16] = "";

	fprintf(stderr, "%s [y/N] ", question);
	fflush(stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
