/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "test.h"

/* In a thread of its own: this one's error is whatever the tests before it left. */
static void *before_any_failure(void *arg)
{
	const struct vmboot_error *e = vmboot_last_error();

	(void)arg;
	CU_ASSERT_EQUAL(e->size, sizeof(*e));
	CU_ASSERT_EQUAL(e->code, 0);
	ASSERT_STR(e->message, "");
	ASSERT_STR(e->field, "");
	ASSERT_STR(e->phase, "");
	ASSERT_STR(e->device, "");
	ASSERT_STR(e->libvirt_message, "");
	ASSERT_STR(e->console, "");
	return NULL;
}

static void in_a_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, fn, arg), 0);
	pthread_join(t, NULL);
}

static void no_error_at_first(void)
{
	in_a_thread(before_any_failure, NULL);
}

static void *fails_otherwise(void *arg)
{
	(void)arg;
	before_any_failure(NULL);
	vmb_error(EPERM, "of the other thread");
	CU_ASSERT(test_error_is(-EPERM, "of the other thread"));
	return NULL;
}

static void each_thread_has_its_own(void)
{
	CU_ASSERT_EQUAL(vmb_error(VMBOOT_EIMAGE, "of this thread"), -VMBOOT_EIMAGE);
	in_a_thread(fails_otherwise, NULL);
	CU_ASSERT(test_error_is(-VMBOOT_EIMAGE, "of this thread"));
}

static void codes_are_negative_whatever_was_given(void)
{
	CU_ASSERT_EQUAL(vmb_error(-VMBOOT_EOPTS, "x"), -VMBOOT_EOPTS);
	CU_ASSERT_EQUAL(vmb_error(VMBOOT_EOPTS, "x"), -VMBOOT_EOPTS);
	CU_ASSERT_EQUAL(vmb_errno(-ENOENT, "x"), -ENOENT);
	CU_ASSERT_EQUAL(vmb_errno(ENOENT, "cannot open %s", "f"), -ENOENT);
	ASSERT_STR(vmboot_last_error()->message, "cannot open f: No such file or directory");
	CU_ASSERT_EQUAL(vmb_errno(0, "cannot read"), -EIO);
}

static void a_new_error_forgets_the_old(void)
{
	vmb_error(VMBOOT_EBOOT, "boot");
	vmb_error_field("memory_mib");
	vmb_error_libvirt(38, "libvirt said so");
	vmb_error_boot("root", "vda vmboot-root", ENODEV, "a line\nanother\n");
	CU_ASSERT_EQUAL(vmboot_last_error()->libvirt_code, 38);
	CU_ASSERT_EQUAL(vmboot_last_error()->guest_errno, ENODEV);
	ASSERT_STR(vmboot_last_error()->field, "memory_mib");
	ASSERT_STR(vmboot_last_error()->libvirt_message, "libvirt said so");
	ASSERT_STR(vmboot_last_error()->phase, "root");
	ASSERT_STR(vmboot_last_error()->device, "vda vmboot-root");
	ASSERT_STR(vmboot_last_error()->console, "a line\nanother\n");
	vmb_error(ENOENT, "next");
	CU_ASSERT_EQUAL(vmboot_last_error()->libvirt_code, 0);
	CU_ASSERT_EQUAL(vmboot_last_error()->guest_errno, 0);
	ASSERT_STR(vmboot_last_error()->field, "");
	ASSERT_STR(vmboot_last_error()->libvirt_message, "");
	ASSERT_STR(vmboot_last_error()->device, "");
	ASSERT_STR(vmboot_last_error()->console, "");
	vmb_error_libvirt(1, NULL);
	vmb_error_boot(NULL, NULL, 0, NULL);
	ASSERT_STR(vmboot_last_error()->message, "next");
}

static void the_old_words_can_be_in_the_new(void)
{
	vmb_error(ENOENT, "no kernel");
	vmb_error(VMBOOT_EHOST, "%s, so %s", "boot", vmboot_last_error()->message);
	ASSERT_STR(vmboot_last_error()->message, "boot, so no kernel");
}

