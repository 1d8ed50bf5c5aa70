# SPDX-License-Identifier: LGPL-2.1-or-later
"""The images in the store.

>>> [image.name for image in vmboot.images.list()]
['localhost/node:20']
"""
from __future__ import annotations

import ctypes
from typing import Any, List, Optional

from . import _abi, _results
from ._lib import call, encoded, lib
from ._cancel import Cancel
from ._log import Progress
from ._request import Options, StrPath, limited, where
from ._results import Image

__all__ = ["Image", "import_image", "list", "remove"]


def import_image(
    source: StrPath,
    name: Optional[str] = None,
    *,
    store: Optional[StrPath] = None,
    progress: Optional[Progress] = None,
    timeout: Optional[float] = None,
    cancel: Optional[Cancel] = None,
) -> Image:
    """Import an image into the store; one that is there already is not imported again.

    ``source`` is ``"oci:DIR[:TAG]"``, ``"dir:DIR"``, ``"tar:FILE"`` or ``"disk:FILE"``; ``name``,
    for example ``"node:20"``, is derived from it if it is not given. An import that fails, takes
    longer than ``timeout`` seconds, or is cancelled by a :class:`vmboot.Cancel` leaves nothing.

    >>> vmboot.images.import_image("oci:/no/such/layout", name="node:21")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    vmboot.errors.ImageError: ...
    """
    place = ctypes.POINTER(_abi.Image)()
    named = None if name is None else encoded(name)
    request = limited({"store": store}, timeout)
    with Options(request, None, progress, cancel) as opts:
        call("vmboot_image_import", opts, encoded(source), named, ctypes.byref(place))
    try:
        return _results.image(place)
    finally:
        lib.vmboot_image_free(place)


def remove(name: str, *, store: Optional[StrPath] = None) -> None:
    """Remove a name from the store; an image's disk is removed with its last name.

    >>> vmboot.images.remove("node:20")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    vmboot.errors.ErrnoError: ...
    """
    with where(None, store).options() as opts:
        call("vmboot_image_remove", opts, encoded(name))


def list(*, store: Optional[StrPath] = None) -> List[Image]:  # pylint: disable=redefined-builtin
    """All images in the store, by name."""
    with where(None, store).options() as opts:
        found: List[Any] = _results.list_of(
            "vmboot_image_list", opts, "vmboot_image_list_free", _abi.Image, _results.image
        )
        return found
