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

#include <stdint.h>

#include "common.h"

/* The tool's own flags: a verb's row has the bits of those that it takes. */
typedef uint64_t flag_set;
#define FLAG_BIT(n) (UINT64_C(1) << (n))
#define FLAG_HELP FLAG_BIT(0)
#define FLAG_VERBOSE FLAG_BIT(1)
#define FLAG_VERSION FLAG_BIT(2)
#define FLAG_JSON FLAG_BIT(3)
#define FLAG_QUIET FLAG_BIT(4)
#define FLAG_ALL FLAG_BIT(5)
#define FLAG_FORCE FLAG_BIT(6)
#define FLAG_FOLLOW FLAG_BIT(7)
#define FLAG_CONSOLE FLAG_BIT(8)
#define FLAG_DETACH FLAG_BIT(9)
#define FLAG_REPORT FLAG_BIT(10)
#define FLAG_RM FLAG_BIT(11)
#define FLAG_REQUEST FLAG_BIT(12)
#define FLAG_PHASE FLAG_BIT(13)
#define FLAG_STOP_TIME FLAG_BIT(14)
#define FLAG_WAIT_TIME FLAG_BIT(15)
#define FLAG_NAME FLAG_BIT(16)
#define FLAG_DRY_RUN FLAG_BIT(17)
#define FLAG_INTERACTIVE FLAG_BIT(18)
#define FLAG_TTY FLAG_BIT(19)
#define FLAG_PROGRAM FLAG_BIT(20) /* env, workdir and user of a program in a VM */
#define FLAG_DEREFERENCE FLAG_BIT(21)
#define FLAG_CHART FLAG_BIT(22)
#define FLAG_SVG FLAG_BIT(23)
#define FLAG_TAIL FLAG_BIT(24)
#define FLAG_EACH FLAG_BIT(25) /* each VM of the store, in place of names */
#define FLAG_ALL_STORES FLAG_BIT(26)
#define FLAG_YES FLAG_BIT(27)
#define FLAG_MACHINE FLAG_BIT(28) /* fields of the machine under the names that podman has */
#define FLAG_FORMAT FLAG_BIT(29)
#define FLAG_FILTER FLAG_BIT(30)
#define FLAG_IMAGES FLAG_BIT(40) /* filter and digests of images */
#define FLAG_UNUSED FLAG_BIT(41) /* which unused images */
#define FLAG_ONCE FLAG_BIT(50)	 /* no-stream */
#define FLAG_EVENTS FLAG_BIT(51) /* which events */
#define FLAG_USERS FLAG_BIT(42)	 /* force: remove the VMs that use an image */
#define FLAG_PORT FLAG_BIT(31)	 /* what port does besides printing */
#define FLAG_NO_PROGRESS FLAG_BIT(43)

/* Which fields of the library's table are flags of a verb. */
enum verb_fields {
	FIELDS_WHERE,  /* uri, store, debug */
	FIELDS_DOCTOR, /* and kernel */
	FIELDS_PULL,   /* and what a registry is asked with */
	FIELDS_ALL,
};

/* What the operands of a verb are, for completion. */
enum operand {
	OPERAND_NONE,
	OPERAND_VM,
	OPERAND_VM_STOPPED,
	OPERAND_VM_RUNNING,
	OPERAND_VM_PAUSED,
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
	flag_set flags;
	enum verb_fields fields;
	bool command; /* its operands are IMAGE [CMD…] */
	bool rest;    /* its first operand ends the flags */
	enum operand operand;
	int min_operands; /* not for a command */
	int max_operands; /* -1: any number */
};

/* How many of argv's first words are the verb's name: 1, or 2 as in "image inspect"; 0: it is not. */
int verb_words(const struct verb *verb, int argc, char *const *argv);

/* Whether the name of the verb has two words, of which this is the first. */
bool in_group(const struct verb *verb, const char *word);

struct setting {
	const struct vmboot_field *field;
	const char *value; /* NULL: empties a list */
};

struct args {
	const struct verb *verb;
	struct vmboot_opts *opts;
	struct json_object *request; /* what --request read, or NULL */

	bool help, verbose, version, json, chart, svg, quiet, all, force, follow, console, detach,
		next_boot, report, rm, dry_run, interactive, tty, dereference, all_stores, digests,
		no_stream;
	const char *request_file, *phase, *name, *workdir, *user, *tail, *format, *port_add,
		*port_remove, *since, *until;
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
