# SPDX-License-Identifier: LGPL-2.1-or-later
"""The images in the store.

>>> [image.name for image in vmboot.images.list()]
['localhost/node:20']
"""
from __future__ import annotations

import ctypes
import datetime
import json
from typing import Any, Dict, List, Optional

from . import _abi, _results
from ._lib import call, call_for_text, encoded, lib
from ._cancel import Cancel
from ._log import Progress
from ._request import Options, StrPath, limited, where
from ._results import DiskSpace, Image, Pruned

__all__ = [
    "DiskSpace",
    "Image",
    "Pruned",
    "df",
    "import_image",
    "inspect",
    "list",
    "prune",
    "pull",
    "remove",
    "save",
    "tag",
]


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

    ``source`` is ``"oci:DIR[:TAG]"``, ``"dir:DIR"``, ``"tar:FILE"``, ``"disk:FILE"`` or what skopeo
    reads, ``"docker-archive:FILE"`` for one, which ``man vmboot_image_import`` lists; ``name``,
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


def pull(
    image: str,
    name: Optional[str] = None,
    *,
    platform: Optional[str] = None,
    authfile: Optional[StrPath] = None,
    creds: Optional[str] = None,
    cert_dir: Optional[StrPath] = None,
    tls_verify: Optional[bool] = None,
    store: Optional[StrPath] = None,
    progress: Optional[Progress] = None,
    timeout: Optional[float] = None,
    cancel: Optional[Cancel] = None,
) -> Image:
    """Fetch an image from a registry into the store: only layers that the store does not have.

    ``image`` is a name such as ``"node:20"`` or ``"docker.io/library/node@sha256:…"``, or any source
    of :func:`import_image`. skopeo does it, so registries.conf, auth.json, certs.d and policy.json
    hold. ``creds`` is ``"user:password"``. ``progress`` is called with the bytes of the layers, then of
    the disk. A pull that fails, takes longer than ``timeout`` seconds, or is cancelled leaves only
    whole layers, which the next one uses. :func:`vmboot.create` pulls by itself, as ``pull=`` says.

    >>> vmboot.images.pull("localhost/no-such-image")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    vmboot.errors.ImageNotFound: ...
    """
    place = ctypes.POINTER(_abi.Image)()
    named = None if name is None else encoded(name)
    request = limited(
        {
            "store": store,
            "platform": platform,
            "authfile": authfile,
            "creds": creds,
            "cert_dir": cert_dir,
            "tls_verify": None if tls_verify is None else str(bool(tls_verify)).lower(),
        },
        timeout,
    )
    with Options(request, None, progress, cancel) as opts:
        call("vmboot_image_pull", opts, encoded(image), named, ctypes.byref(place))
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


def inspect(name: str, *, store: Optional[StrPath] = None) -> Dict[str, Any]:
    """All that the store knows about an image: names, digest, config, layers, history, users;
    see vmboot-json(5).

    >>> vmboot.images.inspect("node:20")["name"]
    'localhost/node:20'
    """
    with where(None, store).options() as opts:
        found: Dict[str, Any] = json.loads(
            call_for_text("vmboot_image_inspect", opts, encoded(name))[1]
        )
        return found


def save(
    name: str,
    target: StrPath,
    *,
    store: Optional[StrPath] = None,
    timeout: Optional[float] = None,
    cancel: Optional[Cancel] = None,
) -> None:
    """Write an image to ``"oci:DIR[:TAG]"`` or ``"oci-archive:FILE[:TAG]"``, which must not exist.

    >>> vmboot.images.save("no-such-image", "oci:/srv/image")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    vmboot.errors.ImageNotFound: ...
    """
    with Options(limited({"store": store}, timeout), None, None, cancel) as opts:
        call("vmboot_image_save", opts, encoded(name), encoded(target))


def tag(name: str, new_name: str, *, store: Optional[StrPath] = None) -> None:
    """Give an image one more name; an image that had this name before loses it."""
    with where(None, store).options() as opts:
        call("vmboot_image_tag", opts, encoded(name), encoded(new_name))


def prune(
    *,
    all: bool = False,  # pylint: disable=redefined-builtin
    before: Optional[datetime.datetime] = None,
    dry_run: bool = False,
    store: Optional[StrPath] = None,
) -> List[Pruned]:
    """Remove the images that have no name and that no VM uses; with ``all`` also those with names;
    with ``before`` only those that were imported before that time.

    >>> vmboot.images.prune(dry_run=True)
    []
    """
    flags = (_abi.PRUNE_ALL if all else 0) | (_abi.PRUNE_DRY_RUN if dry_run else 0)
    limit = int(before.timestamp()) if before else 0
    with where(None, store).options() as opts:
        found: List[Pruned] = _results.records(
            Pruned, json.loads(call_for_text("vmboot_image_prune", opts, flags, limit)[1])
        )
        return found


def df(
    *, uri: Optional[str] = None, store: Optional[StrPath] = None, connection: Any = None
) -> List[DiskSpace]:
    """What takes how much disk space in the store.

    >>> [part.type for part in vmboot.images.df()]
    ['images', 'vms', 'kernels', 'caches']
    """
    with where(uri, store, connection).options() as opts:
        found: List[DiskSpace] = _results.records(
            DiskSpace, json.loads(call_for_text("vmboot_df", opts)[1])
        )
        return found
