/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <string.h>

#include "test.h"

struct heard {
	enum vmboot_log_level level;
	char words[2048];
	uint64_t done, total;
	int calls;
};

static void hear_log(enum vmboot_log_level level, const char *message, void *data)
{
	struct heard *h = data;

	h->level = level;
	h->calls++;
	snprintf(h->words, sizeof(h->words), "%s", message);
}

static void hear_progress(const char *what, uint64_t done, uint64_t total, void *data)
{
	struct heard *h = data;

	h->done = done;
	h->total = total;
	h->calls++;
	snprintf(h->words, sizeof(h->words), "%s", what);
}

static void the_caller_hears(void)
{
	struct heard said = {0}, done = {0};
	struct vmboot_opts opts = VMBOOT_OPTS(.log = hear_log, .log_data = &said,
					      .progress = hear_progress, .progress_data = &done);
	struct vmb_log log = vmb_log_of(&opts);

	vmb_log(&log, VMBOOT_LOG_WARNING, "%d of %s", 7, "nine");
	CU_ASSERT_EQUAL(said.level, VMBOOT_LOG_WARNING);
	ASSERT_STR(said.words, "7 of nine");
	vmb_progress(&log, "importing", 1ULL << 40, 1ULL << 41);
	CU_ASSERT_EQUAL(done.done, 1ULL << 40);
	CU_ASSERT_EQUAL(done.total, 1ULL << 41);
	ASSERT_STR(done.words, "importing");
	CU_ASSERT_EQUAL(said.calls, 1);
}

static void silence_is_no_error(void)
{
	struct vmboot_opts opts = VMBOOT_OPTS(.name = "x");
	struct vmb_log none = vmb_log_of(NULL), empty = vmb_log_of(&opts);

	vmb_log(NULL, VMBOOT_LOG_ERR, "x");
	vmb_log(&none, VMBOOT_LOG_ERR, "x");
	vmb_log(&empty, VMBOOT_LOG_ERR, "x");
	vmb_progress(NULL, "x", 0, 0);
	vmb_progress(&none, "x", 0, 0);
	vmb_progress(&empty, "x", 0, 0);
}

static void a_record_is_one_line_of_bounded_length(void)
{
	struct heard said = {0};
	struct vmb_log log = {.log = hear_log, .log_data = &said};
	char words[5000];

	vmb_log(&log, VMBOOT_LOG_INFO, "a%sb", "\n\x1b[0m");
	ASSERT_STR(said.words, "a?b");
	memset(words, 'w', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	vmb_log(&log, VMBOOT_LOG_INFO, "%s", words);
	CU_ASSERT_EQUAL(strlen(said.words), 1023);
}

TEST_MAIN("base/log", {"the caller hears", the_caller_hears},
	  {"silence is no error", silence_is_no_error},
	  {"a record is one line of bounded length", a_record_is_one_line_of_bounded_length})
