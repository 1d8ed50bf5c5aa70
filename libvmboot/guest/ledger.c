/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/ledger.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

enum {
	LEDGER_FILE_MAX = 16384,
	LEDGER_FILE_DEPTH = 5,
	/* An exit's value: a code of one byte, or a signal behind this. */
	SIGNAL_BASE = 256,
	SIGNAL_MAX = 64,
};

/* Far beyond any boot; adding and subtracting a few such times stays in 64 bits. */
#define TIME_MAX_US (INT64_MAX / 8)

void vmb_host_phases_begin(struct vmb_host_phases *p)
{
	*p = (struct vmb_host_phases){
		.start_mono_us = vmb_monotonic_us(),
		.start_real_us = vmb_realtime_us(),
	};
}

void vmb_host_phases_mark(struct vmb_host_phases *p, enum vmboot_phase phase)
{
	if (p->n == VMB_HOST_PHASES_MAX)
		return;
	p->list[p->n].phase = phase;
	p->list[p->n].start_us = p->n ? p->list[p->n - 1].end_us : 0;
	p->list[p->n].end_us = vmb_monotonic_us() - p->start_mono_us;
	p->n++;
}

void vmb_host_phases_add_resume(struct vmb_host_phases *p, const struct vmb_resume *resume)
{
	if (p->n_resumes < VMB_RESUMES_MAX)
		p->n_resumes++;
	p->resumes[p->n_resumes - 1] = *resume;
}

int64_t vmb_host_phases_now(const struct vmb_host_phases *p)
{
	return p->start_mono_us ? vmb_monotonic_us() - p->start_mono_us
				: vmb_realtime_us() - p->start_real_us;
}

static void add_resumes(struct json_object *o, const struct vmb_host_phases *p)
{
	struct json_object *list = p->n_resumes ? json_object_new_array() : NULL;

	for (size_t i = 0; i < p->n_resumes; i++) {
		struct json_object *row = json_object_new_object();

		vmb_json_int(row, "start_us", p->resumes[i].start_us);
		vmb_json_int(row, "end_us", p->resumes[i].end_us);
		vmb_json_int(row, "boot", (int64_t)p->resumes[i].boot);
		vmb_json_int(row, "events", (int64_t)p->resumes[i].events);
		vmb_json_int(row, "offset_us", p->resumes[i].offset_us);
		json_object_array_add(list, row);
	}
	if (list)
		json_object_object_add(o, "resumes", list);
}

int vmb_host_phases_save(const struct vmb_host_phases *p, const char *path)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *phases = json_object_new_array();
	_cleanup_free_ char *text = NULL;
	int r;

	vmb_json_int(o, "start_real_us", p->start_real_us);
	for (size_t i = 0; i < p->n; i++) {
		struct json_object *row = json_object_new_object();

		vmb_json_str(row, "phase", vmboot_phase_name(p->list[i].phase));
		vmb_json_int(row, "start_us", p->list[i].start_us);
		vmb_json_int(row, "end_us", p->list[i].end_us);
		json_object_array_add(phases, row);
	}
	json_object_object_add(o, "phases", phases);
	add_resumes(o, p);
	r = vmb_json_text(o, &text);
	return r < 0 ? r : vmb_write_file_atomic(path, text, strlen(text), 0600);
}

static int load_row(struct json_object *row, struct vmb_host_phases *p)
{
	int phase = vmboot_phase_from_name(vmb_json_get_str(row, "phase"));
	int64_t start = vmb_json_get_int(row, "start_us", -1);
	int64_t end = vmb_json_get_int(row, "end_us", -1);

	if (phase <= 0 || phase >= VMBOOT_PHASE_FIRMWARE || start < 0 || end < start ||
	    end > TIME_MAX_US || p->n == VMB_HOST_PHASES_MAX)
		return -EBADMSG;
	p->list[p->n].phase = (enum vmboot_phase)phase;
	p->list[p->n].start_us = start;
	p->list[p->n].end_us = end;
	p->n++;
	return 0;
}

static int load_resume(struct json_object *row, struct vmb_host_phases *p)
{
	const struct vmb_resume resume = {
		.start_us = vmb_json_get_int(row, "start_us", -1),
		.end_us = vmb_json_get_int(row, "end_us", -1),
		.boot = (size_t)vmb_json_get_int(row, "boot", 0),
		.events = (size_t)vmb_json_get_int(row, "events", 0),
		.offset_us = vmb_json_get_int(row, "offset_us", 0),
	};

	if (resume.start_us < 0 || resume.end_us < resume.start_us || resume.end_us > TIME_MAX_US ||
	    resume.offset_us > TIME_MAX_US || resume.offset_us < -TIME_MAX_US ||
	    p->n_resumes == VMB_RESUMES_MAX)
		return -EBADMSG;
	p->resumes[p->n_resumes++] = resume;
	return 0;
}

