# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pass the library's log records to :mod:`logging`, and its progress to a callback."""
from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from . import _abi
from ._lib import guarded, text

#: Receives the current step, the amount done and the total, which is 0 if it is not known.
Progress = Callable[[str, int, int], object]

logger = logging.getLogger("vmboot")
logger.addHandler(logging.NullHandler())

LEVELS = {
    _abi.LogLevel.ERR: logging.ERROR,
    _abi.LogLevel.WARNING: logging.WARNING,
    _abi.LogLevel.INFO: logging.INFO,
    _abi.LogLevel.DEBUG: logging.DEBUG,
}


@guarded
def _on_log(level: int, message: Optional[bytes], _data: Any) -> None:
    logger.log(LEVELS.get(_abi.LogLevel(level), logging.DEBUG), "%s", text(message))


#: One for the whole process. It is never freed, so C cannot call a freed function.
on_log: Any = _abi.LogFn(_on_log)


def progress_callback(progress: Optional[Progress]) -> Any:
    """The function for C; the caller keeps a reference as long as C may call it."""
    if progress is None:
        return _abi.ProgressFn(0)
    told = progress

    @guarded
    def on_progress(what: Optional[bytes], done: int, total: int, _data: Any) -> None:
        told(text(what), done, total)

    return _abi.ProgressFn(on_progress)
