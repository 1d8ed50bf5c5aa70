# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write a program's input and read its output at once, without a thread or a deadlock."""
from __future__ import annotations

import contextlib
import os
import selectors
from typing import IO, Any, Dict, List, Optional, Tuple

from ._handle import Deadline

_CHUNK = 65536


class Communication:
    """Can be run again after a deadline: the output read so far is kept."""

    def __init__(
        self,
        stdin: Optional[IO[Any]],
        stdout: Optional[IO[Any]],
        stderr: Optional[IO[Any]],
        data: Optional[bytes],
        most: Optional[int] = None,
    ) -> None:
        self._stdin = stdin
        self._reading: Dict[IO[Any], int] = {}
        self._kept: List[Optional[bytearray]] = [None, None]
        for i, stream in enumerate((stdout, stderr)):
            if stream and not stream.closed:
                self._reading[stream] = i
                self._kept[i] = bytearray()
        self._most = most
        self._left = memoryview(data or b"")
        #: for each output, whether the program wrote more than is kept
        self.cut = [False, False]
        if stdin and not stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                stdin.flush()
            os.set_blocking(stdin.fileno(), False)
            if not self._left:
                self._end_input()

    def outputs(self) -> Tuple[Optional[bytes], Optional[bytes]]:
        out, err = (None if kept is None else bytes(kept) for kept in self._kept)
        return out, err

    def run(self, deadline: Deadline) -> bool:
        """True if all is written and read; False if the deadline passed."""
        with selectors.DefaultSelector() as selector:
            for stream in self._reading:
                selector.register(stream, selectors.EVENT_READ)
            if self._stdin and not self._stdin.closed:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while selector.get_map():
                ready = selector.select(deadline.left())
                if not ready and deadline.passed:
                    return False
                for key, _ in ready:
                    ready_one: Any = key.fileobj
                    if not self._move(ready_one):
                        selector.unregister(ready_one)
                        self._end(ready_one)
        return True

    def _move(self, stream: IO[Any]) -> bool:
        """False if the stream has ended."""
        return self._write() if stream is self._stdin else self._read(stream)

    def _write(self) -> bool:
        assert self._stdin
        try:
            self._left = self._left[os.write(self._stdin.fileno(), self._left[:_CHUNK]) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return bool(self._left)

    def _read(self, stream: IO[Any]) -> bool:
        data = os.read(stream.fileno(), _CHUNK)
        i = self._reading[stream]
        kept = self._kept[i]
        assert kept is not None
        room = len(data) if self._most is None else max(0, self._most - len(kept))
        kept += data[:room]
        self.cut[i] = self.cut[i] or len(data) > room
        return bool(data)

    def _end(self, stream: IO[Any]) -> None:
        if stream is self._stdin:
            self._end_input()
        else:
            del self._reading[stream]
            stream.close()

    def _end_input(self) -> None:
        assert self._stdin
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
