#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""layout.py print|check BASELINE INCLUDE-FOLDER…: the binary interface that headers describe.

print   one line for each struct, member, enumerator, constant, function and callback, as the
        compiler in $CC lays it out; a release commits it as tests/abi/baseline-VERSION.txt
check   compare with such a file: what it has may not change, and what was added must lie where
        programs that were built with it do not look
"""
from __future__ import annotations

import importlib.util
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Tuple

SOURCE = pathlib.Path(__file__).resolve().parents[2]

Table = Dict[str, str]  # what a line is about: what it says of it


def abigen() -> Any:
    path = SOURCE / "bindings/python/abigen.py"
    spec = importlib.util.spec_from_file_location("abigen", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask_compiler(expressions: List[str], folders: List[str]) -> List[int]:
    lines = ["#include <stdio.h>", "#include <vmboot/vmboot.h>", "int main(void)", "{"]
    lines += [f'\tprintf("%lld\\n", (long long)({expression}));' for expression in expressions]
    lines += ["\treturn 0;", "}", ""]
    with tempfile.TemporaryDirectory() as work:
        source, program = os.path.join(work, "ask.c"), os.path.join(work, "ask")
        pathlib.Path(source).write_text("\n".join(lines), encoding="utf-8")
        compiler = shlex.split(os.environ.get("CC", "cc"))
        include = [f"-I{folder}" for folder in folders]
        subprocess.run(compiler + include + ["-o", program, source], check=True)
        text = subprocess.run([program], stdout=subprocess.PIPE, check=True, text=True).stdout
    return [int(line) for line in text.split()]


def struct_rows(struct: Any) -> List[Tuple[str, str, List[str]]]:
    c_name = f"struct {struct.name}"
    rows = [(c_name, "size {}", [f"sizeof({c_name})"])]
    for c_type, name in struct.fields:
        size = f"sizeof((({c_name} *)0)->{name})"
        where = [f"offsetof({c_name}, {name})", size]
        rows.append((f"{c_name}.{name}", f"at {{}} size {{}}: {c_type}", where))
    return rows


def layout(folders: List[str]) -> Table:
    """The whole table; its order is that of the headers."""
    header = abigen().read_headers(pathlib.Path(folders[0]) / "vmboot")
    rows: List[Tuple[str, str, List[str]]] = []
    for item in header.items:
        if hasattr(item, "fields"):
            rows += struct_rows(item)
        elif hasattr(item, "members"):
            rows.append((f"enum {item.name}", "size {}", [f"sizeof(enum {item.name})"]))
            rows += [(item.prefix + name, str(value), []) for name, value, _ in item.members]
        else:
            taken = ", ".join(c_type for c_type, _ in item.parameters) or "void"
            result = getattr(item, "result", "void (*)")
            rows.append((item.name, f"{result}({taken})", []))
    constants = [c for c in header.constants if not c[0].startswith("VMBOOT_VERSION_")]
    rows += [(name, str(value), []) for name, value in constants]
    numbers = iter(ask_compiler([e for row in rows for e in row[2]], folders))
    return {
        subject: says.format(*[next(numbers) for _ in expressions])
        for subject, says, expressions in rows
    }


def read_baseline(path: str) -> Table:
    text = pathlib.Path(path).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict((line.split("  ", 1)[0], line.split("  ", 1)[1]) for line in lines)


def numbers_of(says: str) -> List[int]:
    return [int(word) for word in says.replace(":", " ").split() if word.isdigit()]


def struct_of(subject: str) -> str:
    """What the member is a member of, or "" for what is no member."""
    return subject.rpartition(".")[0] if subject.startswith("struct ") else ""


def can_grow(table: Table, struct: str) -> bool:
    return table.get(f"{struct}.size", "").startswith("at 0 ")


def tail_padding(table: Table, struct: str) -> int:
    ends = [sum(numbers_of(s)[:2]) for m, s in table.items() if struct_of(m) == struct]
    return numbers_of(table[struct])[0] - max(ends)


def check(base: Table, now: Table) -> List[str]:
    """What is wrong, in words."""
    wrong = []
    for subject, says in base.items():
        new = now.get(subject)
        grows = subject.startswith("struct ") and can_grow(base, subject)
        if new is None:
            wrong.append(f"{subject} is gone")
        elif new != says and not (grows and numbers_of(new)[0] > numbers_of(says)[0]):
            wrong.append(f"{subject} was {says!r} and is {new!r}")
    for subject, says in now.items():
        struct = struct_of(subject)
        if subject in base or struct not in base or ".padding" in subject:
            continue
        first, at = numbers_of(base[struct])[0], numbers_of(says)[0]
        if at < first:
            wrong.append(
                f"{subject} is at {at}, inside the {first} bytes that {struct} has had: "
                "new members go to the end of the struct"
            )
    for subject in now:
        if not subject.startswith("struct ") or struct_of(subject) or not can_grow(now, subject):
            continue
        n = tail_padding(now, subject)
        if n:
            wrong.append(
                f"{subject} ends with {n} bytes of padding, where a later member would lie inside "
                f"the size that it has now: add `char padding…[{n}];` to its end"
            )
    return wrong


def main() -> int:
    if len(sys.argv) > 2 and sys.argv[1] == "print":
        for subject, says in layout(sys.argv[2:]).items():
            print(f"{subject}  {says}")
        return 0
    if len(sys.argv) > 3 and sys.argv[1] == "check":
        wrong = check(read_baseline(sys.argv[2]), layout(sys.argv[3:]))
        print("\n".join(wrong) or f"as in {sys.argv[2]}, or added")
        return 1 if wrong else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
