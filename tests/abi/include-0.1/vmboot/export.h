/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_EXPORT_H
#define VMBOOT_EXPORT_H

/** Marks what the shared library exports; everything else is hidden. */
#if defined(__GNUC__)
#define VMBOOT_API __attribute__((visibility("default")))
#else
#define VMBOOT_API
#endif

#endif
