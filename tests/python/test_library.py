# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finding the library, and saying what is wrong with what was found."""
from __future__ import annotations

import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import unittest
from typing import Dict

import vmboot
from vmboot import _abi
from vmboot._handle import Deadline, milliseconds
from vmboot._lib import SONAME, find

BUILD = os.environ.get("TEST_BUILDDIR", ".")
LIBRARY = os.path.join(BUILD, "libvmboot", ".libs", SONAME)


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment: Dict[str, str] = {**os.environ, **env}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in environment.items() if value},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Library(unittest.TestCase):
    def compile(self, source: str) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, SONAME)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        try:
            subprocess.run(
                compiler + ["-shared", "-fPIC", "-o", path, "-x", "c", "-"],
                input=source,
                text=True,
                check=True,
            )
        except FileNotFoundError:
            self.skipTest(f"no compiler {compiler[0]}")
        return path

    def test_where_it_is_looked_for(self) -> None:
        self.assertEqual(find(None), SONAME)
        self.assertEqual(find(""), SONAME)
        self.assertEqual(find("/some/file.so"), "/some/file.so")
        self.assertEqual(os.path.realpath(find(BUILD)), os.path.realpath(LIBRARY))
        self.assertEqual(find(os.path.dirname(LIBRARY)), LIBRARY)
        self.assertEqual(find(os.path.join(BUILD, "libvmboot")), LIBRARY)
        with tempfile.TemporaryDirectory() as empty, self.assertRaisesRegex(ImportError, "no libvmboot"):
            find(empty)

    def test_found_by_its_soname(self) -> None:
        folder = os.path.dirname(LIBRARY)
        done = run("import vmboot; print(vmboot.version())", VMBOOT_LIBRARY="", LD_LIBRARY_PATH=folder)
        self.assertEqual(done.stdout, vmboot.version() + "\n")

    def test_missing(self) -> None:
        done = run("import vmboot", VMBOOT_LIBRARY="/no/such.so")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ImportError: cannot load /no/such.so", done.stdout)
        self.assertIn("VMBOOT_LIBRARY", done.stdout)

    def test_not_ours(self) -> None:
        done = run("import vmboot", VMBOOT_LIBRARY=self.compile("int x;\n"))
        self.assertIn("is not libvmboot", done.stdout)

    def test_too_old(self) -> None:
        version = 'const char *vmboot_version(void) { return "0.0.9"; }\n'
        all_but_one = "".join(
            f"void {name}(void) {{}}\n" for name in _abi.FUNCTIONS if name != "vmboot_version"
        )
        done = run("import vmboot", VMBOOT_LIBRARY=self.compile(version + all_but_one))
        self.assertIn("is version 0.0.9 of libvmboot, this package is for", done.stdout)
        done = run("import vmboot", VMBOOT_LIBRARY=self.compile(version))
        self.assertRegex(done.stdout, r"is version 0.0.9 of libvmboot and lacks vmboot_\w+\(\)")

    def test_import_is_quiet_and_leaves_no_trace(self) -> None:
        code = (
            "import locale, os, signal, threading\n"
            "def state():\n"
            "    return (sorted(os.listdir('/proc/self/fd')), dict(os.environ),\n"
            "            threading.active_count(), len(os.listdir('/proc/self/task')),\n"
            "            locale.setlocale(locale.LC_ALL), [signal.getsignal(n) for n in range(1, 65)])\n"
            "before = state()\n"
            "import asyncio; import vmboot\n"
            "vmboot.check(name='web', image='x')\n"
            "assert state() == before, (before, state())\n"
        )
        self.assertEqual(run(code).stdout, "")


class Deadlines(unittest.TestCase):
    def test_milliseconds(self) -> None:
        self.assertEqual(milliseconds(None), _abi.FOREVER)
        self.assertEqual([milliseconds(s) for s in (0, 0.0001, 1, 1.5)], [0, 1, 1000, 1500])
        self.assertEqual(milliseconds(-3), 0)
        self.assertEqual(milliseconds(1e12), 2**31 - 1)
        with self.assertRaises((ValueError, OverflowError)):
            milliseconds(float("nan"))

    def test_deadline(self) -> None:
        self.assertIsNone(Deadline(None).left())
        self.assertFalse(Deadline(None).passed)
        self.assertTrue(Deadline(0).passed)
        self.assertTrue(Deadline(-1).passed)
        self.assertEqual(Deadline(None).at_most(3), 3)
        self.assertEqual(Deadline(100).at_most(3), 3)
        self.assertEqual(Deadline(0).left_ms(), 0)


if __name__ == "__main__":
    unittest.main()
