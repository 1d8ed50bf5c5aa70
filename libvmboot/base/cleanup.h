/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_CLEANUP_H
#define VMB_BASE_CLEANUP_H

/*
 * Cleanup attributes: a variable gives back what it holds when it goes out of scope, and
 * TAKE_PTR/TAKE_FD hand it over. Rooms that use a foreign type define its cleanup with
 * VMB_DEFINE_CLEANUP next to the include of the foreign header.
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define vmb_cleanup(fn) __attribute__((cleanup(fn)))

/* Defines <name>(type *p), which calls fn(*p) unless *p is NULL. */
#define VMB_DEFINE_CLEANUP(name, type, fn)                                                         \
	static inline void name(type *p)                                                           \
	{                                                                                          \
		if (*p)                                                                            \
			fn(*p);                                                                    \
	}

static inline void vmb_freep(void *p)
{
	free(*(void **)p);
}

/* Twice does no harm: the number may be another file's by then. */
static inline void vmb_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static inline void vmb_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_free_ vmb_cleanup(vmb_freep)
#define _cleanup_close_ vmb_cleanup(vmb_closep)
#define _cleanup_fclose_ vmb_cleanup(vmb_fclosep)

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *pp_ = &(p);                                                         \
		__typeof__(p) taken_ = *pp_;                                                       \
		*pp_ = NULL;                                                                       \
		taken_;                                                                            \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *fdp_ = &(fd);                                                                 \
		int taken_ = *fdp_;                                                                \
		*fdp_ = -1;                                                                        \
		taken_;                                                                            \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define VMB_UNUSED __attribute__((unused))
#define VMB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#endif
