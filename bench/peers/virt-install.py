# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-install, with the event loop that libvirt's embedded driver wants and it does not run."""
import runpy
import shutil
import sys
import threading

import libvirt


def loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


libvirt.virEventRegisterDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
sys.argv[0] = shutil.which("virt-install") or "/usr/bin/virt-install"
runpy.run_path(sys.argv[0], run_name="__main__")
