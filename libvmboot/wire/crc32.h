/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_CRC32_H
#define VMB_WIRE_CRC32_H

/* CRC-32 as in IEEE 802.3 and gzip (reflected, polynomial 0xEDB88320). Start with crc 0. */

#include <stddef.h>
#include <stdint.h>

uint32_t vmb_crc32(uint32_t crc, const void *data, size_t n);

#endif
