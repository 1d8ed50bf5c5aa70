# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cancel calls that take long."""
from __future__ import annotations

import ctypes
from typing import Optional

from ._lib import call, lib


class Cancel:
    """Cancels each call that got it as ``cancel=``, from another thread or from its ``progress``.

    A call that is cancelled removes what it has made so far and raises an :class:`OSError` with
    ``errno.ECANCELED``. A call whose work is done already returns as usual.

    >>> cancel = vmboot.Cancel()
    >>> cancel.cancel()
    >>> vmboot.images.import_image("dir:/srv", cancel=cancel)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    vmboot.errors.ErrnoError: cancelled while importing the image
    """

    def __init__(self) -> None:
        self._pointer = ctypes.c_void_p()
        call("vmboot_cancel_new", ctypes.byref(self._pointer))

    def cancel(self) -> None:
        """Cancel the calls that use it now or later; does not wait."""
        lib.vmboot_cancel(self._pointer)

    @property
    def pointer(self) -> Optional[int]:
        """For the library."""
        return self._pointer.value

    def __del__(self) -> None:
        pointer = getattr(self, "_pointer", None)
        if pointer and lib is not None:
            lib.vmboot_cancel_free(pointer)