/* A ledger without any has no list of them. */
static int load_resumes(struct json_object *o, const char *what, struct vmb_host_phases *p)
{
	struct json_object *list = vmb_json_get(o, "resumes");

	if (!json_object_is_type(list, json_type_array))
		return 0;
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (load_resume(json_object_array_get_idx(list, i), p) < 0)
			return vmb_error(EBADMSG, "%s is damaged: its resume %zu is none", what, i);
	return 0;
}

int vmb_host_phases_parse(const char *text, size_t n, const char *what, struct vmb_host_phases *ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct vmb_host_phases p = {0};
	struct json_object *phases;
	int r;

	r = vmb_json_parse(text, n, LEDGER_FILE_DEPTH, EBADMSG, what, &o);
	if (r < 0)
		return r;
	p.start_real_us = vmb_json_get_int(o, "start_real_us", -1);
	if (p.start_real_us <= 0 || p.start_real_us > TIME_MAX_US)
		return vmb_error(EBADMSG, "%s is damaged: it has no start", what);
	phases = vmb_json_get(o, "phases");
	if (!json_object_is_type(phases, json_type_array))
		return vmb_error(EBADMSG, "%s is damaged: it has no phases", what);
	for (size_t i = 0; i < json_object_array_length(phases); i++)
		if (load_row(json_object_array_get_idx(phases, i), &p) < 0)
			return vmb_error(EBADMSG, "%s is damaged: its phase %zu is none", what, i);
	r = load_resumes(o, what, &p);
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

int vmb_host_phases_load(const char *path, struct vmb_host_phases *ret)
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r;

	r = vmb_read_file(path, LEDGER_FILE_MAX, &text, &n);
	return r < 0 ? r : vmb_host_phases_parse(text, n, path, ret);
}

/* The public struct, and what its pointers point to, in one piece. */
struct ledger {
	struct vmboot_ledger pub;
	char **strings;
	char *name;
	struct vmboot_event *rows;
	struct vmboot_event **index;
};

static struct vmboot_event *add_row(struct ledger *l, enum vmboot_phase phase, int64_t start,
				    int64_t end)
{
	struct vmboot_event *row = &l->rows[l->pub.n_events];

	*row = (struct vmboot_event){
		.size = sizeof(*row),
		.phase = phase,
		.start_us = start,
		.end_us = end,
		.device = "",
		.detail = "",
	};
	l->index[l->pub.n_events++] = row;
	return row;
}

/* A copy that goes with the ledger. */
static int keep(struct ledger *l, const char *s, const char **ret)
{
	int r = vmb_list_add(&l->strings, s);

	if (r == 0)
		*ret = l->strings[vmb_list_len(vmb_list_const(l->strings)) - 1];
	return r;
}

static void take_exit(struct vmboot_ledger *l, const struct vmb_event *e)
{
	const int64_t value = e->value;

	l->exited = true;
	l->exit_oom = vmb_skip_prefix(e->detail, VMB_EXIT_OOM) != NULL;
	l->exit_code = value >= 0 && value < SIGNAL_BASE ? (int)value : -1;
	l->exit_signal = value > SIGNAL_BASE && value <= SIGNAL_BASE + SIGNAL_MAX
				 ? (int)(value - SIGNAL_BASE)
				 : 0;
}

static int add_guest_row(struct ledger *l, const struct vmb_event *e, int64_t offset)
{
	struct vmboot_event *row =
		add_row(l, e->phase, (int64_t)e->start_us + offset, (int64_t)e->end_us + offset);

	if (keep(l, e->device, &row->device) < 0 || keep(l, e->detail, &row->detail) < 0)
		return -ENOMEM;
	row->guest = true;
	row->error = e->error;
	row->value = e->value;
	if (e->phase == VMBOOT_PHASE_PROGRAM && !e->error)
		l->pub.program_us = row->end_us;
	if (e->phase == VMBOOT_PHASE_EXIT && !e->error)
		take_exit(&l->pub, e);
	return 0;
}

static void add_host_rows(struct ledger *l, const struct vmb_host_phases *host,
			  const struct vmb_boot *boot)
{
	int64_t started = 0, up = vmb_boot_offset(boot, 0);

	for (size_t i = 0; i < host->n; i++) {
		add_row(l, host->list[i].phase, host->list[i].start_us, host->list[i].end_us);
		started = host->list[i].end_us;
	}
	/* What lies between libvirt's answer and the kernel's first tick nobody sees directly. The
	 * guest runs before libvirt answers, so it can be nothing. */
	if (boot->n > 0)
		add_row(l, VMBOOT_PHASE_FIRMWARE, started < up ? started : up, up);
}

