#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""abigen.py HEADERS-FOLDER: print src/vmboot/_abi.py, made from the C headers.

The headers are plain: enums with explicit numbers, structs of scalars and pointers, functions
that begin with VMBOOT_API. What does not fit that is an error here, not a guess.
tests/python/test_abi.py compares the result with the file in the tree, which
`TEST_UPDATE=1 make check TESTS=tests/python/unit.sh` renews, and with what a C compiler says.
"""
from __future__ import annotations

import os
import pathlib
import re
import sys
import textwrap
from typing import Dict, List, NamedTuple, Tuple, Union


class Enum(NamedTuple):
    name: str
    doc: str
    members: List[Tuple[str, int, str]]  # name, value, what it is
    prefix: str  # of the names in C


class Struct(NamedTuple):
    name: str
    doc: str
    fields: List[Tuple[str, str]]  # C type, name


class Callback(NamedTuple):
    name: str
    parameters: List[Tuple[str, str]]


class Function(NamedTuple):
    name: str
    result: str
    parameters: List[Tuple[str, str]]


Item = Union[Enum, Struct, Callback, Function]


class Header(NamedTuple):
    items: List[Item]
    constants: List[Tuple[str, int]]


SCALARS = {
    "bool": ("c_bool", "bool"),
    "char": ("c_char", "builtins.bytes"),
    "int": ("c_int", "int"),
    "unsigned": ("c_uint", "int"),
    "size_t": ("c_size_t", "int"),
    "int64_t": ("c_int64", "int"),
    "uint32_t": ("c_uint32", "int"),
    "uint64_t": ("c_uint64", "int"),
}

ITEM = re.compile(
    r"enum\s+(?P<enum>\w+)\s*\{(?P<members>[^}]*)\}\s*;"
    r"|struct\s+(?P<struct>\w+)\s*\{(?P<fields>[^}]*)\}\s*;"
    r"|typedef\s+void\s*\(\*(?P<callback>\w+)\)\s*\((?P<taken>[^)]*)\)\s*;"
    r"|VMBOOT_API\s+(?P<result>[^;(]*?)(?P<function>vmboot_\w+)\s*\((?P<parameters>[^)]*)\)\s*;"
)
DOC = re.compile(r"/\*\*(?!<)((?:(?!\*/).)*)\*/\s*\Z", re.S)
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def without_comments(text: str) -> str:
    return COMMENT.sub(" ", text)


def words_of(comment: str) -> str:
    return " ".join(re.sub(r"^\s*\*", "", comment, flags=re.M).split())


def camel(c_name: str) -> str:
    return "".join(part.capitalize() for part in c_name.replace("vmboot_", "", 1).split("_"))


def split_declaration(declaration: str, is_member: bool = False) -> List[Tuple[str, str]]:
    """`uint32_t uid, gid` or `const int fds[3]`: (type, name) of each. Only a member is an array."""
    declaration = " ".join(declaration.split())
    first, *more = declaration.split(",")
    match = re.fullmatch(r"(.*?[ *])(\w+)(\[\d*\])?", first.strip())
    if not match:
        raise SystemExit(f"abigen.py: cannot read the declaration {declaration!r}")
    c_type = match[1].strip()
    if more and "*" in c_type:
        raise SystemExit(f"abigen.py: one pointer a declaration, please: {declaration!r}")
    array = match[3] or ""
    found = [(c_type + (array if is_member or not array else " *"), match[2])]
    return found + [(c_type, name.strip()) for name in more]


def split_parameters(parameters: str) -> List[Tuple[str, str]]:
    if parameters.strip() == "void":
        return []
    return [split_declaration(p)[0] for p in parameters.split(",")]


def read_enum(name: str, doc: str, body: str) -> Enum:
    found: List[Tuple[str, int, str]] = []
    # a comment stands behind the comma of what it describes
    for match in re.finditer(r"(VMBOOT_\w+)\s*=\s*(\d+)\s*,?\s*(?:/\*\*<(.*?)\*/)?", body, re.S):
        found.append((match[1], int(match[2]), words_of(match[3] or "")))
    if len(found) != len(re.findall(r"\bVMBOOT_\w+", without_comments(body))):
        raise SystemExit(f"abigen.py: enum {name}: each member needs a number of its own")
    prefix = os.path.commonprefix([n for n, _, _ in found]).rpartition("_")[0] + "_"
    return Enum(name, doc, [(n[len(prefix) :], v, words) for n, v, words in found], prefix)


def read_struct(name: str, doc: str, body: str) -> Struct:
    fields: List[Tuple[str, str]] = []
    for declaration in without_comments(body).split(";"):
        if declaration.strip():
            fields += split_declaration(declaration, is_member=True)
    return Struct(name, doc, fields)


def read_header(text: str) -> Header:
    constants = [
        (m[1], int(m[2]))
        for m in re.finditer(r"^#define (VMBOOT_[A-Z_]+) \(?(-?\d+)U?\)?$", text, re.M)
    ]
    text = re.sub(r"^#(?:\\\n|.)*$", "", text, flags=re.M)
    items: List[Item] = []
    for match in ITEM.finditer(text):
        comment = DOC.search(text, 0, match.start())
        doc = words_of(comment[1]) if comment else ""
        if match["enum"]:
            items.append(read_enum(match["enum"], doc, match["members"]))
        elif match["struct"]:
            items.append(read_struct(match["struct"], doc, match["fields"]))
        elif match["callback"]:
            items.append(Callback(match["callback"], split_parameters(match["taken"])))
        else:
            parameters = split_parameters(match["parameters"])
            items.append(Function(match["function"], match["result"].strip(), parameters))
    declared = len(re.findall(r"^VMBOOT_API\b", text, re.M))
    if declared != sum(isinstance(i, Function) for i in items):
        raise SystemExit("abigen.py: a function is declared in a way that I cannot read")
    return Header(items, constants)


def read_headers(folder: pathlib.Path) -> Header:
    """All headers, each after those that it includes."""
    done: Dict[str, Header] = {}

    def read(name: str) -> None:
        if name in done:
            return
        path = folder / name
        if not path.exists():
            path = folder / (name + ".in")
        text = path.read_text(encoding="utf-8")
        for included in re.findall(r"^#include <vmboot/(\w+\.h)>", text, re.M):
            read(included)
        done[name] = read_header(text)

    read("vmboot.h")
    return Header(
        [item for header in done.values() for item in header.items],
        [constant for header in done.values() for constant in header.constants],
    )


class Types:
    """C types in the words of ctypes, and in those of annotations."""

    def __init__(self, items: List[Item]) -> None:
        self.enums = {i.name for i in items if isinstance(i, Enum)}
        self.structs = {i.name for i in items if isinstance(i, Struct)}
        self.callbacks = {i.name for i in items if isinstance(i, Callback)}

    def of(self, c_type: str, is_bytes: bool = False) -> Tuple[str, str]:
        array = re.fullmatch(r"(.*?)\[(\d+)\]", c_type)
        if array:
            return f"{self.of(array[1])[0]} * {array[2]}", "Any"
        stars = c_type.count("*")
        base = " ".join(w for w in c_type.replace("*", " ").split() if w != "const")
        tag = base.rpartition(" ")[2]
        opaque = base == "void" or (base.startswith("struct ") and tag not in self.structs)
        if base == "char" and stars:
            if stars == 1:
                return ("c_void_p", "Optional[int]") if is_bytes else ("c_char_p", "Optional[builtins.bytes]")
            # `char **` is where a string is put that the caller frees: its address is needed
            kept = "c_char_p" if "const" in c_type else "c_void_p"
            return self.pointers(kept, kept, stars - 1)
        if opaque and stars:
            if stars == 1:
                return "c_void_p", "Optional[int]"
            return self.pointers("c_void_p", "c_void_p", stars - 1)
        if base.startswith("struct ") and tag in self.structs:
            return self.pointers(camel(tag), camel(tag), stars)
        if base.startswith("enum ") and tag in self.enums and not stars:
            return "c_uint", "int"
        if tag in self.callbacks and not stars:
            return camel(tag), "Any"
        if base not in SCALARS:
            raise SystemExit(f"abigen.py: I do not know the type {c_type!r}")
        ctype, annotation = SCALARS[base]
        return self.pointers(ctype, ctype if stars else annotation, stars)

    @staticmethod
    def pointers(ctype: str, annotation: str, stars: int) -> Tuple[str, str]:
        for _ in range(stars):
            ctype = f"POINTER({ctype})"
            annotation = f"ctypes._Pointer[{annotation}]"
        return ctype, annotation

    def parameters(self, parameters: List[Tuple[str, str]]) -> List[str]:
        # "bytes" is what is not ended by 0
        return [self.of(c_type, name == "bytes")[0] for c_type, name in parameters]


HEAD = '''\
# SPDX-License-Identifier: LGPL-2.1-or-later
# Made by abigen.py from include/vmboot/*.h. Do not edit: see bindings/python/README.md.
"""The library's structs, enums, constants and functions, for ctypes."""
from __future__ import annotations

