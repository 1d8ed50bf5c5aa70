/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_COMMON_H
#define VMBOOT_TOOLS_COMMON_H

/*
 * What all verbs share: exit codes, errors, checked output, text made safe for a terminal, tables,
 * JSON. The tool uses the public API only, so it has its own cleanup attributes.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <vmboot/vmboot.h>

enum {
	EXIT_FAILED = 1,	/* the operation failed */
	EXIT_USAGE = 2,		/* the command line or the request is not acceptable */
	EXIT_RUN_FAILED = 125,	/* run: vmboot itself failed */
	EXIT_CANNOT_EXEC = 126, /* run: the command cannot be executed */
	EXIT_NOT_FOUND = 127,	/* run: the command is not there */
	EXIT_SIGNAL = 128,	/* + the signal's number */
};

#define DEFINE_CLEANUP(name, type, fn)                                                             \
	static inline void name(type *p)                                                           \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}
DEFINE_CLEANUP(cleanup_text, char *, vmboot_free)
DEFINE_CLEANUP(cleanup_vm, struct vmboot_vm *, vmboot_close)
DEFINE_CLEANUP(cleanup_info, struct vmboot_info *, vmboot_info_free)
DEFINE_CLEANUP(cleanup_infos, struct vmboot_info **, vmboot_list_free)
DEFINE_CLEANUP(cleanup_image, struct vmboot_image *, vmboot_image_free)
DEFINE_CLEANUP(cleanup_images, struct vmboot_image **, vmboot_image_list_free)
DEFINE_CLEANUP(cleanup_ledger, struct vmboot_ledger *, vmboot_ledger_free)
DEFINE_CLEANUP(cleanup_exec_result, struct vmboot_exec_result *, vmboot_exec_result_free)
DEFINE_CLEANUP(cleanup_json, struct json_object *, json_object_put)
#define _cleanup_(fn) __attribute__((cleanup(cleanup_##fn)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Memory, or the end of the program: nothing is half made where these are used. */
void *xrealloc(void *p, size_t n, size_t size);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

/* "vmboot: <words>" on standard error. */
void say(const char *fmt, ...) PRINTF(1, 2);

/* The same, and where to read more; returns EXIT_USAGE. verb NULL: none is known yet. */
int usage_error(const char *verb, const char *fmt, ...) PRINTF(2, 3);

/* The thread's last error, all of it once. Returns EXIT_USAGE for a bad option, else failed. */
int show_error(int failed);

/* Asks on standard error and reads a line of standard input: true if it begins with y. */
bool ask(const char *question);

/* Standard output, checked: what goes wrong shows in out_finish(), which gives the exit code. */
void out(const char *fmt, ...) PRINTF(1, 2);
void out_line(const char *text); /* with a newline unless it has one */
void out_name(const char *name); /* made printable, on a line */
int out_finish(int status);

/* All n bytes to fd; 0 or an errno, EINTR if a signal handler ran while nobody read. */
int write_all(int fd, const char *bytes, size_t n);

/* Text from a guest or an image, fit for a terminal: control characters become \xNN. Freed by free. */
char *printable(const char *s);
char *printable_list(const char *const *list); /* "a,b"; NULL: "" */

/* For JSON: bytes that are not UTF-8 become U+FFFD. */
struct json_object *json_text(const char *s);
struct json_object *json_list(const char *const *list);
void out_json(struct json_object *json);

/* A table: cells are collected (copied, made printable), then printed with aligned columns. */
struct table {
	size_t columns, n;
	char **cells;
};
void table_start(struct table *t, const char *const *heads, size_t columns);
void table_cell(struct table *t, const char *fmt, ...) PRINTF(2, 3);
void table_print(struct table *t); /* and frees it */

/* Of the candidates that were tried, the one most like word; best is NULL if none is near. */
struct nearest {
	const char *best;
	size_t distance;
};
void nearest_try(struct nearest *near, const char *word, const char *candidate);

/* Progress and log, given to the library with opts. */
void progress_show(const char *what, uint64_t done, uint64_t total, void *data);
void progress_clear(void);
void log_show(enum vmboot_log_level level, const char *message, void *data);

#endif
