# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package's view of C is C's own: headers, symbol map, compiler, and what Python makes of it."""
from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest
from typing import Any, Dict, List

import vmboot
from vmboot import _abi, _request, _results

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = SOURCE / "bindings/python/src/vmboot"
INCLUDE = SOURCE / "include"
BUILD = pathlib.Path(os.environ.get("TEST_BUILDDIR", "."))

#: Functions that Python has no use for, with the reason.
UNUSED = {
    "vmboot_opts_new": "opts are made from JSON",
    "vmboot_opts_set": "opts are made from JSON",
    "vmboot_version_number": "version() has the same as text",
}


def is_padding(name: str) -> bool:
    return name.startswith("padding")


def abigen() -> Any:
    spec = importlib.util.spec_from_file_location("abigen", SOURCE / "bindings/python/abigen.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Headers(unittest.TestCase):
    def test_made_from_these_headers(self) -> None:
        generator = abigen()
        made = generator.write(generator.read_headers(INCLUDE / "vmboot"))
        if os.environ.get("TEST_UPDATE"):
            (PACKAGE / "_abi.py").write_text(made, encoding="utf-8")
        self.assertEqual(
            (PACKAGE / "_abi.py").read_text(encoding="utf-8"),
            made,
            "_abi.py is not that of these headers: TEST_UPDATE=1 make check TESTS=tests/python/unit.sh",
        )

    def test_symbol_map(self) -> None:
        text = (SOURCE / "libvmboot/libvmboot.sym").read_text(encoding="utf-8")
        self.assertEqual(set(re.findall(r"^\s*(vmboot_\w+);$", text, re.M)), set(_abi.FUNCTIONS))

    def test_all_functions_are_used(self) -> None:
        text = "".join(
            path.read_text(encoding="utf-8")
            for path in PACKAGE.glob("*.py")
            if path.name != "_abi.py"
        )
        used = {name for name in _abi.FUNCTIONS if re.search(rf"\b{name}\b", text)}
        self.assertEqual(set(_abi.FUNCTIONS) - used, set(UNUSED))


class Compiler(unittest.TestCase):
    """Sizes, offsets, signs and numbers, as the compiler has them."""

    def ask(self, expressions: Dict[str, str]) -> Dict[str, int]:
        lines = ["#include <stdio.h>", "#include <vmboot/vmboot.h>", "int main(void)", "{"]
        for name, expression in expressions.items():
            lines.append(f'\tprintf("{name} %lld\\n", (long long)({expression}));')
        lines += ["\treturn 0;", "}"]
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "ask.c"), os.path.join(folder, "ask")
            pathlib.Path(source).write_text("\n".join(lines) + "\n", encoding="utf-8")
            compiler = shlex.split(os.environ.get("CC", "cc"))
            try:
                subprocess.run(
                    compiler
                    + [f"-I{INCLUDE}", f"-I{BUILD / 'include'}", "-o", program, source],
                    check=True,
                )
            except FileNotFoundError:
                self.skipTest(f"no compiler {compiler[0]}")
            text = subprocess.run([program], stdout=subprocess.PIPE, check=True, text=True).stdout
        return {name: int(number) for name, number in (line.split() for line in text.splitlines())}

    def test_structs(self) -> None:
        expressions: Dict[str, str] = {}
        expected: Dict[str, int] = {}
        for c_name, struct in _abi.STRUCTS.items():
            expressions[c_name] = f"sizeof(struct {c_name})"
            expected[c_name] = ctypes.sizeof(struct)
            for field, ctype in struct._fields_:
                member = f"((struct {c_name} *)0)->{field}"
                expressions[f"{c_name}.{field}"] = f"offsetof(struct {c_name}, {field})"
                expected[f"{c_name}.{field}"] = getattr(struct, field).offset
                expressions[f"{c_name}.{field}:size"] = f"sizeof({member})"
                expected[f"{c_name}.{field}:size"] = ctypes.sizeof(ctype)
        self.assertGreater(len(expected), 200)
        self.assertEqual(self.ask(expressions), expected)

    def test_numbers(self) -> None:
        expressions: Dict[str, str] = {"forever": "VMBOOT_FOREVER", "dry": "VMBOOT_GC_DRY_RUN"}
        expected: Dict[str, int] = {"forever": _abi.FOREVER, "dry": _abi.GC_DRY_RUN}
        headers = abigen().read_headers(INCLUDE / "vmboot")
        prefixes = {item.name: item.prefix for item in headers.items if hasattr(item, "prefix")}
        self.assertEqual(set(prefixes), set(_abi.ENUMS))
        for c_name, members in _abi.ENUMS.items():
            expressions[c_name] = f"sizeof(enum {c_name})"
            expected[c_name] = ctypes.sizeof(ctypes.c_uint)
            for member in members:
                expressions[f"{c_name}.{member.name}"] = prefixes[c_name] + member.name
                expected[f"{c_name}.{member.name}"] = member.value
        self.assertEqual(self.ask(expressions), expected)

    def test_generator_refuses_what_it_cannot_read(self) -> None:
        generator = abigen()
        for text in (
            "enum vmboot_x {\n\tVMBOOT_X_A,\n};\n",
            "VMBOOT_API int vmboot_x(int (*fn)(void));\n",
            "struct vmboot_x {\n\tchar *a, *b;\n};\n",
        ):
            with self.assertRaises(SystemExit):
                generator.read_header(text)
        with self.assertRaises(SystemExit):
            generator.Types([]).of("long double")


