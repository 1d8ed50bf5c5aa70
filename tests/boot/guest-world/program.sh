# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# The program of the guest whose world first.sh and second.sh look at.
echo started
exec sleep 1000000
