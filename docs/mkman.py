#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mkman.py DIR HEADER...: the manual pages of section 3, of the headers' comments.

Writes a page for each group of functions, and "aliases", with a line "NAME PAGE" for each function
and type that has no page of its own name. The headers are the only documentation of each function;
what is here is which page it is on. Fails if a comment names another thing than it stands before.
"""

import re
import sys
from pathlib import Path

# header, page, its title, which names (without vmboot_, in small letters); the first that fits
PAGES = (
    ("cancel.h", "vmboot_cancel", "end a call that takes long", r".*"),
    ("error.h", "vmboot_error", "errors of libvmboot, and strings that it returned", r".*"),
    ("event.h", "vmboot_phase", "the phases of a boot", r"phase.*"),
    ("event.h", "vmboot_ledger", "where the time of a boot went", r".*"),
    ("exec.h", "vmboot_copy_to", "copy files into a guest and out of it", r"copy_.*"),
    ("exec.h", "vmboot_stat", "what a path in a guest is", r"stat.*"),
    ("exec.h", "vmboot_exec", "run programs in a guest", r".*"),
    ("image.h", "vmboot_image", "the images in the store", r".*"),
    ("opts.h", "vmboot_opts", "what is asked for", r".*"),
    ("version.h", "vmboot_version", "the version of libvmboot", r".*"),
    ("vm.h", "vmboot_create", "make a VM, or only plan it", r"create|prepare.*|plan|render_.*"),
    ("vm.h", "vmboot_start", "start, stop and remove a VM", r"start.*|stop.*|reboot|destroy"),
    ("vm.h", "vmboot_publish", "publish ports of a guest", r"(un)?publish"),
    ("vm.h", "vmboot_wait", "wait for what a guest tells",
     r"wait.*|event_.*|dispatch|on_.*|output_fn|stream|forever"),
    ("vm.h", "vmboot_ledger", "", r"ledger"),
    ("vm.h", "vmboot_gc", "the host's health", r"gc.*|doctor"),
    ("vm.h", "vmboot_open", "find VMs, and what they are", r".*"),
)

BLOCK = re.compile(r"^/\*\*(.*?)\*/\n(.*?)(?=^/\*|^#ifdef __cplusplus|^#endif|\Z)", re.S | re.M)
PUNCTUATION = ").,:;?!]"


class Item:
    """One documented thing: kind, name, its declaration, and the comment."""

    def __init__(self, header, comment, code):
        lines = [re.sub(r"^ ?\* ?", "", line.strip()) for line in comment.strip().split("\n")]
        self.text = "\n".join(lines).strip()
        self.code = declaration(code)
        self.kind, self.name = kind_and_name(self.code, header)
        named = re.match(r"(vmboot_\w+): +", self.text)
        if named:
            if named[1] != self.name:
                sys.exit(f"{header}: the comment of {named[1]} stands before {self.name}")
            self.text = self.text[named.end():]
        self.text = self.text[:1].upper() + self.text[1:]


def declaration(code):
    """Of what follows a comment, the first declaration, and all macros if it is a macro."""
    code = code.strip("\n")
    if code.startswith("#define"):
        return code.split("\n\n")[0]
    end = re.match(r"(?:struct|enum) \w+ \{.*?^\};|.*?;", code, re.S | re.M)
    return end[0] if end else code


def kind_and_name(code, header):
    for kind, pattern in (("function", r"VMBOOT_API\s[^(]*?(vmboot_\w+)\("),
                          ("macro", r"#define (\w+)"),
                          ("typedef", r"typedef [^(]*\(\*(\w+)\)"),
                          ("struct", r"struct (\w+)"), ("enum", r"enum (\w+)")):
        found = re.match(pattern, code)
        if found:
            return kind, found[1]
    sys.exit(f"{header}: what is this? {code[:60]!r}")


def read_header(path):
    header = path.name.removesuffix(".in")
    text = re.sub(r"@VMBOOT_\w+@", "…", path.read_text(encoding="utf-8"))
    return [Item(header, m[1], m[2]) for m in BLOCK.finditer(text)
            if m[2].strip() and "VMBOOT_EXPORT_H" not in text and header != "vmboot.h"]


def roff(text):
    """Text that means nothing to roff."""
    text = text.replace("\\", "\\e").replace('"', "\\(dq")
    return "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in text)


def quoted(text):
    return '"' + roff(text) + '"'


class Writer:
    """Writes mdoc: words are gathered into lines, macros get one of their own."""

    def __init__(self, page, index):
        self.page, self.index, self.lines, self.words = page, index, [], []

    def flush(self):
        if self.words:
            line = roff(" ".join(self.words))
            line += "\\&" if line.endswith((".g.", ".e.")) else ""
            self.lines.append("\\&" + line if line[0] in ".'" else line)
            self.words = []

    def macro(self, line):
        self.flush()
        self.lines.append(line)

    def marked(self, before, macro, after):
        """A macro with what touches it on both sides."""
        tail = []
        while after and after[0] in PUNCTUATION:
            tail.append(after[0])
            after = after[1:]
        line = macro + "".join(" " + c for c in tail) + (f" Ns {quoted(after)}" if after else "")
        self.macro("." + (f"Pf {quoted(before)} " if before else "") + line)

    def function(self, name):
        page = self.index.get(name)
        return f"Fn {name}" if page in (None, self.page) else f"Xr {name} 3"

    def word(self, word):
        found = re.match(r"^(.*?)(?:`([^`]+)`|(vmboot_\w+)\(\)|@(\w+)|(-?)((?:VMBOOT_[A-Z_]+\w)|NULL)"
                         r"|(-)(E[A-Z0-9]{2,}))(.*)$", word, re.S)
        if not found or (found[1] and found[1][-1].isalnum()):
            self.words.append(word)
            if re.search(r"\.\)?$", word):  # a new sentence begins a line, as mdoc has it
                self.flush()
            return
        before, code, function, arg, minus, constant, minus2, errno, after = found.groups()
        before += minus or minus2 or ""
        if code:
            self.marked(before, f"Ql {quoted(code)}", after)
        elif function:
            self.marked(before, self.function(function), after)
        elif arg:
            self.marked(before, f"Fa {arg}", after)
        elif constant:
            self.marked(before, f"Dv {constant}", after)
        else:
            self.marked(before, f"Er {errno}", after)

    def prose(self, text):
        text = re.sub(r"`[^`]*`", lambda m: m[0].replace(" ", "\0").replace("\n", "\0"), text)
        for word in text.split():
            self.word(word.replace("\0", " "))
        self.flush()

    def arguments(self, lines):
        self.macro(".Bl -tag -width Ds -compact")
        for name, text in lines:
            self.macro(f".It Fa {name}")
            self.prose(text[:1].upper() + text[1:])
        self.macro(".El")

    def comment(self, text):
        """Paragraphs; those of lines with an @ are arguments."""
        for n, paragraph in enumerate(re.split(r"\n\s*\n", text)):
            first = re.search(r"^@\w+:", paragraph, re.M)
            prose, args = (paragraph[:first.start()], paragraph[first.start():]) if first else \
                (paragraph, "")
            if prose.strip():
                if n:
                    self.macro(".Pp")
                self.prose(prose)
            if args:
                self.macro(".Pp")
                self.arguments([(m[1], m[2]) for m in re.finditer(
                    r"^@(\w+): *(.*?)(?=^@\w+:|\Z)", args, re.S | re.M)])

    def literal(self, code):
        self.macro(".Bd -literal")
        for line in code.split("\n"):
            line = roff(re.sub(r" +\\$", r" \\", line.expandtabs(8)).rstrip())
            self.lines.append("\\&" + line if line[:1] in (".", "'") else line)
        self.macro(".Ed")


def prototype(out, item):
    code = " ".join(item.code.removeprefix("VMBOOT_API").split())
    found = re.match(r"(.*?)(\w+)\((.*)\);$", code)
    out.macro(f".Ft {quoted(found[1].strip())}")
    out.macro(f".Fo {found[2]}")
    for arg in found[3].split(", "):
        out.macro(f".Fa {quoted(arg)}")
    out.macro(".Fc")


def write_page(page, title, items, index, date):
    out = Writer(page, index)
    functions = [i for i in items if i.kind == "function"]
    others = [i for i in items if i.kind != "function"]
    names = [page] + [i.name for i in functions if i.name != page]
    out.macro('.\\" SPDX-License-Identifier: LGPL-2.1-or-later')
    out.macro('.\\" Made of the headers by mkman.py: change those.')
    out.macro(date)
    out.macro(f".Dt {page.upper()} 3\n.Os libvmboot\n.Sh NAME")
    out.macro(" ,\n".join(f".Nm {name}" for name in names))
    out.macro(f".Nd {title}\n.Sh SYNOPSIS\n.In vmboot/vmboot.h")
    for item in functions:
        prototype(out, item)
    out.macro(".Sh DESCRIPTION")
    for item in functions:
        out.macro(f".Ss {item.name}")
        out.comment(item.text)
    for item in others:
        what = "" if item.kind in ("macro", "typedef") else item.kind + " "
        out.macro(f".Ss {what}{item.name}")
        out.comment(item.text)
        out.literal(item.code)
    text = "\n".join(i.text + i.code for i in items)
    near = {index[name] for name in re.findall(r"vmboot_\w+", text) if name in index} - {page}
    out.macro(".Sh SEE ALSO")
    out.macro(" ,\n".join(f".Xr {name} 3" for name in ["vmboot"] + sorted(near)))
    return "\n".join(out.lines) + "\n"


def place(items):
    """Which page each thing is on."""
    pages = {}
    for header, item in items:
        short = item.name.lower().removeprefix("vmboot_")
        page = next((p for h, p, _, fits in PAGES if h == header and re.fullmatch(fits, short)), None)
        if not page:
            sys.exit(f"{header}: no page for {item.name}; add one to PAGES")
        pages.setdefault(page, []).append(item)
    return pages


def main():
    target = Path(sys.argv[1])
    headers = [Path(name) for name in sys.argv[2:]]
    overview = (Path(__file__).parent / "vmboot.3").read_text(encoding="utf-8")
    date = re.search(r"^\.Dd .*", overview, re.M)[0]
    pages = place([(path.name.removesuffix(".in"), item)
                   for path in headers for item in read_header(path)])
    index = {item.name: page for page, items in pages.items() for item in items}
    titles = {page: title for _, page, title, _ in PAGES if title}
    target.mkdir(parents=True, exist_ok=True)
    for page, items in pages.items():
        text = write_page(page, titles[page], items, index, date)
        (target / f"{page}.3").write_text(text, encoding="utf-8")
    aliases = sorted({(name, page) for name, page in index.items()
                      if name not in pages and name.startswith("vmboot_")})
    (target / "aliases").write_text("".join(f"{a} {p}\n" for a, p in aliases), encoding="utf-8")


main()
