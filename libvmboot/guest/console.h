/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_GUEST_CONSOLE_H
#define VMB_GUEST_CONSOLE_H

/* The last lines of a console log, made fit for a terminal; for error messages only. */

#include <stddef.h>

/* Fills buf, ended by 0; "" if there is nothing to read. */
void vmb_console_tail(const char *path, char *buf, size_t size);

#endif
