/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"
#include "wire/text.h"

enum { MESSAGE_MAX = 4096, WORD_MAX = 256, CONSOLE_MAX = 4096 };

/* Fixed buffers: reporting an error must not itself fail for want of memory. */
struct vmb_saved_error {
	struct vmboot_error pub;
	char message[MESSAGE_MAX];
	char field[WORD_MAX];
	char phase[WORD_MAX];
	char device[WORD_MAX];
	char libvirt_message[MESSAGE_MAX];
	char console[CONSOLE_MAX];
};

/* Allocated once a thread, at its first error; freed with the thread. */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;

static void make_key(void)
{
	key_error = pthread_key_create(&key, free);
}

static void link_members(struct vmb_saved_error *e)
{
	e->pub.size = sizeof(e->pub);
	e->pub.message = e->message;
	e->pub.field = e->field;
	e->pub.phase = e->phase;
	e->pub.device = e->device;
	e->pub.libvirt_message = e->libvirt_message;
	e->pub.console = e->console;
}

static struct vmb_saved_error *thread_error(void)
{
	struct vmb_saved_error *e;

	pthread_once(&key_once, make_key);
	if (key_error)
		return NULL;
	e = pthread_getspecific(key);
	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	link_members(e);
	if (pthread_setspecific(key, e) != 0) {
		free(e);
		return NULL;
	}
	return e;
}

/* File names and the words of others may hold anything, and this may reach a terminal. */
static void one_line(char *words)
{
	for (char *c = words; *c; c++)
		if (*c == '\n' || *c == '\t' || *c == '\r')
			*c = ' ';
	vmb_wire_clean_line(words);
}

VMB_PRINTF(3, 0)
static void set_message(int code, int err, const char *fmt, va_list ap)
{
	struct vmb_saved_error *e = thread_error();
	char words[MESSAGE_MAX];

	if (!e)
		return;
	/* the arguments may be words of the error that is replaced */
	vsnprintf(words, sizeof(words), fmt, ap);
	if (err) {
		vmb_strlcat(words, ": ", sizeof(words));
		vmb_strlcat(words, vmboot_strerror(err), sizeof(words));
	}
	one_line(words);
	memset(e, 0, sizeof(*e));
	link_members(e);
	e->pub.code = code;
	memcpy(e->message, words, sizeof(e->message));
}

int vmb_error(int code, const char *fmt, ...)
{
	va_list ap;

	code = code < 0 ? code : -code;
	va_start(ap, fmt);
	set_message(code, 0, fmt, ap);
	va_end(ap);
	return code;
}

int vmb_errno(int err, const char *fmt, ...)
{
	va_list ap;

	err = err < 0 ? -err : err;
	if (err == 0)
		err = EIO;
	va_start(ap, fmt);
	set_message(-err, err, fmt, ap);
	va_end(ap);
	return -err;
}

int vmb_oom(void)
{
	return vmb_error(ENOMEM, "out of memory");
}

int vmb_error_prefix(const char *fmt, ...)
{
	struct vmb_saved_error *e = thread_error();
	char words[MESSAGE_MAX], rest[MESSAGE_MAX];
	va_list ap;

	if (!e)
		return -ENOMEM;
	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	memcpy(rest, e->message, sizeof(rest));
	vmb_strlcpy(e->message, words, sizeof(e->message));
	vmb_strlcat(e->message, ": ", sizeof(e->message));
	vmb_strlcat(e->message, rest, sizeof(e->message));
	one_line(e->message);
	return e->pub.code;
}

void vmb_error_field(const char *field)
{
	struct vmb_saved_error *e = thread_error();

	if (e)
		vmb_strlcpy(e->field, field, sizeof(e->field));
}

void vmb_error_libvirt(int code, const char *message)
{
	struct vmb_saved_error *e = thread_error();

	if (!e)
		return;
	e->pub.libvirt_code = code;
	vmb_strlcpy(e->libvirt_message, message ? message : "", sizeof(e->libvirt_message));
}

void vmb_error_boot(const char *phase, const char *device, int guest_errno, const char *console)
{
	struct vmb_saved_error *e = thread_error();

	if (!e)
		return;
	e->pub.guest_errno = guest_errno;
	vmb_strlcpy(e->phase, phase ? phase : "", sizeof(e->phase));
	vmb_strlcpy(e->device, device ? device : "", sizeof(e->device));
	vmb_strlcpy(e->console, console ? console : "", sizeof(e->console));
}

struct vmb_saved_error *vmb_error_save(void)
{
	struct vmb_saved_error *e = thread_error(), *copy;

	copy = e ? malloc(sizeof(*copy)) : NULL;
	if (copy)
		memcpy(copy, e, sizeof(*copy));
	return copy;
}

void vmb_error_restore(struct vmb_saved_error *saved)
{
	struct vmb_saved_error *e = thread_error();

	if (e && saved) {
		memcpy(e, saved, sizeof(*e));
		link_members(e);
	}
	free(saved);
}

int vmb_error_repeat(const struct vmb_saved_error *saved, int code)
{
	struct vmb_saved_error *e = thread_error();

	if (e && saved) {
		memcpy(e, saved, sizeof(*e));
		link_members(e);
	}
	return code;
}

const struct vmboot_error *vmboot_last_error(void)
{
	static const struct vmboot_error none = {
		.size = sizeof(none),
		.message = "",
		.field = "",
		.phase = "",
		.device = "",
		.libvirt_message = "",
		.console = "",
	};
	static const struct vmboot_error no_memory = {
		.size = sizeof(no_memory),
		.code = -ENOMEM,
		.message = "out of memory",
		.field = "",
		.phase = "",
		.device = "",
		.libvirt_message = "",
		.console = "",
	};
	struct vmb_saved_error *e = thread_error();

	if (!e)
		return &no_memory;
	return e->pub.code ? &e->pub : &none;
}

static const struct {
	int code;
	const char *words;
} own_codes[] = {
	{VMBOOT_EOPTS, "option not acceptable"},
	{VMBOOT_EIMAGE, "image cannot be used"},
	{VMBOOT_EKERNEL, "kernel lacks something"},
	{VMBOOT_ELIBVIRT, "libvirt refused"},
	{VMBOOT_EHOST, "this host lacks something"},
	{VMBOOT_EBOOT, "the boot failed in the guest"},
	{VMBOOT_EGUEST, "the guest sent nonsense"},
	{VMBOOT_EENDED, "the guest ended"},
	{VMBOOT_ENOVM, "no such VM"},
	{VMBOOT_ENOIMAGE, "no such image"},
	{VMBOOT_ENOAGENT, "the VM has no agent"},
	{VMBOOT_ELOST, "output of the guest was lost"},
};

const char *vmboot_strerror(int code)
{
	const char *words;

	if (code == INT_MIN)
		return "unknown error";
	code = code < 0 ? -code : code;
	for (size_t i = 0; i < ARRAY_SIZE(own_codes); i++)
		if (own_codes[i].code == code)
			return own_codes[i].words;
	if (code == 0)
		return "success";
	words = strerrordesc_np(code);
	return words ? words : "unknown error";
}

void vmboot_free(void *ptr)
{
	free(ptr);
}
