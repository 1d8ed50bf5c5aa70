# SPDX-License-Identifier: LGPL-2.1-or-later
"""A way to end calls that take long."""
from __future__ import annotations

import ctypes
from typing import Optional

from ._lib import call, lib


class Cancel:
    """Ends each call that got it as ``cancel=``, from another thread or from its own ``progress``.

    A call that is cancelled undoes what it has half made and raises an :class:`OSError` with
    ``errno.ECANCELED``. One that has done its work already returns as if nothing had been asked.

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
        """Cancel what uses it now or later; does not wait."""
        lib.vmboot_cancel(self._pointer)

    @property
    def pointer(self) -> Optional[int]:
        """For the library."""
        return self._pointer.value

    def __del__(self) -> None:
        pointer = getattr(self, "_pointer", None)
        if pointer and lib is not None:
            lib.vmboot_cancel_free(pointer)
