/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "complete.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flags.h"

enum {
	LIMIT_SECONDS = 5, /* a libvirt that does not answer must not hold up a shell */
	PHASES_MAX = 128,
};

struct words {
	const struct verb *verb;
	const char *group;	   /* the first word of a verb that has two, or NULL */
	struct vmboot_opts *where; /* uri and store, as given */
	const char *word;	   /* what is to be completed, behind any "--flag=" */
	const char *before;	   /* "--flag=", or "" */
	char **operands;
	int n_operands;
	bool dashes;	    /* behind a "--": no flags any more */
	struct found value; /* word is the value of this flag, if it is one */
};

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void offer(const struct words *w, const char *candidate, const char *help)
{
	char *safe;

	if (!starts(candidate, w->word) || strpbrk(candidate, "\t\n"))
		return;
	safe = printable(candidate);
	out("%s%s%s%s\n", w->before, safe, *help ? "\t" : "", help);
	free(safe);
}

static bool was_given(const struct words *w, const char *operand)
{
	for (int i = 0; i < w->n_operands; i++)
		if (strcmp(w->operands[i], operand) == 0)
			return true;
	return false;
}

/* states: bits of 1 << enum vmboot_state; after: what follows the name. */
static void offer_vms(const struct words *w, unsigned states, const char *after)
{
	_cleanup_(infos) struct vmboot_info **infos = NULL;
	int n = vmboot_list(w->where, &infos);

	for (int i = 0; i < n; i++) {
		char *name = xasprintf("%s%s", infos[i]->name, after);

		if ((states & 1U << infos[i]->state) && !was_given(w, name))
			offer(w, name, "");
		free(name);
	}
}

/* The shortest name that finds the image: what is in localhost/ hides the Docker Hub's. */
static const char *brief_name(struct vmboot_image *const *images, const char *name)
{
	static const char local[] = "localhost/", hub[] = "docker.io/library/";

	if (starts(name, local))
		return name + strlen(local);
	if (!starts(name, hub))
		return name;
	for (; *images; images++)
		if (starts((*images)->name, local) &&
		    strcmp((*images)->name + strlen(local), name + strlen(hub)) == 0)
			return name;
	return name + strlen(hub);
}

/* By the short name, unless the word begins in full. */
static void offer_images(const struct words *w)
{
	_cleanup_(images) struct vmboot_image **images = NULL;
	int n = vmboot_image_list(w->where, &images);

	for (int i = 0; i < n; i++) {
		const char *name = images[i]->name, *brief = brief_name(images, name);

		if (was_given(w, name) || was_given(w, brief))
			continue;
		offer(w, starts(brief, w->word) ? brief : name, "");
	}
}

static void offer_sources(const struct words *w)
{
	static const struct {
		const char *name, *help, *then;
	} sources[] = {{"oci:", "an OCI image layout", ":folders"},
		       {"tar:", "a tar archive of a root file system", ":files"},
		       {"dir:", "a folder that holds one", ":folders"},
		       {"disk:", "a disk with a file system", ":files"},
		       {"docker://", "an image of a registry", ""},
		       {"docker-archive:", "an archive that docker save made", ":files"},
		       {"oci-archive:", "an OCI image layout in an archive", ":files"},
		       {"containers-storage:", "an image of podman's", ""},
		       {"docker-daemon:", "an image of docker's", ""},
		       {"skopeo-dir:", "what skopeo copies to its dir:", ":folders"}};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (starts(w->word, sources[i].name) && *sources[i].then)
			out_line(sources[i].then);
		else
			offer(w, sources[i].name, sources[i].help);
	}
}

static void offer_phases(const struct words *w)
{
	for (int i = 1; i < PHASES_MAX; i++) {
		enum vmboot_phase phase = (enum vmboot_phase)i;

		if (strcmp(vmboot_phase_name(phase), "unknown") != 0)
			offer(w, vmboot_phase_name(phase), vmboot_phase_help(phase));
	}
}

static void offer_uris(const struct words *w)
{
	offer(w, "embed", "in this process, without a daemon");
	offer(w, "qemu:///session", "the user's libvirt");
	offer(w, "qemu:///system", "the host's libvirt");
}

