# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library's results as Python values: none of them refers to memory of C."""
from __future__ import annotations

import ctypes
import dataclasses
import datetime
import json
import os
from typing import Any, Dict, Iterator, List, Optional, Tuple

from . import _abi
from ._lib import call, call_for_text, lib, text, view
from ._abi import Phase, State


def phase_name(phase: int) -> str:
    """The name of a phase, as in JSON and tables.

    >>> vmboot.phase_name(vmboot.Phase.SETTLE_ROOT)
    'settle-root'
    """
    return text(lib.vmboot_phase_name(phase))


def phase_help(phase: int) -> str:
    """A description of a phase, in one line.

    >>> vmboot.phase_help(vmboot.Phase.SETTLE_ROOT)
    'the root disk (vda) is there'
    """
    return text(lib.vmboot_phase_help(phase))


@dataclasses.dataclass(frozen=True)
class Event:
    """One line of the ledger: a phase of the boot that has ended."""

    phase: Phase
    #: True: reported by the guest; False: observed by the host
    guest: bool
    #: 0, or the errno with which the phase failed
    error: int
    #: microseconds since the boot was requested
    start_us: int
    end_us: int
    #: the phase's own count, see :class:`Phase`
    value: int
    #: the device concerned, or ""
    device: str
    #: a few words, or ""
    detail: str

    @property
    def name(self) -> str:
        """The phase's name, e.g. ``"settle-root"``."""
        return phase_name(self.phase)

    @property
    def duration_us(self) -> int:
        return self.end_us - self.start_us


def event(struct: _abi.Event) -> Event:
    return Event(
        phase=Phase(struct.phase),
        guest=struct.guest,
        error=struct.error,
        start_us=struct.start_us,
        end_us=struct.end_us,
        value=struct.value,
        device=text(struct.device),
        detail=text(struct.detail),
    )


@dataclasses.dataclass(frozen=True)
class Ledger:
    """All events of the newest boot on one time line.

    >>> ledger = vm.ledger()
    >>> [event.name for event in ledger if event.phase == vmboot.Phase.PROGRAM]
    ['program']
    >>> "settle-root" in ledger.table()
    True
    """

    name: str
    #: ordered by their start
    events: Tuple[Event, ...]
    #: the program ended
    exited: bool
    #: its code, if it ended by itself; else -1
    exit_code: int
    #: the signal that ended it, or 0
    exit_signal: int
    #: from create to the program's start, or -1 if it has not started
    program_us: int
    #: how far guest times may be off against host times
    clock_error_us: int
    #: it ended because the kernel killed it, or a process of its, for want of memory
    exit_oom: bool = False

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def json(self) -> str:
        """One JSON object, as ``vmboot report --json`` prints it."""
        return self._text("vmboot_ledger_json")

    def table(self) -> str:
        """A table for people, times in milliseconds, as ``vmboot report`` prints it."""
        return self._text("vmboot_ledger_table")

    def chart(self, columns: int = 80) -> str:
        """Bars on a time line, for a terminal with ``columns`` columns.

        >>> vm.ledger().chart(100).isascii()
        True
        """
        return self._text("vmboot_ledger_chart", columns)

    def svg(self) -> str:
        """A picture like that of ``systemd-analyze plot``, as a complete SVG document.

        >>> "<svg" in vm.ledger().svg()
        True
        """
        return self._text("vmboot_ledger_svg")

    def _text(self, function: str, *args: Any) -> str:
        events = [_event_struct(event) for event in self.events]
        array: Any = ctypes.POINTER(_abi.Event) * len(events)
        struct = _abi.Ledger(
            size=ctypes.sizeof(_abi.Ledger),
            name=self.name.encode(),
            n_events=len(events),
            events=array(*[ctypes.pointer(event) for event in events]),
            exited=self.exited,
            exit_code=self.exit_code,
            exit_signal=self.exit_signal,
            program_us=self.program_us,
            clock_error_us=self.clock_error_us,
            exit_oom=self.exit_oom,
        )
        return call_for_text(function, ctypes.byref(struct), *args)[1]


def _event_struct(event: Event) -> _abi.Event:
    return _abi.Event(
        size=ctypes.sizeof(_abi.Event),
        phase=event.phase,
        guest=event.guest,
        error=event.error,
        start_us=event.start_us,
        end_us=event.end_us,
        value=event.value,
        device=event.device.encode(),
        detail=event.detail.encode(),
    )


def ledger(pointer: Any) -> Ledger:
    """Convert a ledger; the pointer still belongs to the caller."""
    struct = view(pointer, _abi.Ledger)
    return Ledger(
        name=text(struct.name),
        events=tuple(event(view(struct.events[i], _abi.Event)) for i in range(struct.n_events)),
        exited=struct.exited,
        exit_code=struct.exit_code,
        exit_signal=struct.exit_signal,
        program_us=struct.program_us,
        clock_error_us=struct.clock_error_us,
        exit_oom=struct.exit_oom,
    )


@dataclasses.dataclass(frozen=True)
class Info:
    """The properties of a VM and its current state."""

    name: str
    uuid: str
    #: the image's full name, and its digest
    image: str
    digest: str
    state: State
    #: the VM is removed when it stops
    ephemeral: bool
    skip_kernel_headers: bool
    skip_guest_agent: bool
    vcpus: int
    memory_mib: int
    #: "kvm" or "tcg"
    accel: str
    #: where its disks and logs are
    folder: str
    skip_module_signatures: bool
    #: the store of its files, a path
    store: str
    #: when its files were made, and when its newest boot began; None if not known
    created: Optional[datetime.datetime]
    started: Optional[datetime.datetime]
    #: the beginning of its command, for display
    command: str
    #: the published ports, each "IP:PORT:GUESTPORT/tcp" or "/udp"
    publish: Tuple[str, ...]
    labels: Dict[str, str]


