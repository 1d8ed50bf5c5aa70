/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/gunzip.h"
#include "base/error.h"

/* In place of gunzip.c, where there is no ISA-L: nothing is for it. */

bool vmb_gunzip_is_for(const uint8_t *head, size_t n)
{
	(void)head, (void)n;
	return false;
}

int vmb_gunzip_new(struct vmb_gunzip **ret)
{
	(void)ret;
	return vmb_error(ENOSYS, "built without ISA-L");
}

void vmb_gunzip_free(struct vmb_gunzip *g)
{
	(void)g;
}

void vmb_gunzip_feed(struct vmb_gunzip *g, const uint8_t *data, size_t n)
{
	(void)g, (void)data, (void)n;
}

enum vmb_gunzip_state vmb_gunzip_step(struct vmb_gunzip *g, uint8_t *out, size_t size,
				      size_t *ret_n, const char **ret_why)
{
	(void)g, (void)out, (void)size, (void)ret_n;
	*ret_why = "built without ISA-L";
	return VMB_GUNZIP_BROKEN;
}