import builtins
import ctypes
import enum
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_bool,
    c_char,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_uint,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Dict, Optional, Tuple


class _OpenEnum(enum.IntEnum):
    """A newer library may know numbers that this package does not."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"
'''


def write_enum(item: Enum) -> List[str]:
    doc = item.doc.replace(" Since 0.1.", "")
    lines = ["", "", f"class {camel(item.name)}(_OpenEnum):"]
    lines += textwrap.wrap(f'"""{doc}"""', 95, initial_indent="    ", subsequent_indent="    ")
    lines.append("")
    for name, value, words in item.members:
        lines += textwrap.wrap(words, 92, initial_indent="    #: ", subsequent_indent="    #: ")
        lines.append(f"    {name} = {value}")
    return lines


def write_struct(item: Struct, types: Types) -> List[str]:
    names = {name for _, name in item.fields}
    lines = ["", "", f"class {camel(item.name)}(ctypes.Structure):", f'    """struct {item.name}"""', ""]
    fields = []
    for c_type, name in item.fields:
        ctype, annotation = types.of(c_type, f"{name}_size" in names)
        lines.append(f"    {name}: {annotation}")
        fields.append(f'        ("{name}", {ctype}),')
    return lines + ["    _fields_ = ["] + fields + ["    ]"]


def write(header: Header) -> str:
    types = Types(header.items)
    lines = [HEAD.rstrip("\n")]
    for item in header.items:
        if isinstance(item, Enum):
            lines += write_enum(item)
        elif isinstance(item, Struct):
            lines += write_struct(item, types)
        elif isinstance(item, Callback):
            taken = ", ".join(["None"] + types.parameters(item.parameters))
            lines += ["", "", f"{camel(item.name)} = CFUNCTYPE({taken})"]
    lines += ["", ""]
    lines += [f"{name[len('VMBOOT_'):]} = {value}" for name, value in header.constants]
    structs = [i.name for i in header.items if isinstance(i, Struct)]
    enums = [i.name for i in header.items if isinstance(i, Enum)]
    lines += ["", "#: by their names in C", "STRUCTS: Dict[str, Any] = {"]
    lines += [f'    "{name}": {camel(name)},' for name in sorted(structs)]
    lines += ["}", "ENUMS: Dict[str, Any] = {"]
    lines += [f'    "{name}": {camel(name)},' for name in sorted(enums)]
    lines += ["}", "#: result, parameters", "FUNCTIONS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {"]
    for function in sorted(i for i in header.items if isinstance(i, Function)):
        result = "None" if function.result == "void" else types.of(function.result)[0]
        taken = "".join(p + ", " for p in types.parameters(function.parameters))
        if function.parameters:
            taken = taken[:-2] if len(function.parameters) > 1 else taken[:-1]
        line = f'    "{function.name}": ({result}, ({taken})),'
        lines.append(line)
    return "\n".join(lines + ["}"]) + "\n"


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.stdout.write(write(read_headers(pathlib.Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