static void a_prefix_keeps_code_and_details(void)
{
	vmb_errno(EACCES, "cannot open %s", "/x");
	vmb_error_field("store");
	CU_ASSERT_EQUAL(vmb_error_prefix("VM %s", "web"), -EACCES);
	ASSERT_STR(vmboot_last_error()->message, "VM web: cannot open /x: Permission denied");
	ASSERT_STR(vmboot_last_error()->field, "store");
	vmb_error_prefix("because of %s", vmboot_last_error()->message);
	CU_ASSERT(test_error_is(-EACCES, "because of VM web: cannot open"));
}

static void long_words_are_cut(void)
{
	char words[10000];

	memset(words, 'w', sizeof(words));
	words[sizeof(words) - 1] = '\0';
	CU_ASSERT_EQUAL(vmb_errno(ENOSPC, "%s", words), -ENOSPC);
	CU_ASSERT_EQUAL(strlen(vmboot_last_error()->message), 4095);
	vmb_error_prefix("before");
	CU_ASSERT_EQUAL(strlen(vmboot_last_error()->message), 4095);
	CU_ASSERT_EQUAL(memcmp(vmboot_last_error()->message, "before: www", 11), 0);
	vmb_error_boot(words, words, 1, words);
	vmb_error_libvirt(1, words);
	vmb_error_field(words);
	CU_ASSERT_EQUAL(strlen(vmboot_last_error()->device), 255);
	CU_ASSERT_EQUAL(strlen(vmboot_last_error()->console), 4095);
}

static void hostile_words_become_one_harmless_line(void)
{
	vmb_error(EINVAL, "file %s",
		  "a\nb\tc\x1b[2Jd\xff\xc2\x9b"
		  "é");
	ASSERT_STR(vmboot_last_error()->message, "file a b cd???é");
	vmb_error_prefix("in %s", "\x07x\n");
	ASSERT_STR(vmboot_last_error()->message, "in ?x : file a b cd???é");
}

static void saved_and_restored(void)
{
	struct vmb_saved_error *saved;

	vmb_error(VMBOOT_ELIBVIRT, "the cause");
	vmb_error_libvirt(9, "its words");
	saved = vmb_error_save();
	vmb_error(ENOENT, "of the cleanup");
	vmb_error_restore(saved);
	CU_ASSERT(test_error_is(-VMBOOT_ELIBVIRT, "the cause"));
	CU_ASSERT_EQUAL(vmboot_last_error()->libvirt_code, 9);
	ASSERT_STR(vmboot_last_error()->libvirt_message, "its words");
	vmb_error_restore(NULL);
	CU_ASSERT(test_error_is(-VMBOOT_ELIBVIRT, "the cause"));
}

static void *fails_and_saves(void *arg)
{
	vmb_error(ENOENT, "made in a thread that has ended");
	*(struct vmb_saved_error **)arg = vmb_error_save();
	return NULL;
}

static void restored_in_another_thread(void)
{
	struct vmb_saved_error *saved = NULL;

	in_a_thread(fails_and_saves, &saved);
	vmb_error_restore(saved);
	CU_ASSERT(test_error_is(-ENOENT, "made in a thread that has ended"));
}

static void every_code_has_words(void)
{
	for (int code = VMBOOT_EOPTS; code <= VMBOOT_ELOST; code++) {
		CU_ASSERT_STRING_NOT_EQUAL(vmboot_strerror(code), "unknown error");
		ASSERT_STR(vmboot_strerror(-code), vmboot_strerror(code));
	}
	ASSERT_STR(vmboot_strerror(0), "success");
	ASSERT_STR(vmboot_strerror(-ENOENT), "No such file or directory");
	ASSERT_STR(vmboot_strerror(VMBOOT_ELOST + 1), "unknown error");
	ASSERT_STR(vmboot_strerror(INT_MIN), "unknown error");
	ASSERT_STR(vmboot_strerror(INT_MAX), "unknown error");
}

TEST_MAIN("base/error", {"no error at first", no_error_at_first},
	  {"each thread has its own", each_thread_has_its_own},
	  {"codes are negative whatever was given", codes_are_negative_whatever_was_given},
	  {"a new error forgets the old", a_new_error_forgets_the_old},
	  {"the old words can be in the new", the_old_words_can_be_in_the_new},
	  {"a prefix keeps code and details", a_prefix_keeps_code_and_details},
	  {"long words are cut", long_words_are_cut},
	  {"hostile words become one harmless line", hostile_words_become_one_harmless_line},
	  {"saved and restored", saved_and_restored},
	  {"restored in another thread", restored_in_another_thread},
	  {"every code has words", every_code_has_words})
