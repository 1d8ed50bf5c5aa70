/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What VMs use now: one question to libvirt for all of them, and one to each guest's agent. */
#include <libvirt/libvirt-qemu.h>
#include <string.h>
#include <vmboot/vm.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/sigpipe.h"
#include "virt/domains.h"
#include "vm/vm.h"

enum { AGENT_S = 1, MEMORY_REPLY_MAX = 4096, MEMORY_REPLY_DEPTH = 4 };

static const unsigned groups = VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL |
			       VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_BLOCK |
			       VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_VCPU;

static uint64_t number(virDomainStatsRecordPtr record, const char *name)
{
	unsigned long long v = 0;

	if (virTypedParamsGetULLong(record->params, record->nparams, name, &v) < 0 || v > INT64_MAX)
		return 0;
	return v;
}

/* Whose parameters end with that word: "block.0.rd.bytes" and those of the other disks. */
static uint64_t sum(virDomainStatsRecordPtr record, const char *kind, const char *word)
{
	uint64_t total = 0;

	for (int i = 0; i < record->nparams; i++) {
		const virTypedParameter *p = &record->params[i];

		if (p->type == VIR_TYPED_PARAM_ULLONG && vmb_skip_prefix(p->field, kind) &&
		    vmb_ends_with(p->field, word))
			total += p->value.ul;
	}
	return total;
}

/* NULL: no agent of ours, or none that answers. */
static struct json_object *guest_memory(const struct vmb_domains_row *row)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *answer, *o;
	_cleanup_free_ char *text = NULL;
	int64_t total, available;

	if (row->metadata.skip_guest_agent || row->metadata.guest_agent != VMBOOT_AGENT_VMBOOT)
		return NULL;
	text = virDomainQemuAgentCommand(row->domain, "{\"execute\":\"__org.vmboot_memory\"}",
					 AGENT_S, 0);
	if (!text || strlen(text) > MEMORY_REPLY_MAX ||
	    vmb_json_parse(text, strlen(text), MEMORY_REPLY_DEPTH, EBADMSG, "the agent's answer",
			   &reply) < 0)
		return NULL;
	answer = vmb_json_get(reply, "return");
	total = vmb_json_get_int(answer, "total", -1);
	available = vmb_json_get_int(answer, "available", -1);
	if (total <= 0 || available < 0 || available > total)
		return NULL;
	o = json_object_new_object();
	vmb_json_int(o, "total", total);
	vmb_json_int(o, "available", available);
	return o;
}

static struct json_object *sample_json(virDomainStatsRecordPtr record,
				       const struct vmb_domains_row *row, bool paused, bool ask)
{
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "name", virDomainGetName(row->domain));
	vmb_json_str(o, "store", row->metadata.store);
	vmb_json_str(o, "state", paused ? "paused" : "running");
	vmb_json_int(o, "time_us", vmb_monotonic_us());
	vmb_json_int(o, "cpu_ns", (int64_t)number(record, "cpu.time"));
	vmb_json_int(o, "vcpus", (int64_t)number(record, "vcpu.current"));
	vmb_json_int(o, "memory_limit", (int64_t)number(record, "balloon.maximum") * 1024);
	vmb_json_int(o, "memory_host", (int64_t)number(record, "balloon.rss") * 1024);
	json_object_object_add(o, "memory_guest", ask && !paused ? guest_memory(row) : NULL);
	vmb_json_int(o, "disk_read", (int64_t)sum(record, "block.", ".rd.bytes"));
	vmb_json_int(o, "disk_written", (int64_t)sum(record, "block.", ".wr.bytes"));
	vmb_json_int(o, "net_received", (int64_t)sum(record, "net.", ".rx.bytes"));
	vmb_json_int(o, "net_sent", (int64_t)sum(record, "net.", ".tx.bytes"));
	return o;
}

static const struct vmb_domains_row *find_row(const struct vmb_domains *domains, virDomainPtr d)
{
	for (size_t i = 0; i < domains->n; i++)
		if (!domains->list[i].metadata.probe &&
		    vmb_streq(virDomainGetName(domains->list[i].domain), virDomainGetName(d)))
			return &domains->list[i];
	return NULL;
}

/* The names are in the order of libvirt's, so that a row keeps its place from one look to the next. */
static void add_samples(struct json_object *list, virDomainStatsRecordPtr *records,
			const struct vmb_domains *domains, bool ask)
{
	for (; *records; records++) {
		const struct vmb_domains_row *row = find_row(domains, (*records)->dom);
		int state = VIR_DOMAIN_SHUTOFF;

		(void)virTypedParamsGetInt((*records)->params, (*records)->nparams, "state.state",
					   &state);
		if (row && (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED ||
			    state == VIR_DOMAIN_PAUSED))
			json_object_array_add(list, sample_json(*records, row,
								state == VIR_DOMAIN_PAUSED, ask));
	}
}

static int sample(struct vmboot_vm *vm, struct json_object *list, bool ask)
{
	_cleanup_domains_ struct vmb_domains domains = {0};
	_cleanup_connect_ virConnectPtr c = NULL;
	virDomainStatsRecordPtr *records = NULL;
	int r = vmb_domains_list(vm->conn, &domains);

	if (r == 0)
		r = vmb_conn_get(vm->conn, NULL, &c);
	if (r < 0)
		return r;
	if (virConnectGetAllDomainStats(c, groups, &records,
					VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE) < 0)
		return vmb_libvirt_error("cannot ask what the VMs use");
	add_samples(list, records, &domains, ask);
	virDomainStatsRecordListFree(records);
	return 0;
}

int vmboot_stats(const struct vmboot_opts *where, unsigned flags, char **ret_json)
{
	VMB_NO_SIGPIPE;
	_cleanup_json_ struct json_object *list = json_object_new_array();
	_cleanup_vm_ struct vmboot_vm *vm = NULL;
	int r;

	if (flags & ~VMBOOT_STATS_GUEST)
		return vmb_error(EINVAL, "unknown flags %#x", flags);
	if (!list)
		return vmb_oom();
	r = vmb_vm_find(where, "", &vm);
	if (r == 0)
		r = sample(vm, list, flags & VMBOOT_STATS_GUEST);
	if (r < 0 && r != -VMBOOT_ENOVM) /* no store yet, no VM */
		return r;
	return vmb_json_text(list, ret_json);
}