def texts(pointer: Any) -> Tuple[str, ...]:
    """A NULL-ended array of strings; NULL counts as empty."""
    found: List[str] = []
    while pointer and pointer[len(found)] is not None:
        found.append(text(pointer[len(found)]))
    return tuple(found)


def moment(seconds: int) -> Optional[datetime.datetime]:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc) if seconds else None


def _labels(words: Any) -> Dict[str, str]:
    found: Dict[str, str] = {}
    while words and words[len(found)] is not None:
        key, _, value = text(words[len(found)]).partition("=")
        found[key] = value
    return found


def info(pointer: Any) -> Info:
    struct = view(pointer, _abi.Info)
    return Info(
        name=text(struct.name),
        uuid=text(struct.uuid),
        image=text(struct.image),
        digest=text(struct.digest),
        state=State(struct.state),
        ephemeral=struct.ephemeral,
        skip_kernel_headers=struct.skip_kernel_headers,
        skip_guest_agent=struct.skip_guest_agent,
        vcpus=struct.vcpus,
        memory_mib=struct.memory_mib,
        accel=text(struct.accel),
        folder=os.fsdecode(struct.folder or b""),
        skip_module_signatures=struct.skip_module_signatures,
        store=os.fsdecode(struct.store or b""),
        created=moment(struct.created),
        started=moment(struct.started),
        command=text(struct.command),
        publish=texts(struct.publish),
        labels=_labels(struct.labels),
    )


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in the store."""

    #: the full name, e.g. "localhost/node:20"
    name: str
    digest: str
    #: path of the root disk, its format and its size
    disk: str
    format: str
    bytes: int
    #: seconds since 1970
    imported: int
    config_json: str
    #: when it was built, as it says; "" if it does not say
    created: str = ""
    #: names of the VMs that use it
    users: Tuple[str, ...] = ()

    @property
    def config(self) -> Dict[str, Any]:
        """What the image says about its program: entrypoint, cmd, env, workdir, user, stop_signal,
        exposed_ports, volumes, labels and healthcheck, as far as it has them."""
        found: Dict[str, Any] = json.loads(self.config_json or "{}")
        return found

    @property
    def imported_at(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.imported, datetime.timezone.utc)


def _texts(pointer: Any) -> Tuple[str, ...]:
    """A NULL-ended list of strings."""
    found: List[str] = []
    while pointer and pointer[len(found)]:
        found.append(text(pointer[len(found)]))
    return tuple(found)


def image(pointer: Any) -> Image:
    struct = view(pointer, _abi.Image)
    return Image(
        name=text(struct.name),
        digest=text(struct.digest),
        disk=os.fsdecode(struct.disk or b""),
        format=text(struct.format),
        bytes=struct.bytes,
        imported=struct.imported,
        config_json=text(struct.config_json),
        created=text(struct.created),
        users=_texts(struct.users),
    )


@dataclasses.dataclass(frozen=True)
class Pruned:
    """One image that :func:`vmboot.images.prune` removed, or would."""

    digest: str
    names: List[str]
    bytes: int


@dataclasses.dataclass(frozen=True)
class DiskSpace:
    """What one part of the store takes on disk, in bytes."""

    #: "images", "vms", "kernels" or "caches"
    type: str
    count: int
    active: int
    bytes: int
    reclaimable: int


@dataclasses.dataclass(frozen=True)
class Check:
    """One check of this host; ``mend`` is the suggested fix."""

    name: str
    #: "ok", "warning" or "error"
    status: str
    found: str
    mend: str


@dataclasses.dataclass(frozen=True)
class Removed:
    """One thing that :func:`vmboot.gc` removed, or would."""

    what: str
    name: str
    why: str


def records(kind: Any, found: List[Dict[str, Any]]) -> List[Any]:
    """Dataclasses from JSON objects; members that a newer library adds are ignored."""
    names = [field.name for field in dataclasses.fields(kind)]
    return [kind(**{name: row.get(name, "") for name in names}) for row in found]


_NS = 1_000_000_000


def stat_result(struct: _abi.Stat) -> os.stat_result:
    """The result that :func:`os.stat` would return in the guest."""
    times = (struct.atime_ns, struct.mtime_ns, struct.ctime_ns)
    whole = [ns // _NS for ns in times]
    more: Dict[str, float] = {
        "st_blocks": struct.blocks,
        "st_blksize": 4096,
        "st_rdev": 0,
    }
    for name, ns in zip(("st_atime", "st_mtime", "st_ctime"), times):
        more[name] = ns / _NS
        more[name + "_ns"] = ns
    return os.stat_result(
        (
            struct.mode,
            struct.inode,
            struct.device,
            struct.nlink,
            struct.uid,
            struct.gid,
            struct.bytes,
            *whole,
        ),
        more,
    )


def list_of(function: str, opts: Any, free: str, kind: Any, convert: Any) -> List[Any]:
    """Call a function that returns a list of structs ended by NULL."""
    place = ctypes.POINTER(ctypes.POINTER(kind))()
    try:
        n = call(function, opts, ctypes.byref(place))
        return [convert(place[i]) for i in range(n)]
    finally:
        getattr(lib, free)(place)
