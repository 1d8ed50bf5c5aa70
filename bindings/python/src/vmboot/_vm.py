# SPDX-License-Identifier: LGPL-2.1-or-later
"""VMs, and the functions that make, find and remove them."""
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

#: How often :meth:`VM.logs` with ``follow`` checks whether the guest is gone. Output is not polled.
_HEALTH_S = 1.0


def to_phase(phase: Union[Phase, int, str]) -> Phase:
    """The phase with this name, e.g. ``"agent"``, or this number."""
    if not isinstance(phase, str):
        return Phase(phase)
    found = lib.vmboot_phase_from_name(encoded(phase))
    if found < 0:
        raise errors.OptionError(f'there is no phase "{phase}"', _abi.ErrorCode.EOPTS, field="phase")
    return Phase(found)


def to_stream(stream: Union[Stream, int, str]) -> Stream:
    """The stream with this name: ``"stdout"``, ``"stderr"`` or ``"console"``."""
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

    The VM does not depend on it: it keeps running when the handle is closed or garbage-collected
    and when the program ends, and :func:`vmboot.open` finds it again. Only as a context manager of
    :func:`vmboot.create`, ``with vmboot.create(…) as vm:``, it destroys the VM at the end. Any
    thread may use it.

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
        # at the latest when the interpreter ends, before the modules that it uses are gone
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
        """Close the handle; the VM keeps running. Calls in other threads end as usual."""
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
        """The properties of the VM and its current state."""
        with self._handle.use() as pointer:
            place = ctypes.POINTER(_abi.Info)()
            call("vmboot_info", pointer, ctypes.byref(place))
            try:
                return _results.info(place)
            finally:
                lib.vmboot_info_free(place)

    def inspect(self) -> Any:
        """All that is known of the VM, as a dict; ``man 5 vmboot-json`` describes it."""
        with self._handle.use() as pointer:
            return json.loads(call_for_text("vmboot_inspect", pointer)[1])

    def top(self) -> List[Any]:
        """The processes of the guest, without the kernel's own, as dicts; ``man 5 vmboot-json``.

        >>> 1 in [process["pid"] for process in vm.top()]
        True
        """
        with self._handle.use() as pointer:
            found: List[Any] = json.loads(call_for_text("vmboot_top", pointer)[1])
            return found

    @property
    def state(self) -> State:
        """The current state: stopped, running or paused."""
        return self.info().state

    def xml(self) -> str:
        """The domain XML as libvirt has it now."""
        with self._handle.use() as pointer:
            return call_for_text("vmboot_xml", pointer)[1]

    def start(self) -> bool:
        """Start it from its own disks, with a new ledger and new logs. False: it runs already."""
        try:
            with self._handle.use() as pointer:
                call("vmboot_start", pointer)
            return True
        except errors.ErrnoError as error:
            if error.name == "EALREADY":
                return False
            raise

    def stop(self, timeout: Optional[float] = 10.0) -> bool:
        """Ask the guest to power off; cut its power after the timeout. Its disks are kept.

        Returns True if it powered off by itself, or was stopped already; False if its power was
        cut. A timeout of 0 cuts the power at once; None waits without a limit.
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
        """Ask the guest to reboot; reset it after the timeout. It boots from its own disks.

        Returns when the new boot begins; :meth:`wait` then waits for that boot. Returns True if the
        guest rebooted by itself, False if it was reset. A timeout of 0 resets at once; None waits
        without a limit. A signal handler that runs meanwhile ends the wait with ``EINTR``.
        """
        deadline = Deadline(timeout)
        with self._handle.use() as pointer:
            return call("vmboot_reboot", pointer, deadline.left_ms()) == 0

    def pause(self) -> bool:
        """Stop the guest's CPUs; it keeps its memory. False: it is paused already."""
        return self._pause_or_not("vmboot_pause")

    def unpause(self) -> bool:
        """Let the guest go on, and have its agent set its clock. False: it is not paused."""
        return self._pause_or_not("vmboot_unpause")

    def _pause_or_not(self, function: str) -> bool:
        try:
            with self._handle.use() as pointer:
                call(function, pointer)
            return True
        except errors.ErrnoError as error:
            if error.name == "EALREADY":
                return False
            raise

    def publish(self, port: str) -> Tuple[str, ...]:
        """Publish a port of the guest, in the form that ``publish`` of a request has.

        Returns what is published, in full: with the port that was chosen where none was given.

        >>> vm.publish("127.0.0.1::80")  # doctest: +ELLIPSIS
        ('127.0.0.1:...:80/tcp',)
        """
        with self._handle.use() as pointer:
            published = call_for_text("vmboot_publish", pointer, port.encode())[1]
        return tuple(published.split())

    def unpublish(self, port: str) -> None:
        """End the publishing of a port, in the form that :attr:`Info.publish` has."""
        with self._handle.use() as pointer:
            call("vmboot_unpublish", pointer, port.encode())

    def destroy(self) -> None:
        """Cut its power if it runs, and remove it with its disks and logs. The image is kept."""
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
        """Wait until a phase of the boot has ended, at most ``timeout`` seconds; None: no limit.

        With ``next_boot`` it waits for a later boot than the newest that this handle has seen.

        If the phase cannot be reached any more, it raises at once: :class:`vmboot.BootError` if the
        boot failed, :class:`vmboot.EndedError` if the guest is gone. After ``timeout`` seconds it
        raises :class:`vmboot.Timeout`, which is a :class:`TimeoutError`.

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
                    # a signal handler ran and did not raise
                    if error.name != "EINTR":
                        raise

    def event_fd(self) -> int:
        """A descriptor for an event loop: readable when :meth:`dispatch` has something to do.

        It belongs to the handle: do not read or close it.
        """
        with self._handle.use() as pointer:
            return call("vmboot_event_fd", pointer)

    def dispatch(self) -> int:
        """Deliver the guest's new events, without waiting; returns how many there were.

        It delivers a bounded number: if there are more, :meth:`event_fd` stays readable.
        """
        with self._handle.use() as pointer:
            return call("vmboot_dispatch", pointer)

    def ledger(self) -> _results.Ledger:
        """The events of the newest boot, on one time line. Works for stopped VMs too."""
        with self._handle.use() as pointer:
            place = ctypes.POINTER(_abi.Ledger)()
            call("vmboot_ledger", pointer, ctypes.byref(place))
            try:
                return _results.ledger(place)
            finally:
                lib.vmboot_ledger_free(place)

    def events(self) -> Iterator[_results.Event]:
        """Each event of the newest boot, past and future, until the VM stops.

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
        """The newest boot's output on a stream: ``"stdout"``, ``"stderr"`` or ``"console"``.

        With ``follow`` it returns an iterator, which ends when the guest is gone. The guest does
        not wait for a reader, and only a limited amount of its output is kept: an iterator that is
        too slow yields the output up to the gap and then raises :exc:`OutputLost`. It is no error
        if the oldest output is gone when reading begins.

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
        """The status of a path in the guest, as :func:`os.stat` would return it there.

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
        """As :meth:`stat`, but does not follow a symbolic link."""
        return self.stat(path, follow_symlinks=False)

    def exists(self, path: StrPath, *, follow_symlinks: bool = True) -> bool:
        """Whether a path exists in the guest.

        >>> vm.exists("/etc/greeting"), vm.exists("/etc/nothing")
        (True, False)
        """
        return self._stat(path, follow_symlinks)[0].exists

    def readlink(self, path: StrPath) -> str:
        """The target of a symbolic link in the guest."""
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
        """Copy a file or a tree from this host into the guest.

        If ``target`` is a folder there, the copy is placed in it, as with ``cp -a``. Owners, modes,
        times, links and holes are kept.
        """
        with self._handle.use() as pointer:
            call("vmboot_copy_to", pointer, encoded(source), encoded(target))

    def copy_from(self, source: StrPath, target: StrPath) -> None:
        """Copy a file or a tree from the guest to this host.

        If ``target`` is a folder here, the copy is placed in it. Nothing that the guest sends is
        written outside the copy. If you are root, the copy may contain devices and setuid programs.
        """
        with self._handle.use() as pointer:
            call("vmboot_copy_from", pointer, encoded(source), encoded(target))

    def copy_archive_to(self, source: Union[int, IO[bytes]], target: StrPath) -> None:
        """Unpack a tar archive, compressed or not, in a folder of the guest.

        ``source`` is a descriptor or a file that has one; it is read from its current position.
        """
        with self._handle.use() as pointer:
            call("vmboot_copy_archive_to", pointer, descriptor(source, writes=False), encoded(target))

    def copy_archive_from(self, source: StrPath, target: Union[int, IO[bytes]]) -> None:
        """Write a file or a tree of the guest as a tar archive to a descriptor or a file.

        The guest's data is written unchecked, so be careful when you unpack it.
        """
        with self._handle.use() as pointer:
            call("vmboot_copy_archive_from", pointer, encoded(source), descriptor(target, writes=True))


