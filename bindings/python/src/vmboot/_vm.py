# SPDX-License-Identifier: LGPL-2.1-or-later
"""A VM, and what makes, finds and removes them."""
from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import select
import weakref
from typing import IO, TYPE_CHECKING, Any, Callable, Iterator, List, Optional, Tuple, Union, overload

from . import _abi, _results, errors
from ._abi import Phase, State, Stream
from ._exec import ExecMixin, descriptor
from ._handle import Deadline, Handle
from ._lib import call, call_for_text, encoded, guarded, lib, text, view
from ._log import Progress
from ._cancel import Cancel
from ._request import Options, StrPath, Where, limited, where

if TYPE_CHECKING:
    from typing_extensions import Literal, Self, Unpack

    from ._request import Request

logger = logging.getLogger("vmboot")

#: How often one that follows a guest's output asks whether the guest is gone. Output is not polled.
_HEALTH_S = 1.0


def to_phase(phase: Union[Phase, int, str]) -> Phase:
    """A phase of its name, e.g. ``"agent"``, or its number."""
    if not isinstance(phase, str):
        return Phase(phase)
    found = lib.vmboot_phase_from_name(encoded(phase))
    if found < 0:
        raise errors.OptionError(f'there is no phase "{phase}"', _abi.ErrorCode.EOPTS, field="phase")
    return Phase(found)


def to_stream(stream: Union[Stream, int, str]) -> Stream:
    """A stream of its name: ``"stdout"``, ``"stderr"`` or ``"console"``."""
    if not isinstance(stream, str):
        return Stream(stream)
    try:
        return Stream[stream.upper()]
    except KeyError:
        raise errors.OptionError(
            f'there is no stream "{stream}": it must be stdout, stderr or console',
            _abi.ErrorCode.EOPTS,
            field="stream",
        ) from None


