#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Takes the place of the tests that need CUnit, in a build that was configured without it.
cat >&2 <<'END'
FAIL: configure found no CUnit, and most tests need it. Install it (on Debian: libcunit1-dev, or run
scripts/setup test) and run ./configure again, or scripts/build, which does so by itself. To test
without it: ./configure --without-cunit.
END
exit 1
