#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ours, no peer: vmboot-systemd.sh, which looks at this name, with a kernel of the user's own.
. "$(dirname "$0")/vmboot-systemd.sh"
