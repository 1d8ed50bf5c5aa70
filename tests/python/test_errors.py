# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tree of exceptions: what each is, carries and says."""
from __future__ import annotations

import builtins
import errno
import pickle
import subprocess
import threading
import unittest
from typing import Any, List

import vmboot
from vmboot import errors
from vmboot._lib import call


class Errors(unittest.TestCase):
    def test_classes(self) -> None:
        expected: List[Any] = [
            (errno.ENOENT, vmboot.FileNotFound, builtins.FileNotFoundError),
            (errno.EEXIST, vmboot.FileExists, builtins.FileExistsError),
            (errno.EACCES, vmboot.PermissionDenied, builtins.PermissionError),
            (errno.ETIMEDOUT, vmboot.Timeout, builtins.TimeoutError),
            (errno.EBUSY, vmboot.ErrnoError, builtins.OSError),
            (vmboot.ErrorCode.EOPTS, vmboot.OptionError, ValueError),
            (vmboot.ErrorCode.ENOVM, vmboot.VMNotFound, LookupError),
            (vmboot.ErrorCode.ENOIMAGE, vmboot.NotFound, LookupError),
            (vmboot.ErrorCode.EBOOT, vmboot.BootError, vmboot.VmbootError),
            (5999, vmboot.VmbootError, Exception),
        ]
        for code, kind, base in expected:
            error = errors.make("words", code)
            self.assertIsInstance(error, kind)
            self.assertIsInstance(error, base)
            self.assertIsInstance(error, vmboot.VmbootError)
            self.assertEqual((str(error), error.code), ("words", code))
        self.assertEqual(errors.make("", errno.EBUSY).name, "EBUSY")
        self.assertEqual(errors.make("", 5001).name, "VMBOOT_EOPTS")
        self.assertEqual(errors.make("", 5999).name, "5999")
        self.assertEqual(errors.make("", errno.ENOENT).errno, errno.ENOENT)  # type: ignore[attr-defined]

    def test_subprocess_users_catch_theirs(self) -> None:
        timeout = vmboot.TimeoutExpired(["x"], 2, b"out", b"err")
        self.assertIsInstance(timeout, subprocess.TimeoutExpired)
        self.assertIsInstance(timeout, TimeoutError)
        self.assertEqual((timeout.cmd, timeout.timeout, timeout.stdout), (["x"], 2, b"out"))
        called = vmboot.CalledProcessError(-9, ["x"], b"out", b"err")
        self.assertIsInstance(called, subprocess.CalledProcessError)
        self.assertIn("SIGKILL", str(called))

    def test_output_that_was_cut(self) -> None:
        done: Any = vmboot.CompletedProcess(["x"], 0, b"out", b"")
        done.stdout_cut = True
        error = pickle.loads(pickle.dumps(vmboot.OutputCut(done)))
        self.assertIn("['x'] wrote more to stdout than", str(error))
        self.assertEqual((error.result.stdout, error.result.stdout_cut), (b"out", True))

    def test_pickle(self) -> None:
        """They come back whole from another process."""
        error = errors.make("words", 5006, phase="root", device="vda", guest_errno=5)
        for one in (error, vmboot.TimeoutExpired(["x"], 2), vmboot.CalledProcessError(3, ["x"])):
            again = pickle.loads(pickle.dumps(one))
            self.assertIs(type(again), type(one))
            self.assertEqual(str(again), str(one))
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual(again.detail, error.detail)
        self.assertEqual(
            error.detail,
            {"name": "VMBOOT_EBOOT", "phase": "root", "device": "vda", "guest_errno": 5},
        )

    def test_the_library_s_words(self) -> None:
        with self.assertRaises(vmboot.OptionError) as caught:
            vmboot.check(name="web", image="x", vcpus=1000)
        self.assertEqual(caught.exception.field, "vcpus")
        self.assertIn("from 1 to 255", str(caught.exception))

    def test_errors_are_per_thread(self) -> None:
        right: List[str] = []

        def refuse(name: str) -> None:
            for _ in range(300):
                try:
                    vmboot.check(**{name: -1})
                except vmboot.OptionError as error:
                    if error.field == name and name in str(error):
                        right.append(name)

        names = ["vcpus", "memory_mib", "overlay_mib", "name", "env"]
        threads = [threading.Thread(target=refuse, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([right.count(name) for name in names], [300] * 5)

    def test_an_error_without_words(self) -> None:
        """Of a function that sets none, the last error's words are not borrowed."""
        with self.assertRaises(vmboot.OptionError):
            vmboot.check(vcpus=-1)
        with self.assertRaises(vmboot.VmbootError) as caught:
            call("vmboot_phase_from_name", b"breakfast")
        self.assertNotIn("vcpus", str(caught.exception))
        self.assertEqual(caught.exception.name, "EINVAL")


if __name__ == "__main__":
    unittest.main()