class VM(ExecMixin):
    """A handle on one VM, from :func:`vmboot.create` or :func:`vmboot.open`.

    The VM does not depend on it: it goes on when the handle is closed or forgotten and when the
    program ends, and :func:`vmboot.open` finds it again. Only as a context manager,
    ``with vmboot.create(…) as vm:``, does who made it also destroy it. Any thread may use it.

    >>> vm.name
    'web'
    >>> vm.info().state
    <State.RUNNING: 1>
    """

    def __init__(self, handle: Handle, name: str, place: Where, made: bool) -> None:
        self._handle = handle
        self._name = name
        self._where = place
        self._made = made
        self._destroyed = False
        # at the latest when the interpreter ends, while all that it takes is still there
        self._finalizer = weakref.finalize(self, handle.close)

    # ---- the handle

    @property
    def name(self) -> str:
        """The VM's name, and its libvirt domain's."""
        return self._name

    @property
    def closed(self) -> bool:
        """True after :meth:`close`."""
        return self._handle.closed

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<vmboot.VM {self._name!r}{state}>"

    def close(self) -> None:
        """Give the handle back; the VM goes on. Calls in other threads end as they would have."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            if self._made and not self._destroyed and not self.closed:
                self.destroy()
        except errors.VmbootError as failure:
            if error is None:
                raise
            logger.error("%s could not be destroyed: %s", self._name, failure)
        finally:
            self.close()

    # ---- its life

    def info(self) -> _results.Info:
        """What the VM is and does now."""
        with self._handle.use() as pointer:
            place = ctypes.POINTER(_abi.Info)()
            call("vmboot_info", pointer, ctypes.byref(place))
            try:
                return _results.info(place)
            finally:
                lib.vmboot_info_free(place)

    @property
    def state(self) -> State:
        """Stopped, running or paused, now."""
        return self.info().state

    def xml(self) -> str:
        """The domain XML as libvirt has it now."""
        with self._handle.use() as pointer:
            return call_for_text("vmboot_xml", pointer)[1]

    def start(self) -> bool:
        """Start it from its own disks; its logs and ledger begin anew. False: it runs already."""
        try:
            with self._handle.use() as pointer:
                call("vmboot_start", pointer)
            return True
        except errors.ErrnoError as error:
            if error.name == "EALREADY":
                return False
            raise

    def stop(self, timeout: Optional[float] = 10.0) -> bool:
        """Ask the guest to power off; if it has not in time, cut its power. Its disks stay.

        Returns True if it powered off by itself, or was stopped already; False if its power was
        cut. A timeout of 0 cuts at once, None waits as long as it takes.
        """
        deadline = Deadline(timeout)
        try:
            with self._handle.use() as pointer:
                while True:
                    try:
                        return call("vmboot_stop", pointer, deadline.left_ms()) == 0
                    except errors.ErrnoError as error:
                        if error.name != "EINTR":
                            raise
        except errors.ErrnoError as error:
            if error.name == "EALREADY":
                return True
            raise

    def reboot(self, timeout: Optional[float] = 10.0) -> bool:
        """Ask the guest to reboot; if it has not in time, reset it. It boots from its own disks.

        Returns when the new boot begins, which :meth:`wait` then waits for: True if the guest
        rebooted by itself, False if it was reset. A timeout of 0 resets at once, None waits as
        long as it takes. A signal handler that runs meanwhile ends the wait with ``EINTR``.
        """
        deadline = Deadline(timeout)
        with self._handle.use() as pointer:
            return call("vmboot_reboot", pointer, deadline.left_ms()) == 0

    def destroy(self) -> None:
        """Cut its power if it runs, and remove it with its disks and logs. The image stays."""
        with self._handle.use() as pointer:
            call("vmboot_destroy", pointer)
        self._destroyed = True

    # ---- its boot

    def wait(
        self,
        phase: Union[Phase, int, str] = Phase.PROGRAM,
        timeout: Optional[float] = None,
        *,
        next_boot: bool = False,
    ) -> None:
        """Wait until a phase of the boot has ended; seconds at most, None: as long as it takes.

        With ``next_boot``, in a later boot than the newest that this handle has heard of.

        It ends at once when the phase can no longer come: with :class:`vmboot.BootError` if the
        boot failed, with :class:`vmboot.EndedError` if the guest is gone. After ``timeout``
        seconds it raises :class:`vmboot.Timeout`, which is a :class:`TimeoutError`.

        >>> vm.wait("program", timeout=60)
        >>> vm.wait(vmboot.Phase.STOPPED, timeout=0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        vmboot.errors.Timeout: web: phase stopped was not reached in time (last phase: ...)
        """
        wanted = to_phase(phase)
        deadline = Deadline(timeout)
        name = "vmboot_wait_next_boot" if next_boot else "vmboot_wait"
        with self._handle.use() as pointer:
            while True:
                try:
                    call(name, pointer, wanted, deadline.left_ms())
                    return
                except errors.ErrnoError as error:
                    # a signal handler ran; had it raised, we would not be here
                    if error.name != "EINTR":
                        raise

    def event_fd(self) -> int:
        """A descriptor for an event loop: readable when :meth:`dispatch` has something to do.

        It belongs to the handle: do not read or close it.
        """
        with self._handle.use() as pointer:
            return call("vmboot_event_fd", pointer)

    def dispatch(self) -> int:
        """Take in what the guest has said, without waiting; how many events were new.

        It takes a bounded amount: if there is more, :meth:`event_fd` stays readable.
        """
        with self._handle.use() as pointer:
            return call("vmboot_dispatch", pointer)

    def ledger(self) -> _results.Ledger:
        """All that is known of the newest boot, on one time line. Works for stopped VMs too."""
        with self._handle.use() as pointer:
            place = ctypes.POINTER(_abi.Ledger)()
            call("vmboot_ledger", pointer, ctypes.byref(place))
            try:
                return _results.ledger(place)
            finally:
                lib.vmboot_ledger_free(place)

    def events(self) -> Iterator[_results.Event]:
        """Each event of the newest boot, those that were as those that come, until it stops.

        >>> next(event.name for event in vm.events() if event.guest)
        'kernel'
        """
        return self._follow(lambda listener: listener.on_event())

    @overload
    def logs(self, stream: Union[Stream, int, str] = ..., *, follow: Literal[False] = ...) -> bytes:
        ...

    @overload
    def logs(self, stream: Union[Stream, int, str] = ..., *, follow: Literal[True]) -> Iterator[bytes]:
        ...

    def logs(
        self, stream: Union[Stream, int, str] = Stream.STDOUT, *, follow: bool = False
    ) -> Union[bytes, Iterator[bytes]]:
        """What the newest boot wrote to a stream: ``"stdout"``, ``"stderr"`` or ``"console"``.

        With ``follow`` an iterator, which goes on until the guest is gone. The guest does not wait
        for a reader, and what is kept of its output is limited: whoever falls too far behind gets
        what came before the gap and then :exc:`OutputLost`. That the oldest output is gone
        when reading begins is no error.

        >>> vm.logs()
        b'hello\\n'
        >>> next(vm.logs("console", follow=True))[:5] != b""
        True
        """
        wanted = to_stream(stream)
        if follow:
            return self._follow(lambda listener: listener.on_output(wanted))
        with Listener(self) as listener:
            listener.on_output(wanted)
            return b"".join(listener.take_all())

    def _follow(self, begin: Callable[[Listener], None]) -> Iterator[Any]:
        with Listener(self) as listener:
            begin(listener)
            yield from listener.follow()

    # ---- files

    def stat(self, path: StrPath, *, follow_symlinks: bool = True) -> os.stat_result:
        """What a path in the guest is, as :func:`os.stat` would say there.

        >>> vm.stat("/etc/greeting").st_size
        6
        >>> vm.stat("/no/such/file")
        Traceback (most recent call last):
        ...
        vmboot.errors.FileNotFound: web: /no/such/file: No such file or directory
        """
        found = self._stat(path, follow_symlinks)
        if not found[0].exists:
            raise self._no_file(path)
        return _results.stat_result(found[0])

    def lstat(self, path: StrPath) -> os.stat_result:
        """The same of a symbolic link itself."""
        return self.stat(path, follow_symlinks=False)

    def exists(self, path: StrPath, *, follow_symlinks: bool = True) -> bool:
        """Whether a path is there in the guest.

        >>> vm.exists("/etc/greeting"), vm.exists("/etc/nothing")
        (True, False)
        """
        return self._stat(path, follow_symlinks)[0].exists

    def readlink(self, path: StrPath) -> str:
        """Where a symbolic link in the guest points to."""
        struct, target = self._stat(path, False)
        if not struct.exists:
            raise self._no_file(path)
        if not target:
            raise errors.make(f"{self._name}: {os.fspath(path)} is no symbolic link", errno.EINVAL)
        return os.fsdecode(target)

    def _stat(self, path: StrPath, follow: bool) -> Tuple[_abi.Stat, bytes]:
        with self._handle.use() as pointer:
            place = ctypes.POINTER(_abi.Stat)()
            call("vmboot_stat", pointer, encoded(path), follow, ctypes.byref(place))
            try:
                struct = view(place, _abi.Stat)
                return struct, struct.target or b""
            finally:
                lib.vmboot_stat_free(place)

    def _no_file(self, path: StrPath) -> errors.VmbootError:
        return errors.make(
            f"{self._name}: {os.fspath(path)}: {os.strerror(errno.ENOENT)}",
            errno.ENOENT,
            filename=os.fspath(path),
        )

    def copy_to(self, source: StrPath, target: StrPath) -> None:
        """Copy a file or a tree of this host's into the guest.

        If ``target`` is a folder there, the copy lies in it, as with ``cp -a``. Owners, modes,
        times, links and holes are kept.
        """
        with self._handle.use() as pointer:
            call("vmboot_copy_to", pointer, encoded(source), encoded(target))

    def copy_from(self, source: StrPath, target: StrPath) -> None:
        """Copy a file or a tree out of the guest.

        If ``target`` is a folder here, the copy lies in it. Nothing that the guest sends writes
        outside the copy; but for root it may hold devices and programs that run as root.
        """
        with self._handle.use() as pointer:
            call("vmboot_copy_from", pointer, encoded(source), encoded(target))

    def copy_archive_to(self, source: Union[int, IO[bytes]], target: StrPath) -> None:
        """Unpack a tar archive, compressed or not, in a folder of the guest's.

        ``source`` is a descriptor or a file that has one; it is read from where the descriptor is.
        """
        with self._handle.use() as pointer:
            call("vmboot_copy_archive_to", pointer, descriptor(source, writes=False), encoded(target))

    def copy_archive_from(self, source: StrPath, target: Union[int, IO[bytes]]) -> None:
        """Write a file or a tree of the guest's as a tar archive to a descriptor or a file.

        These are the guest's bytes, which nobody has looked at: beware of what unpacks them.
        """
        with self._handle.use() as pointer:
            call("vmboot_copy_archive_from", pointer, encoded(source), descriptor(target, writes=True))


class Listener:
    """A second handle, which hears a boot from its beginning and is its user's alone.

    Callbacks run in :meth:`take`, in the thread that calls it, and only put aside what they are
    told: so a consumer may take its time, leave, or raise.
    """

    def __init__(self, vm: VM) -> None:
        self._vm = open_at(vm.name, vm._where)
        self._heard: List[Any] = []
        self._lost: Optional[errors.OutputLost] = None
        self._callbacks: List[Any] = []

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._vm.close()

    def on_output(self, stream: Stream) -> None:
        heard = self._heard

        @guarded
        def on_output(_vm: Any, _stream: int, data: Optional[int], n: int, _data: Any) -> None:
            if data:
                heard.append(ctypes.string_at(data, n))

        self._callbacks.append(_abi.OutputFn(on_output))
        with self._vm._handle.use() as pointer:
            call("vmboot_on_output", pointer, stream, self._callbacks[-1], None)

    def on_event(self) -> None:
        heard = self._heard

        @guarded
        def on_event(_vm: Any, event: Any, _data: Any) -> None:
            heard.append(_results.event(view(event, _abi.Event)))

        self._callbacks.append(_abi.EventFn(on_event))
        with self._vm._handle.use() as pointer:
            call("vmboot_on_event", pointer, self._callbacks[-1], None)

    def fd(self) -> int:
        return self._vm.event_fd()

    def take(self) -> List[Any]:
        """What was said since the last time, without waiting.

        What came before a loss is given first; the loss is raised by the next call.
        """
        if self._lost is not None:
            lost, self._lost = self._lost, None
            raise lost
        try:
            self._vm.dispatch()
        except errors.OutputLost as error:
            if not self._heard:
                raise
            self._lost = error
        taken = self._heard[:]
        del self._heard[: len(taken)]
        return taken

    def take_all(self) -> List[Any]:
        """All that was said so far."""
        poll = select.poll()
        poll.register(self.fd(), select.POLLIN)
        taken = self.take()
        while self._lost is not None or poll.poll(0):
            taken += self.take()
        return taken

    def ended(self) -> bool:
        """Whether the guest is gone; what it said last is then there to :meth:`take`."""
        try:
            self._vm.wait(Phase.STOPPED, 0)
            return True
        except errors.Timeout:
            return False
        except errors.OutputLost as error:
            self._lost = error
            return False
        except errors.VMNotFound:
            return True

    def follow(self) -> Iterator[Any]:
        poll = select.poll()
        poll.register(self.fd(), select.POLLIN)
        while True:
            taken = self.take()
            yield from taken
            if not taken and not poll.poll(_HEALTH_S * 1000) and self.ended():
                yield from self.take_all()
                return


# ---- without a VM, or to get one


def create(
    *,
    connection: Any = None,
    progress: Optional[Progress] = None,
    timeout: Optional[float] = None,
    cancel: Optional[Cancel] = None,
    **request: Unpack[Request],
) -> VM:
    """Make a VM and start it. The keywords are the fields of a request, with the JSON's names.

    It returns when libvirt has started the guest; :meth:`VM.wait` waits for its boot. All or
    nothing: if it fails, no domain, disk or process is left. As a context manager it destroys
    the VM in the end; without ``with`` the VM stays, whatever becomes of the object.

    ``connection`` is a :class:`libvirt.virConnect` to use instead of ``uri``; ``progress`` is told
    ``(what, done, total)`` while something takes long. All of it takes at most ``timeout`` seconds,
    and a :class:`Cancel` ends it from another thread. Log records go to ``logging``'s logger
    ``"vmboot"``.

    >>> with vmboot.create(name="short", image="node:20", skip_kernel_headers=True) as short:
    ...     short.wait("agent", timeout=120)
    ...     short.exec(["uname", "-s"], text=True).stdout
    'Linux\\n'
    """
    place = where(request.get("uri"), request.get("store"), connection, progress)
    options = Options(limited(request, timeout), connection, progress, cancel)
    pointer = ctypes.c_void_p()
    with options as opts:
        try:
            call("vmboot_create", opts, ctypes.byref(pointer))
        except (KeyboardInterrupt, SystemExit):
            # it met a callback, and nobody will get the handle
            if pointer.value:
                lib.vmboot_destroy(pointer)
                lib.vmboot_close(pointer)
            raise
    return _vm(pointer, options, place, made=True)


def prepare(
    *,
    connection: Any = None,
    progress: Optional[Progress] = None,
    timeout: Optional[float] = None,
    cancel: Optional[Cancel] = None,
    **request: Unpack[Request],
) -> Tuple[VM, str]:
    """Make all of a VM but its domain, for a program that defines and starts that itself.

    The second of what it returns is the domain's XML, for libvirt's ``defineXML``; more may be
    put into it. From then on the VM is as one of :func:`create`.

    >>> vm2, xml = vmboot.prepare(name="own", image="node:20")
    >>> "<name>own</name>" in xml
    True
    >>> vm2.destroy()
    """
    place = where(request.get("uri"), request.get("store"), connection, progress)
    options = Options(limited(request, timeout), connection, progress, cancel)
    pointer = ctypes.c_void_p()
    with options as opts:
        try:
            _, xml = call_for_text("vmboot_prepare", opts, ctypes.byref(pointer))
        except (KeyboardInterrupt, SystemExit):
            # it met a callback, and nobody will get the handle
            if pointer.value:
                lib.vmboot_destroy(pointer)
                lib.vmboot_close(pointer)
            raise
    return _vm(pointer, options, place, made=True), xml


def _vm(pointer: ctypes.c_void_p, options: Options, place: Where, made: bool) -> VM:
    name = text(lib.vmboot_name(pointer))
    return VM(Handle(pointer.value, options.kept), name, place, made)


def open_(
    name: str,
    *,
    uri: Optional[str] = None,
    store: Optional[StrPath] = None,
    connection: Any = None,
    progress: Optional[Progress] = None,
) -> VM:
    """A handle on a VM that exists, whoever made it. Closing it leaves the VM as it is.

    >>> with vmboot.open("web") as again:
    ...     again.info().memory_mib
    256
    """
    return open_at(name, where(uri, store, connection, progress))


def open_at(name: str, place: Where) -> VM:
    options = place.options()
    pointer = ctypes.c_void_p()
    with options as opts:
        call("vmboot_open", opts, encoded(name), ctypes.byref(pointer))
    return _vm(pointer, options, place, made=False)


def list_(
    *, uri: Optional[str] = None, store: Optional[StrPath] = None, connection: Any = None
) -> List[_results.Info]:
    """All VMs that this library made and libvirt knows, by name.

    >>> [info.name for info in vmboot.list()]
    ['web']
    """
    with where(uri, store, connection).options() as opts:
        return _results.list_of("vmboot_list", opts, "vmboot_list_free", _abi.Info, _results.info)


def store_path(store: Optional[StrPath] = None) -> str:
    """The folder of the store that a call with this ``store`` uses, as :attr:`Info.store` has it.

    :func:`list` returns VMs of all stores at a libvirt.

    >>> {info.name for info in vmboot.list() if info.store == vmboot.store_path()}
    {'web'}
    """
    with where(None, store, None).options() as opts:
        return call_for_text("vmboot_store_path", opts)[1]


def plan(
    *, connection: Any = None, progress: Optional[Progress] = None, **request: Unpack[Request]
) -> str:
    """All that :func:`create` would do, as JSON: the same bytes for the same request here.

    >>> import json
    >>> json.loads(vmboot.plan(name="other", image="node:20", vcpus=2))["vcpus"]
    2
    """
    with Options(request, connection, progress) as opts:
        return call_for_text("vmboot_plan", opts)[1]


def render_xml(
    *, connection: Any = None, progress: Optional[Progress] = None, **request: Unpack[Request]
) -> str:
    """The libvirt domain XML of the plan.

    >>> "<name>other</name>" in vmboot.render_xml(name="other", image="node:20")
    True
    """
    with Options(request, connection, progress) as opts:
        return call_for_text("vmboot_render_xml", opts)[1]


def gc(
    *,
    dry_run: bool = False,
    uri: Optional[str] = None,
    store: Optional[StrPath] = None,
    connection: Any = None,
) -> List[_results.Removed]:
    """Remove what a killed program left, and the files of kernels that were replaced.

    Nothing that is in use, nothing that others made.

    >>> vmboot.gc(dry_run=True)
    []
    """
    flags = _abi.GC_DRY_RUN if dry_run else 0
    with where(uri, store, connection).options() as opts:
        found: List[_results.Removed] = _results.records(
            _results.Removed, json.loads(call_for_text("vmboot_gc", opts, flags)[1])
        )
        return found


def doctor(
    *,
    uri: Optional[str] = None,
    store: Optional[StrPath] = None,
    kernel: Optional[StrPath] = None,
    connection: Any = None,
) -> List[_results.Check]:
    """Check this host; each problem has a suggested fix.

    >>> [check.name for check in vmboot.doctor() if check.status == "error"]
    []
    """
    place = where(uri, store, connection)
    place.request["kernel"] = kernel
    with place.options() as opts:
        found: List[_results.Check] = _results.records(
            _results.Check, json.loads(call_for_text("vmboot_doctor", opts)[1])["checks"]
        )
        return found
