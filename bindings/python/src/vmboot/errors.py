# SPDX-License-Identifier: LGPL-2.1-or-later
"""The errors of this package, as a small tree of exceptions.

Each has a code and a message. If they are known, it also has the field of the request, the boot
phase and the device at fault, the guest's errno, libvirt's own code and message, and the last lines
of the guest's console. An error with an ``errno`` is also the :class:`OSError` that Python uses for
it, so ``except FileNotFoundError`` works. The errors for a program that failed or took too long
also derive from those of :mod:`subprocess`.
"""
from __future__ import annotations

import builtins
import errno
import subprocess
from typing import Any, Dict, Optional, Tuple, Type

from ._abi import ErrorCode

__all__ = [
    "AgentError",
    "BootError",
    "CalledProcessError",
    "ClosedError",
    "EndedError",
    "ErrnoError",
    "FileExists",
    "FileNotFound",
    "GuestError",
    "HostError",
    "ImageError",
    "ImageNotFound",
    "KernelError",
    "LibvirtError",
    "NotFound",
    "OptionError",
    "OutputCut",
    "OutputLost",
    "PermissionDenied",
    "Timeout",
    "TimeoutExpired",
    "VMNotFound",
    "VmbootError",
]


def code_name(code: int) -> str:
    """For example ``"ENOENT"`` or ``"VMBOOT_EOPTS"``; the number if it has no name."""
    if code in ErrorCode.__members__.values():
        return "VMBOOT_" + ErrorCode(code).name
    return errno.errorcode.get(code, str(code))


class VmbootError(Exception):
    """Any error of the library.

    >>> try:
    ...     vmboot.open("no-such-vm")
    ... except vmboot.VmbootError as error:
    ...     print(error.name)
    VMBOOT_ENOVM
    """

    #: a positive errno, or an :class:`vmboot.ErrorCode`; 0 if the error comes from this package
    code: int = 0
    #: the option at fault, as in a request, or ""
    field: str = ""
    #: the boot phase at fault, or ""
    phase: str = ""
    #: the device at fault, e.g. "vdb vmboot-overlay", or ""
    device: str = ""
    #: errno in the guest, or 0
    guest_errno: int = 0
    #: libvirt's error number, or 0
    libvirt_code: int = 0
    #: libvirt's own message, or ""
    libvirt_message: str = ""
    #: the last lines of the guest's console, or ""
    console: str = ""

    def __init__(self, message: str = "", code: int = 0, **more: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        for name, value in more.items():
            setattr(self, name, value)

    @property
    def name(self) -> str:
        """The code's name, e.g. ``"VMBOOT_EBOOT"`` or ``"EEXIST"``."""
        return code_name(self.code) if self.code else ""

    @property
    def detail(self) -> Dict[str, Any]:
        """The non-empty details besides the message, for logs and reports."""
        names = (
            "name",
            "field",
            "phase",
            "device",
            "guest_errno",
            "libvirt_code",
            "libvirt_message",
            "console",
        )
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Tuple[Any, ...]:
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(kind: Type[VmbootError], state: Dict[str, Any]) -> VmbootError:
    error = make(state["message"], state["code"], kind)
    error.__dict__.update(state)
    return error


class ClosedError(VmbootError, ValueError):
    """The handle was closed, as with a closed file."""


class OptionError(VmbootError, ValueError):
    """An option, or a field of a request, is not acceptable; ``field`` says which."""


class ImageError(VmbootError):
    """An image or its config cannot be used."""


class KernelError(VmbootError):
    """Something is missing in the kernel, its modules or its configuration."""


class LibvirtError(VmbootError):
    """A libvirt call failed; see ``libvirt_code`` and ``libvirt_message``."""


class HostError(VmbootError):
    """A tool, a file or a permission is missing on this host."""


class BootError(VmbootError):
    """The guest reported that its boot failed: ``phase``, ``device``, ``guest_errno``, ``console``."""


class GuestError(VmbootError):
    """The guest sent invalid data."""


class EndedError(VmbootError):
    """The guest ended before the awaited phase or event."""


class AgentError(VmbootError):
    """No agent answers in the guest, or the VM was made without one."""


class OutputLost(VmbootError):
    """Output of the guest was dropped before it was read; what came before it was delivered."""


class NotFound(VmbootError, LookupError):
    """There is no VM or image with that name."""


class VMNotFound(NotFound):
    """There is no VM with that name."""


class ImageNotFound(NotFound):
    """There is no image with that name in the store."""


class ErrnoError(VmbootError, builtins.OSError):
    """A system call failed on the host or in the guest; see ``errno``."""

    def __init__(self, message: str = "", code: int = 0, **more: Any) -> None:
        super().__init__(message, code, **more)
        self.errno = code
        self.strerror = message


class FileNotFound(ErrnoError, builtins.FileNotFoundError):
    """A path or a program does not exist, on the host or in the guest."""


class FileExists(ErrnoError, builtins.FileExistsError):
    """A VM or domain with that name, or a file, exists already."""


class PermissionDenied(ErrnoError, builtins.PermissionError):
    """A file may not be read, written or executed."""


class Timeout(ErrnoError, builtins.TimeoutError):
    """The awaited phase or event did not happen in time."""


class TimeoutExpired(Timeout, subprocess.TimeoutExpired):
    """A program in a guest took too long and was killed; also a :class:`subprocess.TimeoutExpired`."""

    def __init__(self, cmd: Any, timeout: float, output: Any = None, stderr: Any = None) -> None:
        message = f"{cmd!r} timed out after {timeout} seconds"
        super().__init__(message, errno.ETIMEDOUT)
        self.cmd = cmd
        self.timeout = timeout
        self.output = output
        self.stderr = stderr

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.cmd, self.timeout, self.output, self.stderr)