class Listener:
    """A second handle, which receives a boot's events from the beginning, for one consumer.

    Callbacks run in :meth:`take`, in the thread that calls it, and only store what they receive.
    So a consumer may be slow, stop early, or raise.
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
        """The output and events since the last call, without waiting.

        After a loss, what came before it is returned first; the next call raises the loss.
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
        """All output and events so far."""
        poll = select.poll()
        poll.register(self.fd(), select.POLLIN)
        taken = self.take()
        while self._lost is not None or poll.poll(0):
            taken += self.take()
        return taken

    def ended(self) -> bool:
        """Whether the guest is gone; :meth:`take` then returns the last of its output."""
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

    It returns when libvirt has started the guest; :meth:`VM.wait` waits for its boot. If it fails,
    no domain, disk or process is left. As a context manager it destroys the VM at the end; without
    ``with`` the VM is kept, even if the object is closed or garbage-collected.

    ``connection`` is a :class:`libvirt.virConnect` to use instead of ``uri``; ``progress`` is
    called with ``(what, done, total)`` during long steps. The whole call takes at most ``timeout``
    seconds, and a :class:`Cancel` ends it from another thread. Log records go to ``logging``'s
    logger ``"vmboot"``.

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
            # raised in a callback, so the caller will not get the handle
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
    """Make everything of a VM except its domain, for a program that defines and starts it itself.

    Returns the VM and the domain's XML for libvirt's ``defineXML``; you may add elements to it.
    Once the domain is defined, the VM behaves like one from :func:`create`.

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
            # raised in a callback, so the caller will not get the handle
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
    """Open a handle on an existing VM, whichever program made it. Closing it keeps the VM.

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
    """All VMs that this library made and that libvirt has defined, ordered by name.

    >>> [info.name for info in vmboot.list()]
    ['web']
    """
    with where(uri, store, connection).options() as opts:
        return _results.list_of("vmboot_list", opts, "vmboot_list_free", _abi.Info, _results.info)


def store_path(store: Optional[StrPath] = None) -> str:
    """The folder that a call with this ``store`` uses, in the form of :attr:`Info.store`.

    :func:`list` returns the VMs of all stores of a libvirt.

    >>> {info.name for info in vmboot.list() if info.store == vmboot.store_path()}
    {'web'}
    """
    with where(None, store, None).options() as opts:
        return call_for_text("vmboot_store_path", opts)[1]


def plan(
    *, connection: Any = None, progress: Optional[Progress] = None, **request: Unpack[Request]
) -> str:
    """What :func:`create` would do, as JSON: the same bytes for the same request on this host.

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
    """Remove what killed programs left behind, and the files of kernels that were replaced.

    It removes nothing that is in use or that was made by something else.

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
