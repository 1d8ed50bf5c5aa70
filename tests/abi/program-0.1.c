/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * program-0.1 [IMAGE]: a program that was built with the headers of 0.1, see include-0.1/, and runs
 * with the library of today. It fills structs as they were, at the very end of its memory, and reads
 * results as they were. With an image, it boots that, too. Silent if all is well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <vmboot/vmboot.h>

#if VMBOOT_VERSION_NUMBER != 1000
#error "these are not the headers of 0.1"
#endif

enum { PAGE = 4096, TIMEOUT_MS = 300000 };

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (condition)                                                                     \
			break;                                                                     \
		fprintf(stderr, "%s:%d: %s; %s\n", __FILE__, __LINE__, #condition,                 \
			vmboot_last_error()->message);                                             \
		exit(1);                                                                           \
	} while (0)

/* A copy behind which there is no memory: to look past its end is the end. */
static void *at_the_end(const void *from, size_t n)
{
	char *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(pages != MAP_FAILED && mprotect(pages + PAGE, PAGE, PROT_NONE) == 0);
	return memcpy(pages + PAGE - n, from, n);
}

static const struct vmboot_opts *make_opts(const char *name, const char *image)
{
	static const char *const cmd[] = {"/bin/sh", "-c", "echo from 0.1; exit 7", NULL};
	struct vmboot_opts opts =
		VMBOOT_OPTS(.name = name, .image = image, .uri = "embed", .cmd = cmd,
			    .memory_mib = 256, .skip_kernel_headers = true);

	return at_the_end(&opts, sizeof(opts));
}

static void checks_requests(void)
{
	const struct vmboot_opts *opts = make_opts("old", "test");
	struct vmboot_opts *read, bad = *opts;
	char *json;

	CHECK(opts->size == 216 && vmboot_opts_check(opts) == 0);
	CHECK(vmboot_opts_to_json(opts, &json) == 0);
	CHECK(vmboot_opts_from_json(json, &read) == 0 && read->size >= sizeof(*read));
	CHECK(strcmp(read->name, "old") == 0 && read->memory_mib == 256 &&
	      read->skip_kernel_headers);
	CHECK(!read->connection && !read->log && !read->progress_data);
	vmboot_opts_free(read);
	vmboot_free(json);
	bad.vcpus = 1 << 30;
	CHECK(vmboot_opts_check(at_the_end(&bad, sizeof(bad))) == -VMBOOT_EOPTS);
	CHECK(strcmp(vmboot_last_error()->field, "vcpus") == 0);
}

/* The rows that it knows are where they were. */
static void reads_the_table(void)
{
	const struct vmboot_opts *opts = make_opts("old", "test");
	const struct vmboot_field *const *fields;
	size_t n;

	fields = vmboot_opts_fields(&n);
	CHECK(n >= 24 && fields[0]->size >= sizeof(*fields[0]));
	CHECK(strcmp(fields[1]->name, "image") == 0 && fields[1]->type == VMBOOT_FIELD_STRING);
	CHECK(fields[1]->offset == offsetof(struct vmboot_opts, image));
	CHECK(*(const char *const *)(const void *)((const char *)opts + fields[1]->offset) ==
	      opts->image);
	for (size_t i = 0; i < n; i++)
		CHECK(fields[i]->help && fields[i]->since && strlen(fields[i]->name) > 1);
}

static void asks_for_lists(void)
{
	struct vmboot_opts where = VMBOOT_OPTS(.store = "/nonexistent");
	struct vmboot_image **images;

	CHECK(vmboot_image_list(at_the_end(&where, sizeof(where)), &images) == 0 && !*images);
	vmboot_image_list_free(images);
	CHECK(vmboot_opts_check(NULL) == -VMBOOT_EOPTS);
	CHECK(vmboot_last_error()->size >= sizeof(struct vmboot_error));
	CHECK(strcmp(vmboot_last_error()->console, "") == 0);
}

static void reads_info(struct vmboot_vm *vm, const struct vmboot_opts *opts)
{
	struct vmboot_info *info, **infos;
	int n;

	CHECK(vmboot_info(vm, &info) == 0 && info->size >= sizeof(*info));
	CHECK(strcmp(info->name, opts->name) == 0 && info->memory_mib == 256);
	CHECK(info->skip_kernel_headers && !info->skip_guest_agent && info->vcpus == 1);
	CHECK(info->state == VMBOOT_STATE_RUNNING && *info->folder == '/');
	vmboot_info_free(info);
	n = vmboot_list(opts, &infos);
	CHECK(n == 1 && strcmp(infos[0]->uuid, "") != 0 && !infos[1]);
	vmboot_list_free(infos);
}

static void runs_programs(struct vmboot_vm *vm)
{
	static const char *const args[] = {"sh", "-c", "cat; echo bad >&2; exit 3", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args, .input = "good",
							.input_size = 4, .timeout_ms = TIMEOUT_MS);
	struct vmboot_exec_result *result;
	struct vmboot_stat *st;

	CHECK(vmboot_exec(vm, at_the_end(&opts, sizeof(opts)), &result) == 0);
	CHECK(result->size >= sizeof(*result) && result->exit_code == 3 && !result->timed_out);
	CHECK(strcmp(result->out, "good") == 0 && result->out_size == 4 && !result->out_cut);
	CHECK(strcmp(result->err, "bad\n") == 0 && result->err_size == 4 && !result->err_cut);
	vmboot_exec_result_free(result);
	CHECK(vmboot_stat(vm, "/etc/greeting", false, &st) == 0 && st->size >= sizeof(*st));
	CHECK(st->exists && st->bytes == 6 && strcmp(st->target, "") == 0);
	vmboot_stat_free(st);
}

static void reads_the_ledger(struct vmboot_vm *vm)
{
	struct vmboot_ledger *ledger;

	CHECK(vmboot_ledger(vm, &ledger) == 0 && ledger->size >= sizeof(*ledger));
	CHECK(ledger->exited && ledger->exit_code == 7 && ledger->program_us > 0);
	CHECK(ledger->n_events > 10 && ledger->events[0]->size >= sizeof(**ledger->events));
	for (size_t i = 0; i < ledger->n_events; i++)
		CHECK(ledger->events[i]->end_us >= ledger->events[i]->start_us &&
		      ledger->events[i]->error == 0 && ledger->events[i]->detail);
	vmboot_ledger_free(ledger);
}

static void boots(const char *image)
{
	const struct vmboot_opts *opts = make_opts("built-with-0-1", image);
	struct vmboot_vm *vm;

	CHECK(vmboot_create(opts, &vm) == 0);
	CHECK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, TIMEOUT_MS) == 0);
	reads_info(vm, opts);
	runs_programs(vm);
	reads_the_ledger(vm);
	CHECK(vmboot_destroy(vm) == 0);
	vmboot_close(vm);
}

int main(int argc, char **argv)
{
	checks_requests();
	reads_the_table();
	asks_for_lists();
	if (argc > 1)
		boots(argv[1]);
	return 0;
}
