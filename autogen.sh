#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Make ./configure from a git checkout.
set -e
cd "$(dirname "$0")"
mkdir -p m4
exec autoreconf --force --install --warnings=all,no-obsolete
