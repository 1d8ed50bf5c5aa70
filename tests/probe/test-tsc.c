/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/tsc.h"

#include <glob.h>
#include <stdio.h>

#include "test.h"

/* Once measured it is kept: a plan gives the same bytes each time. */
static void measured_once_for_each_boot(void)
{
	const struct vmb_store store = {.path = (char *)test_path("%s/store", test_tmpdir())};
	const struct vmboot_opts o = VMBOOT_OPTS(.uri = "test:///default");
	struct vmb_conn *conn = NULL;
	unsigned first;

	ASSERT_OK(vmb_conn_open(&o, &store, &conn));
	first = vmb_tsc_khz(&store, conn);
	printf("(%u kHz) ", first);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(vmb_tsc_khz(&store, conn), first);
	vmb_conn_unref(conn);
}

/* No memo of ours: what is in its place is measured anew. */
static void nonsense_is_measured_anew(void)
{
	static const char *const rows[] = {"", "1\n", "2596110", "x", "-5\n", "99999999999999\n"};
	const struct vmb_store store = {.path = (char *)test_path("%s/odd", test_tmpdir())};
	const struct vmboot_opts o = VMBOOT_OPTS(.uri = "test:///default");
	struct vmb_conn *conn = NULL;
	unsigned first, khz;
	glob_t memos = {0};

	ASSERT_OK(vmb_conn_open(&o, &store, &conn));
	first = vmb_tsc_khz(&store, conn);
	CU_ASSERT_EQUAL(glob(test_path("%s/memo/tsc-*", store.path), 0, NULL, &memos),
			first ? 0 : GLOB_NOMATCH);
	for (size_t i = 0; memos.gl_pathc == 1 && i < ARRAY_SIZE(rows); i++) {
		test_write(memos.gl_pathv[0], rows[i]);
		khz = vmb_tsc_khz(&store, conn);
		CU_ASSERT(khz > first / 2 && khz < first * 2);
	}
	globfree(&memos);
	vmb_conn_unref(conn);
}

TEST_MAIN("host/tsc", {"measured once for each boot", measured_once_for_each_boot},
	  {"nonsense is measured anew", nonsense_is_measured_anew})