int64_t vmb_boot_offset(const struct vmb_boot *boot, size_t event)
{
	for (size_t i = 0; i < boot->n_resumes; i++)
		if (boot->resumes[i].boot == boot->number && event < boot->resumes[i].events)
			return boot->resumes[i].offset_us;
	return boot->offset_us;
}

int64_t vmb_boot_began(const struct vmb_boot *boot)
{
	int64_t up = boot->n > 0 ? vmb_boot_offset(boot, 0) : boot->reset_us;

	if (boot->number <= 1)
		return 0;
	return boot->reset_us < 0 || boot->reset_us > up ? up : boot->reset_us;
}

/* A guest that rebooted: the host did nothing for this boot, and it began with the reset. */
static int add_reset_row(struct ledger *l, const struct vmb_boot *boot)
{
	int64_t up = boot->n > 0 ? vmb_boot_offset(boot, 0) - vmb_boot_began(boot) : 0;
	struct vmboot_event *row = add_row(l, VMBOOT_PHASE_FIRMWARE, 0, up);

	row->value = (int64_t)boot->number - 1;
	return keep(l, boot->reset_why ? boot->reset_why : "", &row->detail);
}

static void add_resume_rows(struct ledger *l, const struct vmb_boot *boot)
{
	int64_t began = vmb_boot_began(boot);

	for (size_t i = 0; i < boot->n_resumes; i++)
		if (boot->resumes[i].boot == boot->number)
			add_row(l, VMBOOT_PHASE_RESUMED, boot->resumes[i].start_us - began,
				boot->resumes[i].end_us - began);
}

/* When nobody watched it go: after the last that is known of it. */
static int add_stopped_row(struct ledger *l, const struct vmb_boot *boot)
{
	int64_t at = 0;

	if (!boot->stopped)
		return 0;
	for (size_t i = 0; i < l->pub.n_events; i++)
		if (l->rows[i].end_us > at)
			at = l->rows[i].end_us;
	if (boot->stopped_us >= 0)
		at = boot->stopped_us - vmb_boot_began(boot);
	return keep(l, boot->stopped, &add_row(l, VMBOOT_PHASE_STOPPED, at, at)->detail);
}

static struct ledger *new_ledger(const char *name, size_t rows)
{
	struct ledger *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->pub.size = sizeof(l->pub);
	l->rows = calloc(rows, sizeof(*l->rows));
	l->index = calloc(rows + 1, sizeof(struct vmboot_event *));
	l->name = strdup(name);
	if (!l->rows || !l->index || !l->name) {
		vmboot_ledger_free(&l->pub);
		return NULL;
	}
	l->pub.name = l->name;
	l->pub.events = (const struct vmboot_event *const *)l->index;
	l->pub.exit_code = -1;
	l->pub.program_us = -1;
	return l;
}

/* The rows lie in the order in which they were told; the index goes by start. */
static int by_start(const void *a, const void *b)
{
	const struct vmboot_event *const *x = a, *const *y = b;

	if ((*x)->start_us != (*y)->start_us)
		return (*x)->start_us < (*y)->start_us ? -1 : 1;
	return *x < *y ? -1 : *x > *y;
}

int vmb_ledger_make(const char *name, const struct vmb_host_phases *host,
		    const struct vmb_boot *boot, struct vmboot_ledger **ret)
{
	struct ledger *l = new_ledger(name, host->n + boot->n + boot->n_resumes + 2);
	int r = 0;

	if (!l)
		return vmb_oom();
	if (boot->number > 1)
		r = add_reset_row(l, boot);
	else
		add_host_rows(l, host, boot);
	for (size_t i = 0; i < boot->n && r == 0; i++)
		r = add_guest_row(l, &boot->events[i],
				  vmb_boot_offset(boot, i) - vmb_boot_began(boot));
	add_resume_rows(l, boot);
	if (r == 0)
		r = add_stopped_row(l, boot);
	if (r < 0) {
		vmboot_ledger_free(&l->pub);
		return -ENOMEM;
	}
	qsort(l->index, l->pub.n_events, sizeof(struct vmboot_event *), by_start);
	l->pub.clock_error_us = boot->spread_us;
	*ret = &l->pub;
	return 0;
}

void vmboot_ledger_free(struct vmboot_ledger *ledger)
{
	struct ledger *l = (struct ledger *)ledger;

	if (!l)
		return;
	vmb_list_free(l->strings);
	free(l->index);
	free(l->rows);
	free(l->name);
	free(l);
}
