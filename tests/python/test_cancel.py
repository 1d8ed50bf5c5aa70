# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits of what takes long: a timeout, a cancel from elsewhere, a task that is cancelled."""
from __future__ import annotations

import asyncio
import errno
import os
import pathlib
import tempfile
import threading
import unittest

import vmboot


class Limits(unittest.TestCase):
    """Imports by a vmboot-squash that never ends."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        tmp = pathlib.Path(folder.name)
        self.store, self.started = tmp / "store", tmp / "started"
        (tmp / "root").mkdir()
        (tmp / "root" / "file").write_text("content", encoding="utf-8")
        self.source = f"dir:{tmp / 'root'}"
        guest = pathlib.Path(os.environ["VMBOOT_GUEST_DIR"])
        programs = tmp / "programs"
        programs.mkdir()
        for name in ("vmboot-import", "vmboot-init"):
            (programs / name).symlink_to(guest / name)
        tool = programs / "vmboot-squash"
        tool.write_text(f"#!/bin/sh\n: >{self.started}\nexec sleep 1000\n", encoding="utf-8")
        tool.chmod(0o755)
        self.addCleanup(os.environ.__setitem__, "VMBOOT_GUEST_DIR", str(guest))
        os.environ["VMBOOT_GUEST_DIR"] = str(programs)

    def tearDown(self) -> None:
        images = self.store / "images"
        self.assertEqual(list(images.iterdir()) if images.exists() else [], [])
        with self.assertRaises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    def test_timeout(self) -> None:
        with self.assertRaisesRegex(TimeoutError, "300 ms of timeout_ms have passed while importing"):
            vmboot.images.import_image(self.source, store=self.store, timeout=0.3)

    def test_cancel_from_another_thread(self) -> None:
        cancel = vmboot.Cancel()
        timer = threading.Timer(0.2, cancel.cancel)
        timer.start()
        with self.assertRaisesRegex(vmboot.VmbootError, "cancelled while importing") as caught:
            vmboot.images.import_image(self.source, store=self.store, cancel=cancel)
        assert isinstance(caught.exception, OSError)
        self.assertEqual(caught.exception.errno, errno.ECANCELED)
        timer.join()

    def test_cancelled_task(self) -> None:
        async def main() -> None:
            task = asyncio.ensure_future(
                vmboot.aio.import_image(self.source, store=self.store)
            )
            while not self.started.exists():
                await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        before = threading.active_count()
        asyncio.run(main())
        for thread in threading.enumerate():
            if thread.name == "vmboot":
                thread.join(60)
        self.assertEqual(threading.active_count(), before)

    def test_create_is_limited_too(self) -> None:
        cancel = vmboot.Cancel()
        cancel.cancel()
        with self.assertRaisesRegex(vmboot.VmbootError, "cancelled while connecting"):
            vmboot.create(name="web", image=self.source, uri="embed", store=self.store, cancel=cancel)


if __name__ == "__main__":
    unittest.main()
