/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/cmdline.h"

#include "base/str.h"
#include "wire/disks.h"

enum when { DEBUG, NOT_DEBUG, UNCHECKED };

/* What we ask of any kernel, and why; what differs between architectures is in base/arch.c. */
static const char *const always[] = {
	/* a kernel that dies before anybody can say so resets the guest, which whoever waits sees */
	"panic=-1",
	/* the self-tests of ciphers that no boot uses: two thirds of a small guest's instructions.
	 * The ciphers are there all the same; a FIPS kernel (fips=1) tests them regardless */
	"cryptomgr.notests",
};

static const struct {
	const char *word;
	enum when when;
} words[] = {
	/* a serial port takes its time for each byte */
	{"quiet", NOT_DEBUG},
	{VMB_CMDLINE_DEBUG, DEBUG},
	{VMB_CMDLINE_TRACE, DEBUG},
	/* modules are loaded before the config disk can be read, so init is told here */
	{VMB_CMDLINE_UNCHECKED, UNCHECKED},
};

static bool applies(enum when when, const struct vmboot_opts *opts)
{
	switch (when) {
	case DEBUG:
		return opts->debug;
	case NOT_DEBUG:
		return !opts->debug;
	case UNCHECKED:
		return opts->skip_module_signatures;
	}
	return false;
}

static bool arch_applies(enum vmb_arch_when when, const struct vmboot_opts *opts,
			 const struct vmb_facts *facts)
{
	const bool emulated = facts->accel == VMBOOT_ACCEL_TCG;

	switch (when) {
	case VMB_WHEN_EMULATED:
		return emulated;
	case VMB_WHEN_EMULATED_ONE_CPU:
		return emulated && opts->vcpus == 1;
	case VMB_WHEN_ABOVE_SPLIT:
		return opts->memory_mib >= facts->kernel.arch->split_mib;
	}
	return false;
}

int vmb_cmdline(const struct vmboot_opts *opts, const struct vmb_facts *facts, char **ret)
{
	const struct vmb_arch *arch = facts->kernel.arch;
	_cleanup_buf_ struct vmb_buf b = {0};

	/* early messages, and a console for those who look */
	vmb_buf_printf(&b, "console=%s", arch->console);
	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		vmb_buf_printf(&b, " %s", always[i]);
	for (const struct vmb_arch_word *w = arch->words; w->word; w++)
		if (arch_applies(w->when, opts, facts))
			vmb_buf_printf(&b, " %s", w->word);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (applies(words[i].when, opts))
			vmb_buf_printf(&b, " %s", words[i].word);
	if (facts->accel == VMBOOT_ACCEL_TCG && facts->tsc_khz > 0)
		vmb_buf_printf(&b, " " VMB_CMDLINE_TSC "%u", facts->tsc_khz);
	if (opts->kernel_args && *opts->kernel_args)
		vmb_buf_printf(&b, " %s", opts->kernel_args);
	return vmb_buf_take(&b, ret);
}
