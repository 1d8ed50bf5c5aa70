# SPDX-License-Identifier: LGPL-2.1-or-later
"""A handle of the library, which threads share and any of them may close."""
from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Any, Iterator, Optional

from . import errors
from ._lib import lib

#: The longest time that a C int holds, in milliseconds: 24 days.
_LONGEST_MS = 2**31 - 1


class Handle:
    """The ``struct vmboot_vm *``. It is freed once it is closed and no call uses it."""

    def __init__(self, pointer: Optional[int], kept: Any) -> None:
        self._pointer = pointer
        self._kept = kept
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False
        self._pid = os.getpid()

    @property
    def closed(self) -> bool:
        return self._closed

    @contextlib.contextmanager
    def use(self) -> Iterator[Optional[int]]:
        """The pointer, for the duration of a call."""
        # before taking the lock, which a thread of the parent may have held at the fork
        if self._pid != os.getpid():
            raise errors.ClosedError(
                "the handle on this VM belongs to the process that this one was forked from: "
                "vmboot.open() gives another"
            )
        with self._lock:
            if self._closed:
                raise errors.ClosedError("the handle on this VM is closed")
            self._users += 1
        try:
            yield self._pointer
        finally:
            with self._lock:
                self._users -= 1
                pointer = self._last()
            self._give_back(pointer)

    def close(self) -> None:
        if self._pid != os.getpid():
            self._closed = True
            return
        with self._lock:
            self._closed = True
            pointer = self._last()
        self._give_back(pointer)

    def _last(self) -> Optional[int]:
        if not self._closed or self._users:
            return None
        pointer, self._pointer = self._pointer, None
        return pointer

    def _give_back(self, pointer: Optional[int]) -> None:
        # in a forked child the handle belongs to the parent, whose threads do not exist here
        if pointer is not None and self._pid == os.getpid():
            lib.vmboot_close(pointer)
            self._kept = None


class Deadline:
    """A timeout in seconds, or None, that starts now."""

    def __init__(self, timeout: Optional[float]) -> None:
        self._at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> Optional[float]:
        """The seconds that are left, 0 or more; None if there is no deadline."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def left_ms(self) -> int:
        """The milliseconds that are left, rounded up; -1 if there is no deadline."""
        return milliseconds(self.left())

    def at_most(self, seconds: float) -> float:
        left = self.left()
        return seconds if left is None else min(left, seconds)

    @property
    def passed(self) -> bool:
        return self.left() == 0.0


def milliseconds(seconds: Optional[float]) -> int:
    """Milliseconds for the library, rounded up; None becomes -1, which is VMBOOT_FOREVER."""
    if seconds is None:
        return -1
    return min(_LONGEST_MS, max(0, -int(-seconds * 1000 // 1)))
