/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <vmboot/event.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "report/report.h"
#include "wire/text.h"

static struct json_object *event_json(const struct vmboot_event *e)
{
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "phase", vmboot_phase_name(e->phase));
	vmb_json_str(o, "side", e->guest ? "guest" : "host");
	vmb_json_int(o, "start_us", e->start_us);
	vmb_json_int(o, "end_us", e->end_us);
	vmb_json_int(o, "error", e->error);
	vmb_json_int(o, "value", e->value);
	vmb_json_str(o, "device", e->device);
	vmb_json_str(o, "detail", e->detail);
	return o;
}

int vmboot_ledger_json(const struct vmboot_ledger *ledger, char **ret_json)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *events = json_object_new_array();

	vmb_json_str(o, "name", ledger->name);
	for (size_t i = 0; i < ledger->n_events; i++)
		json_object_array_add(events, event_json(ledger->events[i]));
	json_object_object_add(o, "events", events);
	vmb_json_int(o, "program_us", ledger->program_us);
	vmb_json_bool(o, "exited", ledger->exited);
	vmb_json_int(o, "exit_code", ledger->exit_code);
	vmb_json_int(o, "exit_signal", ledger->exit_signal);
	vmb_json_bool(o, "exit_oom",
		      ledger->size > offsetof(struct vmboot_ledger, exit_oom) && ledger->exit_oom);
	vmb_json_int(o, "clock_error_us", ledger->clock_error_us);
	return vmb_json_text(o, ret_json);
}

/* A guest's word; the caller may have filled the event itself. */
static void put_guest_word(struct vmb_buf *b, const char *word)
{
	_cleanup_free_ char *line = NULL;

	if (!*word)
		return;
	if (vmb_strdup(word, &line) < 0) {
		b->failed = true;
		return;
	}
	vmb_wire_clean_line(line);
	vmb_buf_printf(b, "  %s", line);
}

/* Each with two spaces before it. */
static void put_words(struct vmb_buf *b, const struct vmboot_event *e)
{
	if (e->phase == VMBOOT_PHASE_MODULES && !e->error)
		vmb_buf_printf(b, "  %lld loaded", (long long)e->value);
	if (e->phase == VMBOOT_PHASE_EXIT && !e->error)
		vmb_buf_printf(b, e->value < 256 ? "  code %lld" : "  signal %lld",
			       (long long)(e->value < 256 ? e->value : e->value - 256));
	if (e->phase == VMBOOT_PHASE_POWEROFF && e->value == VMBOOT_POWEROFF_REBOOT)
		vmb_buf_str(b, "  reboot");
	if (e->phase == VMBOOT_PHASE_POWEROFF && e->value == VMBOOT_POWEROFF_HALT)
		vmb_buf_str(b, "  halt");
	if (e->phase == VMBOOT_PHASE_FIRMWARE && e->value > 0)
		vmb_buf_printf(b, "  reboot %lld", (long long)e->value);
	put_guest_word(b, e->device);
	put_guest_word(b, e->detail);
	if (e->error)
		vmb_buf_printf(b, "  FAILED: %s", vmboot_strerror(e->error));
}

int vmb_event_words(const struct vmboot_event *event, char **ret)
{
	_cleanup_buf_ struct vmb_buf b = {0};

	vmb_buf_str(&b, "");
	put_words(&b, event);
	return vmb_buf_take(&b, ret);
}

static void put_row(struct vmb_buf *b, const struct vmboot_event *e)
{
	vmb_buf_printf(b, "%-5s  %-14s  %10.3f  %10.3f", e->guest ? "guest" : "host",
		       vmboot_phase_name(e->phase), (double)e->start_us / 1000,
		       (double)(e->end_us - e->start_us) / 1000);
	put_words(b, e);
	vmb_buf_str(b, "\n");
}

int vmboot_ledger_table(const struct vmboot_ledger *ledger, char **ret_text)
{
	_cleanup_buf_ struct vmb_buf b = {0};

	vmb_buf_printf(&b, "%-5s  %-14s  %10s  %10s\n", "side", "phase", "start ms", "took ms");
	for (size_t i = 0; i < ledger->n_events; i++)
		put_row(&b, ledger->events[i]);
	if (ledger->program_us >= 0)
		vmb_buf_printf(&b, "program started after %.3f ms\n",
			       (double)ledger->program_us / 1000);
	return vmb_buf_take(&b, ret_text);
}