static void offer_files(const struct words *w)
{
	(void)w;
	out_line(":files");
}

static void offer_folders(const struct words *w)
{
	(void)w;
	out_line(":folders");
}

static void offer_value(const struct words *w)
{
	static const struct {
		const char *name;
		void (*fn)(const struct words *w);
	} values[] = {{"image", offer_images},	  {"kernel", offer_files},
		      {"phase", offer_phases},	  {"kernel_headers", offer_files},
		      {"request", offer_files},	  {"store", offer_folders},
		      {"uri", offer_uris},	  {"authfile", offer_files},
		      {"cert_dir", offer_folders}};
	const struct vmboot_field *field = w->value.field;
	const char *name = field ? field->name : w->value.flag->name;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (strcmp(values[i].name, name) == 0)
			values[i].fn(w);
	if (field && field->type == VMBOOT_FIELD_ENUM)
		for (const char *const *choice = field->choices; *choice; choice++)
			offer(w, *choice, "");
}

static void offer_flag(const char *name, const char *help, void *data)
{
	const struct words *w = data;
	char *flag = xasprintf("--%s", name);

	offer(w, flag, help);
	free(flag);
}

/* The first word of a verb that has two. */
static void offer_group(const struct words *w, const struct verb *verb)
{
	char *group = xasprintf("%.*s", (int)strcspn(verb->name, " "), verb->name);

	offer(w, group, "");
	free(group);
}

static void offer_verbs(const struct words *w, const struct verb *verbs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *space = strchr(verbs[i].name, ' '),
			   *before = i ? verbs[i - 1].name : "";

		if (w->group && in_group(&verbs[i], w->group))
			offer(w, space + 1, verbs[i].help);
		else if (!w->group && !space)
			offer(w, verbs[i].name, verbs[i].help);
		else if (!w->group &&
			 strncmp(before, verbs[i].name, (size_t)(space - verbs[i].name) + 1) != 0)
			offer_group(w, &verbs[i]); /* those of one group stand together */
	}
	if (!w->group)
		offer(w, "help", "Show the help of a verb");
}

static void offer_operand(const struct words *w)
{
	const unsigned stopped = 1U << VMBOOT_STATE_STOPPED, running = ~stopped;
	const struct verb *verb = w->verb;
	bool first = w->n_operands == 0;

	if (!verb->command && verb->max_operands >= 0 && w->n_operands >= verb->max_operands)
		return;
	switch (verb->operand) {
	case OPERAND_VM:
		return offer_vms(w, ~0U, "");
	case OPERAND_VM_STOPPED:
		return offer_vms(w, stopped, "");
	case OPERAND_VM_RUNNING:
		return offer_vms(w, running, "");
	case OPERAND_VM_PAUSED:
		return offer_vms(w, 1U << VMBOOT_STATE_PAUSED, "");
	case OPERAND_VM_FIRST:
		return first ? offer_vms(w, running, "") : (void)0;
	case OPERAND_VM_PATH:
		offer_vms(w, running, ":");
		return offer_files(w);
	case OPERAND_IMAGE:
		return offer_images(w);
	case OPERAND_IMAGE_FIRST:
		if (first && !w->dashes) {
			offer_images(w);
			offer_sources(w);
		}
		return;
	case OPERAND_SOURCE:
		return offer_sources(w);
	case OPERAND_NONE:
		return;
	}
}

static bool takes_value(const struct found *f)
{
	return f->flag ? f->flag->kind != KIND_BOOL : f->field->type != VMBOOT_FIELD_BOOL;
}

/* Where to look for VMs and images is given in the very line. */
static void note(struct words *w, const struct found *f, const char *value)
{
	if (f->field &&
	    (strcmp(f->field->name, "uri") == 0 || strcmp(f->field->name, "store") == 0))
		(void)vmboot_opts_set(w->where, f->field->name, value);
}

