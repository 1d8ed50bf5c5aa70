# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the face for asyncio has of the one for threads."""
from __future__ import annotations

import inspect
import unittest

import vmboot

#: what does no I/O
PLAIN = {"name", "closed", "close"}
#: asyncio is the event loop
ELSEWHERE = {"event_fd", "dispatch"}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


class Aio(unittest.TestCase):
    def test_what_may_do_io_is_a_coroutine(self) -> None:
        for name in public(vmboot.VM) - PLAIN - ELSEWHERE:
            found = getattr(vmboot.aio.VM, name, None)
            self.assertTrue(
                inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found), name
            )

    def test_what_does_no_io_is_not(self) -> None:
        for name in PLAIN:
            found = getattr(vmboot.aio.VM, name)
            self.assertFalse(
                inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found), name
            )

    def test_nothing_else_is_there(self) -> None:
        self.assertEqual(public(vmboot.aio.VM), public(vmboot.VM) - ELSEWHERE)
        for name in public(vmboot.VM) - {"name", "closed", "state"} - ELSEWHERE:
            here = inspect.signature(getattr(vmboot.aio.VM, name)).parameters
            there = inspect.signature(getattr(vmboot.VM, name)).parameters
            self.assertLessEqual(set(here), set(there), name)
