# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each command and each program of the documents, run on real guests in the order in which they stand.

documents.py SOURCE FOLDER: tests/boot/documents.sh runs it where an installed copy is what the
shell, the compiler and Python find, and where FOLDER has the images that the documents speak of.

In Markdown an indented block is commands, and a fenced one is what its language says: c, python or
json; text is not run. In a manual page a literal display is commands, unless it begins as JSON or
C does. documents.txt names what cannot be run so, each with its reason.
"""
from __future__ import annotations

import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import textwrap
import time
from typing import Iterator, List, NamedTuple, Optional, Tuple

DOCUMENTS = (
    "README.md",
    "docs/vmboot.1",
    "docs/vmboot-request.5",
    "docs/vmboot-events.7",
    "docs/vmboot.3",
    "bindings/python/README.md",
    "examples/README.md",
)
LIMIT = 180.0  # seconds for a command
TYPED = b"echo typed; exit\n"
C_PROGRAM = "#include <stdio.h>\n#include <vmboot/vmboot.h>\nint main(void)\n{\n%s\n\treturn 0;\n}\n"


class Mark(NamedTuple):
    document: str
    words: str
    how: str
    why: str


class Block(NamedTuple):
    line: int
    language: str
    text: str


class Failed(Exception):
    pass


def read_marks(path: pathlib.Path) -> List[Mark]:
    rows = [line.split(" | ") for line in path.read_text().splitlines() if line and line[0] != "#"]
    marks = [Mark(*(part.strip() for part in row)) for row in rows]
    for mark in marks:
        if mark.how not in ("left", "follow", "terminal") or not mark.why:
            raise Failed(f"{path}: {mark}")
    return marks


# --- finding them


def markdown_blocks(text: str) -> Iterator[Block]:
    """Fenced blocks by their language, and indented ones, which are commands."""
    number, lines = 0, text.splitlines() + [""]
    while number < len(lines):
        start, block, line = number + 1, [], lines[number]
        number += 1
        if line.startswith("```"):
            while not lines[number].startswith("```"):
                block.append(lines[number])
                number += 1
            number += 1
            yield Block(start + 1, line[3:].strip(), "\n".join(block))
        elif line.startswith("    ") and not lines[start - 2].strip():
            while line.startswith("    ") or not line.strip():
                block.append(line[4:])
                if number == len(lines):
                    break
                line = lines[number]
                number += 1
            number -= 1
            yield Block(start, "sh", "\n".join(block).strip("\n"))


def manual_blocks(text: str) -> Iterator[Block]:
    """Literal displays, without what mdoc escapes."""
    for found in re.finditer(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", text, re.M):
        block = found[1].replace(r"\e", "\\").replace(r"\&", "").strip("\n")
        language = "json" if block.startswith("{") else "c" if block.startswith("struct ") else "sh"
        yield Block(text.count("\n", 0, found.start()) + 2, language, block)


def commands(block: Block) -> Iterator[Tuple[int, str]]:
    """A block's commands, each with its line; one may have many lines, as the shell reads them."""
    command = ""
    start = 0
    for number, line in enumerate(block.text.splitlines()):
        if not command:
            start = block.line + number
        command += re.sub(r"^\$ ", "", line) + "\n"
        if not command.strip():
            command = ""
        elif not re.search(r"(\\|\||&&)$", re.sub(r"(^|\s)#.*", "", line).rstrip()):
            yield start, command.strip()
            command = ""
    if command:
        raise Failed(f"line {start}: a command without an end: {command}")


# --- running them