/* The last flag of one argument, its value if it is in there too, else NULL. */
static bool read_flag(const struct verb *verb, char *arg, struct found *ret, char **ret_value)
{
	char *equals = strchr(arg, '=');
	bool found;

	*ret_value = NULL;
	if (arg[1] == '-') {
		if (equals)
			*equals = '\0';
		found = flag_find_long(verb, arg + 2, ret);
		if (equals)
			*equals = '=';
		*ret_value = equals ? equals + 1 : NULL;
		return found;
	}
	for (char *p = arg + 1; *p; p++) {
		if (!flag_find_short(verb, *p, ret))
			return false;
		if (takes_value(ret)) {
			*ret_value = p[1] ? p + 1 : NULL;
			return true;
		}
	}
	return arg[1] != '\0';
}

/* Whether an argument that is not a flag ends the flags of its verb. */
static bool ends_flags(const struct verb *verb)
{
	return verb->command || verb->rest;
}

static bool is_named(const struct words *w, const struct verb *verb, const char *word)
{
	if (!w->group)
		return strcmp(verb->name, word) == 0;
	return in_group(verb, w->group) && strcmp(strchr(verb->name, ' ') + 1, word) == 0;
}

static bool is_group(const struct verb *verbs, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (in_group(&verbs[i], word))
			return true;
	return false;
}

/* All words but the last. Returns false where nothing can be offered. */
static bool walk(struct words *w, const struct verb *verbs, size_t n_verbs, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		struct found found = {0};
		char *value;

		if (!w->dashes && strcmp(argv[i], "--") == 0) {
			w->dashes = true;
			continue;
		}
		if (w->dashes || argv[i][0] != '-' || !argv[i][1]) {
			if (w->verb->name) {
				w->operands[w->n_operands++] = argv[i];
				w->dashes = w->dashes || ends_flags(w->verb);
				continue;
			}
			for (size_t k = 0; k < n_verbs && !w->verb->name; k++)
				if (is_named(w, &verbs[k], argv[i]))
					w->verb = &verbs[k];
			if (!w->verb->name && !w->group && is_group(verbs, n_verbs, argv[i])) {
				w->group = argv[i];
				continue;
			}
			if (!w->verb->name)
				return strcmp(argv[i], "help") == 0 && i + 1 == argc;
			continue;
		}
		if (!read_flag(w->verb, argv[i], &found, &value))
			continue;
		if (!takes_value(&found))
			continue;
		if (!value && i + 1 == argc) {
			w->value = found;
			return true;
		}
		note(w, &found, value ? value : argv[++i]);
	}
	return true;
}

/* The last word may be "--flag=VALUE". */
static void split_word(struct words *w, char *word)
{
	char *value;

	w->word = word;
	if (w->dashes || w->value.flag || w->value.field || word[0] != '-' || word[1] != '-')
		return;
	if (strchr(word, '=') && read_flag(w->verb, word, &w->value, &value) &&
	    takes_value(&w->value)) {
		w->word = value;
		w->before = word;
	}
}

int complete(const struct verb *verbs, size_t n_verbs, const struct verb *no_verb, int argc,
	     char *const *argv)
{
	struct words w = {.verb = no_verb, .word = "", .before = ""};
	char **copy = xrealloc(NULL, (size_t)argc + 1, sizeof(*copy)), *before = NULL;

	signal(SIGALRM, SIG_DFL);
	alarm(LIMIT_SECONDS);
	for (int i = 0; i < argc; i++)
		copy[i] = xasprintf("%s", argv[i]);
	w.operands = xrealloc(NULL, (size_t)argc + 1, sizeof(*w.operands));
	if (vmboot_opts_new(&w.where) >= 0 && argc > 0 &&
	    walk(&w, verbs, n_verbs, argc - 1, copy)) {
		split_word(&w, copy[argc - 1]);
		if (*w.before) {
			before = xasprintf("%.*s", (int)(w.word - w.before), w.before);
			w.before = before;
		}
		if (w.value.flag || w.value.field)
			offer_value(&w);
		else if (w.word[0] == '-' && !w.dashes)
			flag_each(w.verb, offer_flag, &w);
		else if (!w.verb->name)
			offer_verbs(&w, verbs, n_verbs);
		else
			offer_operand(&w);
	}
	free(before);
	vmboot_opts_free(w.where);
	for (int i = 0; i < argc; i++)
		free(copy[i]);
	free(copy);
	free(w.operands);
	return 0;
}
