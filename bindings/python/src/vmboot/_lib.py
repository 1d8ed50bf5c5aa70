# SPDX-License-Identifier: LGPL-2.1-or-later
"""Find, load and call the library.

The dynamic linker finds ``libvmboot.so.0``. ``VMBOOT_LIBRARY`` names another library: a file, or
the folder of a build tree.
"""
from __future__ import annotations

import ctypes
import functools
import os
import threading
from typing import Any, Callable, Optional, Tuple, Type, TypeVar, Union, cast

from . import _abi, errors
from ._version import __version__

#: The library's name with its ABI number.
SONAME = "libvmboot.so.0"
OVERRIDE = "VMBOOT_LIBRARY"

_T = TypeVar("_T", bound=ctypes.Structure)
_F = TypeVar("_F", bound=Callable[..., None])


def find(override: Optional[str] = None) -> str:
    """The file to load: from the override, which may be a folder, or by its soname."""
    if not override:
        return SONAME
    if not os.path.isdir(override):
        return override
    tried = [
        os.path.join(override, *middle, SONAME)
        for middle in ((), (".libs",), ("libvmboot", ".libs"), ("lib",))
    ]
    for path in tried:
        if os.path.exists(path):
            return path
    raise ImportError(f"{OVERRIDE} is {override}, where there is no {SONAME}: tried {', '.join(tried)}")


def _numbers(version: str) -> Tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def load(path: str) -> ctypes.CDLL:
    """Load the library and declare its functions; an :class:`ImportError` says what is wrong."""
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cannot load {path}: {error}; install libvmboot, or set {OVERRIDE} to the library "
            "or to a build tree of it"
        ) from error
    try:
        library.vmboot_version.restype = ctypes.c_char_p
        version = library.vmboot_version().decode()
    except AttributeError:
        raise ImportError(f"{path} is not libvmboot") from None
    for name, (result, parameters) in _abi.FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(
                f"{path} is version {version} of libvmboot and lacks {name}(), which this "
                f"package, version {__version__}, needs: install the two together"
            ) from None
        function.restype = result
        function.argtypes = parameters
    if _numbers(version)[:2] < _numbers(__version__)[:2]:
        raise ImportError(
            f"{path} is version {version} of libvmboot, this package is for {__version__} or "
            "later: install the two together"
        )
    return library


lib = load(find(os.environ.get(OVERRIDE)))


def encoded(value: Union[str, "os.PathLike[str]"]) -> bytes:
    """Encode a name or a path for the library; one with a NUL byte is refused."""
    found = os.fsencode(value)
    if b"\0" in found:
        raise ValueError("embedded null byte")
    return found


# ---- interrupts in a callback: kept, and raised when the library's call has returned


class _Pending(threading.local):
    error: Optional[BaseException] = None


_pending = _Pending()


def keep_interrupt(error: BaseException) -> None:
    """Keep a KeyboardInterrupt or SystemExit raised in a callback: C cannot pass it on."""
    _pending.error = error


def guarded(function: _F) -> _F:
    """A callback for C. An Exception that leaves it is reported by ctypes, through
    sys.unraisablehook, and C goes on; what is meant to end the program is kept."""

    @functools.wraps(function)
    def guard(*args: Any) -> None:
        try:
            function(*args)
        except (KeyboardInterrupt, SystemExit) as error:
            keep_interrupt(error)

    return cast(_F, guard)


def take_interrupt() -> Optional[BaseException]:
    error, _pending.error = _pending.error, None
    return error


# ---- calls


def text(value: Optional[bytes]) -> str:
    """Decode a string of the library; bytes that are not UTF-8 become U+FFFD."""
    return (value or b"").decode("utf-8", "replace")


def view(pointer: Any, kind: Type[_T]) -> _T:
    """A struct that the library filled, in our layout; its strings are still the library's.

    It begins with its size: of a shorter one, from an older library, the rest is 0.
    """
    own = kind()
    size = ctypes.cast(pointer, ctypes.POINTER(ctypes.c_size_t))[0]
    ctypes.memmove(ctypes.byref(own), pointer, min(size, ctypes.sizeof(kind)))
    return own


def last_error(result: int) -> errors.VmbootError:
    """The error of this thread's last call, which returned ``result``."""
    found = view(lib.vmboot_last_error(), _abi.Error)
    if found.code != result:
        return errors.make(text(lib.vmboot_strerror(result)), -result)
    return errors.make(
        text(found.message),
        -result,
        field=text(found.field),
        phase=text(found.phase),
        device=text(found.device),
        guest_errno=found.guest_errno,
        libvirt_code=found.libvirt_code,
        libvirt_message=text(found.libvirt_message),
        console=text(found.console),
    )


def call(name: str, *args: Any) -> int:
    """Call a function that returns 0 or more on success; raise its error otherwise."""
    result: int = getattr(lib, name)(*args)
    error = last_error(result) if result < 0 else None
    interrupt = take_interrupt()
    if interrupt:
        raise interrupt
    if error:
        raise error
    return result


def call_for_text(name: str, *args: Any) -> Tuple[int, str]:
    """Call a function that returns a string through its last argument; frees that string."""
    place = ctypes.c_void_p()
    try:
        result = call(name, *args, ctypes.byref(place))
        return result, text(ctypes.string_at(place.value)) if place.value else ""
    finally:
        lib.vmboot_free(place)


def version() -> str:
    """The version of the library that is loaded.

    >>> vmboot.version().split(".")[0]
    '0'
    """
    return text(lib.vmboot_version())
