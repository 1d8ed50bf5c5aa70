/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_BYTES_H
#define VMB_WIRE_BYTES_H

/* Little-endian numbers in byte arrays, on any machine, at any alignment. */

#include <stdint.h>

static inline void vmb_put_le(uint8_t *p, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint64_t vmb_get_le(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	for (int i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

#endif
