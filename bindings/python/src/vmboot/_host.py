# SPDX-License-Identifier: LGPL-2.1-or-later
"""All VMs of a libvirt: what they use, and what happens to them."""
from __future__ import annotations

import ctypes
import json
import select
from typing import Any, Dict, Iterator, List, Optional

from ._handle import Deadline
from ._lib import call, call_for_text, lib
from . import _abi
from ._request import StrPath, where

#: How long a wait for events takes before it looks whether the connection is still there.
_HEALTH_S = 1.0


def stats(
    *,
    guest: bool = True,
    uri: Optional[str] = None,
    store: Optional[StrPath] = None,
    connection: Any = None,
) -> List[Dict[str, Any]]:
    """What each VM that runs uses; ``man 5 vmboot-json`` describes it.

    With ``guest`` each guest's agent is asked for its memory, too.

    >>> vmboot.stats()[0]["name"]
    'web'
    """
    flags = _abi.STATS_GUEST if guest else 0
    with where(uri, store, connection).options() as opts:
        found: List[Dict[str, Any]] = json.loads(call_for_text("vmboot_stats", opts, flags)[1])
        return found


class Subscription:
    """What :func:`events` and its twin for asyncio share."""

    def __init__(self, uri: Optional[str], store: Optional[StrPath], connection: Any) -> None:
        pointer = ctypes.c_void_p()
        with where(uri, store, connection).options() as opts:
            call("vmboot_events_open", opts, ctypes.byref(pointer))
        self._pointer = pointer
        self._kept = connection
        self.fd = lib.vmboot_events_fd(pointer)

    def take(self) -> List[Dict[str, Any]]:
        """All that there is now."""
        found: List[Dict[str, Any]] = []
        while True:
            there, text = call_for_text("vmboot_events_next", self._pointer)
            if not there:
                return found
            found.append(json.loads(text))

    def close(self) -> None:
        lib.vmboot_events_close(self._pointer)


def events(
    timeout: Optional[float] = None,
    *,
    uri: Optional[str] = None,
    store: Optional[StrPath] = None,
    connection: Any = None,
) -> Iterator[Dict[str, Any]]:
    """What happens to all VMs of a libvirt, from now on; ``man 5 vmboot-json`` describes it.

    It ends after ``timeout`` seconds; None: never. Nothing that happens after the call is missed.

    >>> list(vmboot.events(timeout=0))
    []
    """
    return _follow(Subscription(uri, store, connection), Deadline(timeout))


def _follow(subscription: Subscription, deadline: Deadline) -> Iterator[Dict[str, Any]]:
    try:
        while True:
            yield from subscription.take()
            if deadline.passed:
                return
            select.select([subscription.fd], [], [], deadline.at_most(_HEALTH_S))
    finally:
        subscription.close()
