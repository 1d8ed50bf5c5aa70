/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_VERSION_H
#define VMBOOT_VERSION_H

#include <vmboot/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version that this header belongs to. */
#define VMBOOT_VERSION_MAJOR 0
#define VMBOOT_VERSION_MINOR 1
#define VMBOOT_VERSION_MICRO 0
#define VMBOOT_VERSION_STRING "0.1.0"

/** A version as one number that can be compared: 1002003 is 1.2.3. Since 0.1. */
#define VMBOOT_VERSION_ENCODE(major, minor, micro) ((major)*1000000 + (minor)*1000 + (micro))

/** The headers' version as such a number. Since 0.1. */
#define VMBOOT_VERSION_NUMBER                                                                      \
	VMBOOT_VERSION_ENCODE(VMBOOT_VERSION_MAJOR, VMBOOT_VERSION_MINOR, VMBOOT_VERSION_MICRO)

/** True if the headers are of this version or later; for `#if`. */
#define VMBOOT_CHECK_VERSION(major, minor, micro)                                                  \
	(VMBOOT_VERSION_NUMBER >= VMBOOT_VERSION_ENCODE(major, minor, micro))

/**
 * vmboot_version: the version of the library that runs, "major.minor.micro".
 *
 * Returns: a static string; never NULL, never freed. Thread-safe. Since 0.1.
 */
VMBOOT_API const char *vmboot_version(void);

/**
 * vmboot_version_number: the same as one number; below VMBOOT_VERSION_NUMBER, the library is older
 * than the headers that the program was built with.
 *
 * Returns: what VMBOOT_VERSION_ENCODE() makes of it. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_version_number(void);

#ifdef __cplusplus
}
#endif
#endif