class Runner:
    """A shell that remembers its folder and its environment from command to command."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.state = folder.parent / "state"
        self.out = folder.parent / "said"

    def enter(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.state.write_text(f"cd {folder}\n")

    def script(self, command: str) -> List[str]:
        state = self.state
        after = f'trap \'{{ export -p; echo "cd \\"$PWD\\""; }} >{state}.new; mv {state}.new {state}\' EXIT'
        return ["bash", "-c", f". {state}\n{after}\n{command}"]

    def said(self) -> str:
        return self.out.read_bytes().decode(errors="replace")

    def plain(self, command: str) -> None:
        with open(self.out, "wb") as out:
            child = subprocess.Popen(
                self.script(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
            try:
                status = child.wait(LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                raise Failed(f"is not at its end after {LIMIT:g} s") from None
        if status != 0:
            raise Failed(f"exit {status}")

    def follow(self, command: str) -> None:
        """Until it has printed something; then SIGTERM, which must end it."""
        with open(self.out, "wb") as out:
            child = subprocess.Popen(
                self.script("exec " + command), stdin=subprocess.DEVNULL, stdout=out, start_new_session=True
            )
        end = time.monotonic() + LIMIT
        while not self.out.stat().st_size and time.monotonic() < end and child.poll() is None:
            time.sleep(0.05)
        ended = child.poll()
        child.terminate()
        child.wait(LIMIT)
        if ended is not None or not self.out.stat().st_size:
            raise Failed(f"does not go on: exit {ended}")

    def terminal(self, command: str) -> None:
        """On a terminal, with a few words typed; what they print must come."""
        pid, fd = pty.fork()
        if pid == 0:
            argv = self.script("exec " + command)
            os.execvp(argv[0], argv)
        os.write(fd, TYPED)
        said = b""
        signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
        signal.alarm(int(LIMIT))
        try:
            while True:
                said += os.read(fd, 4096)
        except OSError:  # its end
            pass
        status = os.waitpid(pid, 0)[1]
        signal.alarm(0)
        os.close(fd)
        self.out.write_bytes(said)
        if status != 0 or b"typed\r\n" not in said.replace(TYPED.rstrip(), b""):
            raise Failed(f"wait status {status}")


class Tests:
    def __init__(self, source: pathlib.Path, folder: pathlib.Path) -> None:
        self.source = source
        self.folder = folder
        self.marks = read_marks(source / "tests/boot/documents.txt")
        self.used: List[Mark] = []
        self.runner = Runner(folder)
        self.ran = self.left = self.failures = 0

    def mark(self, document: str, command: str) -> Optional[Mark]:
        for mark in self.marks:
            if mark.document == document and command.startswith(mark.words):
                self.used.append(mark)
                return mark
        return None

    def attempt(self, where: str, command: str, how: str = "plain") -> None:
        self.ran += 1
        start = time.monotonic()
        try:
            getattr(self.runner, how)(command)
            print(f"  {where}: {command.splitlines()[0]} ({time.monotonic() - start:.1f} s)", flush=True)
        except Failed as why:
            self.failures += 1
            print(f"FAIL: {where}: {why}\n{textwrap.indent(command, '    ')}")
            print(textwrap.indent(self.runner.said(), "    | "), flush=True)

    def shell(self, document: str, block: Block) -> None:
        for line, command in commands(block):
            mark = self.mark(document, command)
            if mark and mark.how == "left":
                self.left += 1
                print(f"  {document}:{line}: left: {command.splitlines()[0]}: {mark.why}")
            else:
                self.attempt(f"{document}:{line}", command, mark.how if mark else "plain")

    def program(self, document: str, block: Block) -> None:
        """C: it is program.c of the commands behind it; what is no whole program becomes one."""
        text = block.text if "int main(" in block.text else C_PROGRAM % block.text
        (self.runner.folder / "program.c").write_text(text)
        cc = os.environ["CC"]
        self.attempt(
            f"{document}:{block.line}",
            f"{cc} -Wall -Wextra -Werror -o program program.c $(pkg-config --cflags --libs vmboot) && ./program",
        )

    def python(self, document: str, block: Block) -> None:
        (self.runner.folder / "program.py").write_text(block.text)
        self.attempt(f"{document}:{block.line}", f"{sys.executable} -Werror program.py")

    def request(self, document: str, block: Block) -> None:
        (self.runner.folder / "request.json").write_text(block.text.replace("/srv/images", str(self.folder)))
        self.attempt(f"{document}:{block.line}", "vmboot plan --request request.json")

    def document(self, name: str) -> None:
        text = (self.source / name).read_text(encoding="utf-8")
        print(f"- {name}", flush=True)
        beside = self.folder / os.path.dirname(name)  # a README speaks of the folder that it is in
        self.runner.enter(beside if beside.is_dir() else self.folder)
        ways = {"sh": self.shell, "c": self.program, "python": self.python, "json": self.request}
        for block in markdown_blocks(text) if name.endswith(".md") else manual_blocks(text):
            if block.language in ways:
                ways[block.language](name, block)
                if block.language in ("c", "python"):
                    self.clean()
            elif block.language != "text":
                self.failures += 1
                print(f"FAIL: {name}:{block.line}: nothing is known of a block of {block.language!r}")
        self.clean()

    def clean(self) -> None:
        """A document has VMs of its own."""
        subprocess.run("vmboot ps -aq | xargs -r vmboot rm -f >/dev/null", shell=True, check=False)

    def all(self) -> int:
        for document in DOCUMENTS:
            self.document(document)
        for mark in self.marks:
            if mark not in self.used:
                self.failures += 1
                print(f"FAIL: documents.txt: {mark.document} has no command that begins with {mark.words!r}")
        print(f"{self.ran} run, {self.left} left, {self.failures} failed")
        return self.failures > 0


if __name__ == "__main__":
    sys.exit(Tests(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])).all())
