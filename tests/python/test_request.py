# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is asked for, and that Python and the tool plan the same."""
from __future__ import annotations

import datetime
import json
import os
import pathlib
import subprocess
import sys
import unittest
from typing import Any, Callable, Dict, List

import vmboot

BUILD = os.environ.get("TEST_BUILDDIR", ".")
TOOL = os.path.join(BUILD, "tools", "vmboot")
PLAN_C = os.path.join(BUILD, "tests", "python", "plan")
IMAGE = os.environ.get("TEST_IMAGE", "")


def asked(**request: Any) -> Any:
    return json.loads(vmboot.request_json(**request))


class Request(unittest.TestCase):
    def test_every_field(self) -> None:
        strings = {
            "name": "web",
            "image": "node:20",
            "workdir": "/srv",
            "user": "33:33",
            "kernel": "/boot/vmlinuz",
            "uri": "embed",
            "store": "/tmp/store",
            "hostname": "www",
            "shm_size": "64m",
            "ttl": "1h",
            "creds": "user:password",
            "restart": "always",
            "health_interval": "1s",
            "health_timeout": "1s",
            "health_start_period": "0",
        }
        lists = {
            "tmpfs": ["/cache:size=1m", "/b"],
            "ulimit": ["nofile=1:2"],
            "publish": ["8080:80", "53/udp"],
        }
        whole: Dict[str, Any] = {}
        for field in vmboot.fields():
            whole[field.name] = {
                "string": strings.get(field.name, "ä" if field.name != "kernel_args" else "quiet"),
                "bool": True,
                "uint": (field.default or 0) + 1,
                "enum": field.choices[-1] if field.choices else "",
                "list": lists.get(field.name, ["A=1", "B=b c", "C=ä"]),
            }[field.type]
        self.assertEqual(asked(**whole), whole)

    def test_python_s_own_types(self) -> None:
        self.assertEqual(
            asked(
                store=pathlib.Path("/tmp/x"),
                cmd=("a", pathlib.PurePosixPath("/b")),
                env={"A": "1", "B": "", "C": 2, b"D": b"=3"},
                workdir=b"/srv",
                user=None,
            ),
            {
                "store": "/tmp/x",
                "cmd": ["a", "/b"],
                "env": ["A=1", "B=", "C=2", "D==3"],
                "workdir": "/srv",
            },
        )

    def test_refused(self) -> None:
        wrong: Any = [
            ("nope", 1, "nope"),
            ("name", "Not A Name", "name"),
            ("vcpus", "2", "vcpus"),
            ("vcpus", True, "vcpus"),
            ("vcpus", 2**70, "vcpus"),
            ("vcpus", float("nan"), ""),
            ("cmd", "a string", "cmd"),
            ("cmd", [1], "cmd"),
            ("cmd", {"a"}, "cmd"),
            ("env", ["no equals"], "env"),
            ("env", {"A=B": "c"}, "env"),
            ("env", {"": "c"}, "env"),
            ("env", {1: "c"}, "env"),
            ("env", {"A": None}, "env"),
            ("env", {"A": ["b"]}, "env"),
            ("env", {"A": b"\xff"}, "env"),
            ("accel", "warp", "accel"),
            ("image", "a\0b", "image"),
            ("image", "a\udc80b", "image"),
            ("debug", 1, "debug"),
            ("connection", object(), None),
        ]
        for name, value, field in wrong:
            with self.subTest(name=name, value=repr(value)):
                if field is None:
                    with self.assertRaises(TypeError):
                        vmboot.plan(**{name: value})
                    continue
                with self.assertRaises(vmboot.OptionError) as caught:
                    vmboot.check(**{name: value})
                self.assertEqual(caught.exception.field, field)
                self.assertTrue(str(caught.exception))
        with self.assertRaisesRegex(vmboot.VmbootError, "larger than"):
            vmboot.check(name="web", image="x" * (16 << 20))

    def test_connection(self) -> None:
        """Only what libvirt-python made is taken for a pointer."""

        class Fake:
            _o = datetime.datetime_CAPI  # type: ignore[attr-defined]  # another's capsule

        for connection in (Fake(), object(), 7, "qemu:///system"):
            with self.assertRaises(TypeError):
                vmboot.list(connection=connection)

    def test_names(self) -> None:
        """One with a 0 in it would be another one for the library."""
        calls: List[Callable[[Any], object]] = [
            vmboot.open,
            vmboot.images.remove,
            vmboot.images.import_image,
        ]
        for call in calls:
            with self.assertRaisesRegex(ValueError, "null byte"):
                call("web\0.old")
            with self.assertRaises(TypeError):
                call(None)
        with self.assertRaisesRegex(ValueError, "null byte"):
            vmboot.images.import_image("dir:/nosuch", name="web\0.old")

    def test_missing(self) -> None:
        with self.assertRaisesRegex(vmboot.OptionError, "image is missing"):
            vmboot.check(name="web")
        vmboot.check(name="web", image="node:20")

    def test_phases(self) -> None:
        from vmboot._vm import to_phase

        for phase in vmboot.Phase:
            if phase:
                self.assertEqual(to_phase(vmboot.phase_name(phase)), phase)
        self.assertTrue(all(vmboot.phase_help(phase) for phase in vmboot.Phase if phase))

    def test_plan(self) -> None:
        """C, Python and the tool tell the same plan and the same XML, byte for byte."""
        if not IMAGE or not list(pathlib.Path("/boot").glob("vmlinuz-*")):
            self.skipTest("no image, or no kernel")
        # plan.c has the same in C; no libvirt is asked, and no KVM tried; one process at a time
        request = {
            "name": "planned",
            "image": IMAGE,
            "accel": "tcg",
            "uri": "embed",
            "on_exit": "poweroff",  # the tool's default
            "vcpus": 2,
            "env": ["A=1"],
            "skip_kernel_headers": True,
            "skip_module_signatures": True,
            "hostname": "www.example.org",
            "log_max_mib": 5,
            "label": ["team=<a>"],
        }
        text = json.dumps(request)
        code = "import json, sys, vmboot; sys.stdout.write(vmboot.{}(**json.loads(sys.argv[1])))"
        for verb, function in (("plan", "plan"), ("xml", "render_xml")):
            python, tool, c = (
                subprocess.run(args, input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
                for args in (
                    [sys.executable, "-c", code.format(function), text],
                    [TOOL, verb, "--request", "-"],
                    [PLAN_C, verb, IMAGE],
                )
            )
            self.assertIn(b"planned", python)
            self.assertEqual(python.rstrip(b"\n"), tool.rstrip(b"\n"))
            self.assertEqual(python.rstrip(b"\n"), c.rstrip(b"\n"))


if __name__ == "__main__":
    unittest.main()