class Python(unittest.TestCase):
    """A field that C has, Python's values have."""

    def test_values_have_all_fields(self) -> None:
        pairs: List[Any] = [
            (_abi.Event, _results.Event, set()),
            (_abi.Ledger, _results.Ledger, {"n_events"}),
            (_abi.Info, _results.Info, set()),
            (_abi.Image, _results.Image, set()),
        ]
        for struct, value, other in pairs:
            ours = {field.name for field in dataclasses.fields(value)}
            theirs = {name for name, _ in struct._fields_ if not is_padding(name)}
            theirs -= {"size"} | other
            self.assertEqual(ours, theirs, struct)
        error = vmboot.errors.VmbootError("x", 2)
        for name in (row[0] for row in _abi.Error._fields_):
            self.assertTrue(name == "size" or hasattr(error, name), name)

    def test_other_structs_are_read_whole(self) -> None:
        """What becomes no dataclass: each field is named where it is used."""
        for struct, module in ((_abi.Stat, "_results.py"), (_abi.ExecResult, "_exec.py")):
            text = (PACKAGE / module).read_text(encoding="utf-8")
            vm_text = (PACKAGE / "_vm.py").read_text(encoding="utf-8")
            for name in (row[0] for row in struct._fields_):
                found = re.search(rf"\.{name}\b", text + vm_text)
                unread = name == "size" or is_padding(name)
                self.assertTrue(unread or found, f"{struct.__name__}.{name}")

    def test_every_error_code_has_a_class(self) -> None:
        for code in vmboot.ErrorCode:
            self.assertIsNot(vmboot.errors.kind_of(code), vmboot.VmbootError, code)

    def test_request(self) -> None:
        """The keywords are the rows of the library's table, in order, with their types."""
        annotations = _request.Request.__annotations__
        rows = vmboot.fields()
        self.assertEqual(list(annotations), [row.name for row in rows])
        kinds = {"string": ("str", "StrPath", "Duration"), "enum": ("str",), "bool": ("bool",), "uint": ("int",)}
        for row in rows:
            annotation = annotations[row.name]
            annotation = getattr(annotation, "__forward_arg__", annotation)
            if row.type == "list":
                self.assertIn("Sequence[str]", annotation, row.name)
            else:
                self.assertIn(annotation, kinds[row.type], row.name)

    def test_numbers_of_a_newer_library(self) -> None:
        phase = vmboot.Phase(57)
        self.assertEqual((int(phase), phase.name), (57, "UNKNOWN_57"))
        self.assertEqual(phase, vmboot.Phase(57))
        self.assertNotIn(57, [int(member) for member in vmboot.Phase])

    def test_a_struct_of_an_older_library(self) -> None:
        from vmboot._lib import view

        behind = (1 << 64) - 1  # what is no longer the struct's
        short = (ctypes.c_size_t * 20)(ctypes.sizeof(ctypes.c_size_t) * 2, 7, *[behind] * 18)
        event = view(short, _abi.Event)
        self.assertEqual((event.phase, event.start_us, event.value), (7, 0, 0))


if __name__ == "__main__":
    unittest.main()
