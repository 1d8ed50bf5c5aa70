# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boot a container image in a virtual machine, and see how long each step takes.

>>> import vmboot
>>> with vmboot.create(name="my-instance", image="node:20", skip_kernel_headers=True) as vm:
...     vm.wait("agent", timeout=120)
...     print(vm.exec(["echo", "hello from the guest"], text=True, check=True).stdout, end="")
hello from the guest

This is the Python package of libvmboot, with :mod:`ctypes`. It finds ``libvmboot.so.0`` as the
dynamic linker does; the environment variable ``VMBOOT_LIBRARY`` names another one, or a build tree.
Calls release the interpreter's lock, and threads may share objects. :mod:`vmboot.aio` is the same
for :mod:`asyncio`. The library logs to ``logging.getLogger("vmboot")``.
"""
from __future__ import annotations

from . import aio, errors, images
from ._abi import (
    Accel,
    ErrorCode,
    GuestAgent,
    InitMode,
    KernelStart,
    Network,
    OnExit,
    Phase,
    Poweroff,
    Pull,
    State,
    Stream,
    TlsVerify,
)
from ._cancel import Cancel
from ._exec import DEVNULL, PIPE, STDOUT, CompletedProcess, Process
from ._host import events, stats
from ._lib import version
from ._request import Field, Request, check, fields, request_json
from ._results import Check, Event, Image, Info, Ledger, Removed, phase_help, phase_name
from ._version import __version__
from ._vm import VM, create, doctor, gc, plan, prepare, render_xml, store_path
from ._vm import list_ as list
from ._vm import open_ as open
from .errors import (
    AgentError,
    BootError,
    CalledProcessError,
    ClosedError,
    EndedError,
    ErrnoError,
    FileExists,
    FileNotFound,
    GuestError,
    HostError,
    ImageError,
    ImageNotFound,
    KernelError,
    LibvirtError,
    NotFound,
    OptionError,
    OutputCut,
    OutputLost,
    PermissionDenied,
    Timeout,
    TimeoutExpired,
    VmbootError,
    VMNotFound,
)

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "VM",
    "Accel",
    "AgentError",
    "BootError",
    "CalledProcessError",
    "Cancel",
    "Check",
    "ClosedError",
    "CompletedProcess",
    "EndedError",
    "ErrnoError",
    "ErrorCode",
    "Event",
    "Field",
    "FileExists",
    "FileNotFound",
    "GuestAgent",
    "GuestError",
    "HostError",
    "Image",
    "ImageError",
    "ImageNotFound",
    "Info",
    "InitMode",
    "KernelError",
    "KernelStart",
    "Ledger",
    "LibvirtError",
    "Network",
    "NotFound",
    "OnExit",
    "OptionError",
    "OutputCut",
    "OutputLost",
    "PermissionDenied",
    "Phase",
    "Poweroff",
    "Process",
    "Pull",
    "Removed",
    "Request",
    "State",
    "Stream",
    "Timeout",
    "TimeoutExpired",
    "TlsVerify",
    "VMNotFound",
    "VmbootError",
    "__version__",
    "aio",
    "check",
    "create",
    "doctor",
    "errors",
    "events",
    "fields",
    "gc",
    "images",
    "list",
    "open",
    "phase_help",
    "phase_name",
    "plan",
    "prepare",
    "render_xml",
    "request_json",
    "stats",
    "store_path",
    "version",
]
