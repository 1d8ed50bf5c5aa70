/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_ARGS_H
#define VMBOOT_TOOLS_ARGS_H

/*
 * The command line. In: argv, the verb's row and the library's table of fields, of which each is a
 * flag. Out: struct args, with opts made of the request, then of the flags.
 *
 * Flags stand before the operands. A verb with a command takes all that is behind its first
 * operand, the image, or behind "--", as the command; others take flags between operands too.
 */

#include "common.h"

/* The tool's own flags: a verb's row has the bits of those that it takes. */
enum flag_id {
	FLAG_HELP = 1U << 0,
	FLAG_VERBOSE = 1U << 1,
	FLAG_VERSION = 1U << 2,
	FLAG_JSON = 1U << 3,
	FLAG_QUIET = 1U << 4,
	FLAG_ALL = 1U << 5,
	FLAG_FORCE = 1U << 6,
	FLAG_FOLLOW = 1U << 7,
	FLAG_CONSOLE = 1U << 8,
	FLAG_DETACH = 1U << 9,
	FLAG_REPORT = 1U << 10,
	FLAG_RM = 1U << 11,
	FLAG_REQUEST = 1U << 12,
	FLAG_PHASE = 1U << 13,
	FLAG_STOP_TIME = 1U << 14,
	FLAG_WAIT_TIME = 1U << 15,
	FLAG_NAME = 1U << 16,
	FLAG_DRY_RUN = 1U << 17,
	FLAG_INTERACTIVE = 1U << 18,
	FLAG_TTY = 1U << 19,
	FLAG_PROGRAM = 1U << 20, /* env, workdir and user of a program in a VM */
	FLAG_DEREFERENCE = 1U << 21,
	FLAG_CHART = 1U << 22,
	FLAG_SVG = 1U << 23,
	FLAG_TAIL = 1U << 24,
	FLAG_EACH = 1U << 25, /* each VM of the store, in place of names */
	FLAG_ALL_STORES = 1U << 26,
	FLAG_YES = 1U << 27,
	FLAG_MACHINE = 1U << 28, /* fields of the machine under the names that podman has */
	FLAG_FORMAT = 1U << 29,
	FLAG_FILTER = 1U << 30,
};

/* Which fields of the library's table are flags of a verb. */
enum verb_fields {
	FIELDS_WHERE,  /* uri, store, debug */
	FIELDS_DOCTOR, /* and kernel */
	FIELDS_ALL,
};

/* What the operands of a verb are, for completion. */
enum operand {
	OPERAND_NONE,
	OPERAND_VM,
	OPERAND_VM_STOPPED,
	OPERAND_VM_RUNNING,
	OPERAND_VM_FIRST, /* one that runs, then what is in the guest */
	OPERAND_VM_PATH,  /* NAME:PATH or a file */
	OPERAND_IMAGE,
	OPERAND_IMAGE_FIRST, /* one or a source, then what is in the guest */
	OPERAND_SOURCE,
};

struct args;

struct verb {
	const char *name;
	const char *operands; /* for the usage line */
	const char *help;     /* one line */
	const char *more;     /* a few lines, or NULL */
	int (*fn)(struct args *args);
	unsigned flags; /* enum flag_id */
	enum verb_fields fields;
	bool command; /* its operands are IMAGE [CMD…] */
	bool rest;    /* its first operand ends the flags */
	enum operand operand;
	int min_operands; /* not for a command */
	int max_operands; /* -1: any number */
};

struct setting {
	const struct vmboot_field *field;
	const char *value; /* NULL: empties a list */
};

struct args {
	const struct verb *verb;
	struct vmboot_opts *opts;
	struct json_object *request; /* what --request read, or NULL */

	bool help, verbose, version, json, chart, svg, quiet, all, force, follow, console, detach,
		next_boot, report, rm, dry_run, interactive, tty, dereference, all_stores;
	const char *request_file, *phase, *name, *workdir, *user, *tail, *format;
	const char **env, **filters; /* NULL-ended, or NULL */
	int seconds;		     /* -1: not given */

	char **operands; /* n_operands of them, and NULL */
	int n_operands;
	bool dashes; /* the operands follow a "--" */

	struct setting *settings; /* in the order given */
	size_t n_settings;
	char **made; /* values of settings that were made of others; NULL-ended, or NULL */
	enum vmboot_log_level log_level;
};

/*
 * Reads flags and operands into args, which gathers what several calls read (the global flags, then
 * the verb's). stop: end at the first operand. 0 or EXIT_USAGE, said.
 */
int args_parse(struct args *args, const struct verb *verb, int argc, char *const *argv, bool stop);

/* Makes args->opts: request, flags, image and command. 0, or an exit code, with the error said. */
int args_opts(struct args *args);

/* True if a flag or the request gave this field. */
bool args_given(const struct args *args, const char *field);

/* Prints `vmboot help VERB`. */
void args_help(const struct verb *verb);

void args_done(struct args *args);

#endif
