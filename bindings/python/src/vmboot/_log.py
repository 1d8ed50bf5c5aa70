# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the library has to say, to :mod:`logging`; and how its long work goes on."""
from __future__ import annotations

import logging
from typing import Any, Callable, Optional

from . import _abi
from ._lib import guarded, text

#: Told what is done, how much of it, and how much there is, or 0 where nobody knows.
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


#: One for the whole process, which never goes away: nothing can call it when it is gone.
on_log: Any = _abi.LogFn(_on_log)


def progress_callback(progress: Optional[Progress]) -> Any:
    """The function for C; whoever hands it out keeps it as long as C may call it."""
    if progress is None:
        return _abi.ProgressFn(0)
    told = progress

    @guarded
    def on_progress(what: Optional[bytes], done: int, total: int, _data: Any) -> None:
        told(text(what), done, total)

    return _abi.ProgressFn(on_progress)