class CalledProcessError(VmbootError, subprocess.CalledProcessError):
    """A program in a guest failed, and ``check`` was true."""

    def __init__(self, returncode: int, cmd: Any, output: Any = None, stderr: Any = None) -> None:
        subprocess.CalledProcessError.__init__(self, returncode, cmd, output, stderr)
        self.message = subprocess.CalledProcessError.__str__(self)

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.returncode, self.cmd, self.output, self.stderr)


class OutputCut(VmbootError):
    """A program in a guest wrote more than is kept, and ``output_max`` was not given.

    ``result`` is its :class:`vmboot.CompletedProcess`, with the beginning of each output.
    """

    def __init__(self, result: Any) -> None:
        streams = [name for name in ("stdout", "stderr") if getattr(result, name + "_cut")]
        super().__init__(
            f"Command {result.args!r} wrote more to {' and '.join(streams)} than is kept "
            "(set output_max to have as much of it as you want, or use popen)"
        )
        #: how the program ended, and the output that was kept
        self.result = result

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.result,)


_KINDS: Dict[int, Type[VmbootError]] = {
    ErrorCode.EOPTS: OptionError,
    ErrorCode.EIMAGE: ImageError,
    ErrorCode.EKERNEL: KernelError,
    ErrorCode.ELIBVIRT: LibvirtError,
    ErrorCode.EHOST: HostError,
    ErrorCode.EBOOT: BootError,
    ErrorCode.EGUEST: GuestError,
    ErrorCode.EENDED: EndedError,
    ErrorCode.ENOVM: VMNotFound,
    ErrorCode.ENOIMAGE: ImageNotFound,
    ErrorCode.ENOAGENT: AgentError,
    ErrorCode.ELOST: OutputLost,
    errno.ENOENT: FileNotFound,
    errno.EEXIST: FileExists,
    errno.EACCES: PermissionDenied,
    errno.EPERM: PermissionDenied,
    errno.ETIMEDOUT: Timeout,
}


def kind_of(code: int) -> Type[VmbootError]:
    """The class of an error with this code."""
    if code in _KINDS:
        return _KINDS[code]
    return ErrnoError if code in errno.errorcode else VmbootError


def make(message: str, code: int, kind: Optional[Type[VmbootError]] = None, **more: Any) -> VmbootError:
    """An error of the class that belongs to its code."""
    return (kind or kind_of(code))(message, code, **more)
