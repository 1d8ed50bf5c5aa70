# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is installed, by pip and as a package."""
from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import vmboot

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "bindings/python"


class Package(unittest.TestCase):
    def test_version(self) -> None:
        self.assertEqual(vmboot.__version__, os.environ.get("VERSION", vmboot.__version__))
        self.assertEqual(vmboot.__version__, vmboot.version())

    def test_names(self) -> None:
        self.assertEqual(sorted(vmboot.__all__), sorted(set(vmboot.__all__)))
        for name in vmboot.__all__:
            self.assertTrue(hasattr(vmboot, name), name)
        for enum in set(vmboot._abi.ENUMS) - {"vmboot_log_level", "vmboot_field_type", "vmboot_exec_action"}:
            self.assertIn(vmboot._abi.ENUMS[enum].__name__, vmboot.__all__)
        for name in vmboot.errors.__all__:
            self.assertIs(getattr(vmboot, name), getattr(vmboot.errors, name))
        for name in vmboot.__all__:
            thing = getattr(vmboot, name)
            if callable(thing) and getattr(thing, "__module__", "").startswith("vmboot"):
                self.assertTrue(thing.__doc__, f"{name} has no docstring")

    def test_the_build_installs_all_of_it(self) -> None:
        makefile = (SOURCE / "Makemodule.am").read_text(encoding="utf-8")
        for path in (SOURCE / "src/vmboot").iterdir():
            if path.suffix in (".py", ".typed"):
                self.assertIn(f"bindings/python/src/vmboot/{path.name}", makefile)

    def test_pip(self) -> None:
        for module in ("pip", "setuptools", "wheel"):
            if importlib.util.find_spec(module) is None:
                self.skipTest(f"{module} is not installed")
        with tempfile.TemporaryDirectory() as folder:
            # pip writes beside what it builds
            shutil.copytree(SOURCE, os.path.join(folder, "source"))
            for path, folders, files in os.walk(folder):
                for name in folders + files:
                    os.chmod(os.path.join(path, name), 0o755)
            target = os.path.join(folder, "target")
            done = subprocess.run(
                [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
                + ["--no-index", "--no-deps", "--no-build-isolation", "--target", target]
                + [os.path.join(folder, "source")],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self.assertEqual(done.returncode, 0, done.stdout)
            installed = {path.name for path in pathlib.Path(target, "vmboot").iterdir()}
            ours = {p.name for p in (SOURCE / "src/vmboot").iterdir() if p.suffix in (".py", ".typed")}
            self.assertLessEqual(ours, installed)
            code = "import vmboot, importlib.metadata as m; print(vmboot.__file__, m.version('vmboot'))"
            told = subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONPATH": target},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout.split()
            self.assertEqual(told, [os.path.join(target, "vmboot", "__init__.py"), vmboot.__version__])


if __name__ == "__main__":
    unittest.main()
