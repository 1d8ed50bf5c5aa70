# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same for :mod:`asyncio`.

>>> import asyncio
>>> async def main():
...     vm = await vmboot.aio.create(name="async", image="node:20", skip_kernel_headers=True)
...     async with vm:
...         await vm.wait("agent", timeout=120)
...         done = await vm.exec(["echo", "hello"], text=True)
...         return done.stdout
>>> asyncio.run(main())
'hello\\n'

Waits use a descriptor in the event loop, so a thousand waits need no thread. Calls that block in C
(create, stop, a copy) run in a thread, and a program in the guest has a thread as long as it runs.
One object belongs to one event loop.

Everything that may do I/O is a coroutine. So each method of :class:`vmboot.VM` is a coroutine here
(also ``state``, which is a property there), or an asynchronous iterator, except ``name``,
``closed`` and ``close()``. ``event_fd()`` and ``dispatch()`` are for other event loops, and are not
in this class.
"""
from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Callable,
    Dict,
    List,
    Optional,
    Set,
    Tuple,
    TypeVar,
    Union,
)

from . import _exec, _host, _results, _vm, errors, images
from ._abi import Phase, State, Stream
from ._cancel import Cancel
from ._exec import PIPE, Args, CompletedProcess, Env, File, Program, Text
from ._handle import Deadline
from ._log import Progress
from ._request import StrPath

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from ._request import Request

__all__ = ["VM", "Process", "create", "events", "import_image", "open", "pull"]

_T = TypeVar("_T")
#: How often libvirt is asked whether a silent guest still exists, as in the library.
_HEALTH_S = 1.0
#: After a wake-up without an event, which may be QEMU's end: how often, and how many times, libvirt
#: is asked, until it has noticed.
_LEAVING_S = 0.1
_LEAVING_TIMES = 5


async def _in_thread(
    function: Callable[[], _T], when_cancelled: Optional[Callable[[_T], object]] = None
) -> _T:
    """Run a blocking call in a thread of its own: there is no pool that others could exhaust.

    A call of C cannot be cancelled: it ends by itself, and its result is passed to when_cancelled.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: Any, error: Optional[BaseException]) -> None:
        if future.cancelled():
            if error is None and when_cancelled:
                start(functools.partial(when_cancelled, result))
        elif error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result: Any = None
        error: Optional[BaseException] = None
        try:
            result = function()
        except BaseException as caught:  # pylint: disable=broad-except
            error = caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            # the loop is closed, so no coroutine waits for the result
            if error is None and when_cancelled:
                when_cancelled(result)

    def start(target: Callable[[], object]) -> None:
        threading.Thread(target=target, name="vmboot", daemon=True).start()

    start(run)
    return await future


class _Readable:
    """Wakes its waiters when a descriptor is readable; a descriptor may have many waiters."""

    def __init__(self) -> None:
        self._waiters: Set[asyncio.Future[None]] = set()

    async def wait(self, fd: int, timeout: float) -> bool:
        """False if the time is up."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        if not self._waiters:
            loop.add_reader(fd, self._wake, loop, fd)
        self._waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter, timeout)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            self._waiters.discard(waiter)
            if not self._waiters:
                loop.remove_reader(fd)

    def _wake(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        # it stays readable until one waiter has read it
        loop.remove_reader(fd)
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Process:
    """A program that runs in a guest, as :class:`asyncio.subprocess.Process`."""

    def __init__(self, process: _exec.Process[Any], text: Text) -> None:
        self._process = process
        self._text = text
        self.stdin: Optional[asyncio.StreamWriter] = None
        self.stdout: Optional[asyncio.StreamReader] = None
        self.stderr: Optional[asyncio.StreamReader] = None
        self._transports: List[asyncio.BaseTransport] = []

    @classmethod
    async def start(cls, vm: _vm.VM, program: Program, args: Any, files: Any, text: Text) -> Process:
        plain = Text.of(None, None, None)
        own = cls(
            _exec.Process(vm._handle, program, args, files, plain, owner=vm, wrap=False), text
        )
        try:
            stdin, stdout, stderr = own._process.pipes
            own.stdin = await own._writer(stdin)
            own.stdout = await own._reader(stdout)
            own.stderr = await own._reader(stderr)
        except BaseException:
            own.kill()
            raise
        return own

    async def _reader(self, fd: int) -> Optional[asyncio.StreamReader]:
        if fd < 0:
            return None
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", 0)
        )
        self._transports.append(transport)
        return reader

    async def _writer(self, fd: int) -> Optional[asyncio.StreamWriter]:
        if fd < 0:
            return None
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(fd, "wb", 0)
        )
        self._transports.append(transport)
        return asyncio.StreamWriter(transport, protocol, None, loop)

    @property
    def args(self) -> Any:
        return self._process.args

    @property
    def returncode(self) -> Optional[int]:
        """None while it runs; then the exit code, or the negative signal that ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end. Raises the error if it could not be run."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(done.set)

        self._process.when_done(wake)
        await done.wait()
        return self._process.wait(0)

    async def communicate(
        self, input: Optional[bytes] = None, output_max: Optional[int] = None
    ) -> Tuple[Optional[bytes], Optional[bytes]]:
        """Send input, read all output, wait for the end."""
        (out, _), (err, _), _ = await self._talk(input, output_max)
        return out, err

    async def _talk(self, data: Optional[bytes], most: Optional[int]) -> Tuple[Any, Any, int]:
        jobs = [
            asyncio.ensure_future(job)
            for job in (self._read(self.stdout, most), self._read(self.stderr, most), self._feed(data))
        ]
        try:
            out, err, _ = await asyncio.gather(*jobs)
            return out, err, await self.wait()
        finally:
            for job in jobs:
                job.cancel()

    async def _feed(self, data: Optional[bytes]) -> None:
        if self.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if data:
                self.stdin.write(data)
                await self.stdin.drain()
        self.stdin.close()

    @staticmethod
    async def _read(
        reader: Optional[asyncio.StreamReader], most: Optional[int]
    ) -> Tuple[Optional[bytes], bool]:
        if reader is None:
            return None, False
        kept = bytearray()
        cut = False
        while True:
            data = await reader.read(65536)
            if not data:
                return bytes(kept), cut
            room = len(data) if most is None else max(0, most - len(kept))
            kept += data[:room]
            cut = cut or len(data) > room

    def close(self) -> None:
        """Close our ends of its streams."""
        for transport in self._transports:
            transport.close()

    def send_signal(self, number: int) -> None:
        """Send a signal to its process group; does nothing if it has ended."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of its terminal."""
        self._process.resize(rows, columns)


class VM:
    """A handle on one VM, for coroutines; ``sync`` is the same for threads."""

    def __init__(self, sync: _vm.VM) -> None:
        self.sync = sync
        self._readable = _Readable()
        self._looking: Optional[asyncio.Lock] = None
        self._alive_at = -_HEALTH_S  # of the loop's clock

    @property
    def name(self) -> str:
        return self.sync.name

    @property
    def closed(self) -> bool:
        return self.sync.closed

    def __repr__(self) -> str:
        return f"<vmboot.aio.VM {self.name!r}>"

    def close(self) -> None:
        """Close the handle; the VM keeps running."""
        self.sync.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await _in_thread(lambda: self.sync.__exit__(*error))

    # ---- its life

    async def info(self) -> _results.Info:
        """The properties of the VM and its current state."""
        return await _in_thread(self.sync.info)

    async def state(self) -> State:
        """The current state: stopped, running or paused."""
        return (await self.info()).state

    async def xml(self) -> str:
        """The domain XML as libvirt has it now."""
        return await _in_thread(self.sync.xml)

    async def start(self) -> bool:
        """As :meth:`vmboot.VM.start`."""
        return await _in_thread(self.sync.start)

    async def stop(self, timeout: Optional[float] = 10.0) -> bool:
        """As :meth:`vmboot.VM.stop`."""
        return await _in_thread(lambda: self.sync.stop(timeout))

    async def reboot(self, timeout: Optional[float] = 10.0) -> bool:
        """As :meth:`vmboot.VM.reboot`."""
        return await _in_thread(lambda: self.sync.reboot(timeout))

    async def inspect(self) -> Any:
        """As :meth:`vmboot.VM.inspect`."""
        return await _in_thread(self.sync.inspect)

    async def top(self) -> List[Any]:
        """As :meth:`vmboot.VM.top`."""
        return await _in_thread(self.sync.top)

    async def pause(self) -> bool:
        """As :meth:`vmboot.VM.pause`."""
        return await _in_thread(self.sync.pause)

    async def unpause(self) -> bool:
        """As :meth:`vmboot.VM.unpause`."""
        return await _in_thread(self.sync.unpause)

    async def publish(self, port: str) -> Tuple[str, ...]:
        """As :meth:`vmboot.VM.publish`."""
        return await _in_thread(lambda: self.sync.publish(port))

    async def unpublish(self, port: str) -> None:
        """As :meth:`vmboot.VM.unpublish`."""
        await _in_thread(lambda: self.sync.unpublish(port))

    async def destroy(self) -> None:
        """As :meth:`vmboot.VM.destroy`."""
        await _in_thread(self.sync.destroy)

    async def ledger(self) -> _results.Ledger:
        """As :meth:`vmboot.VM.ledger`."""
        return await _in_thread(self.sync.ledger)

    # ---- its boot

    async def wait(
        self, phase: Union[Phase, int, str] = Phase.PROGRAM, timeout: Optional[float] = None
    ) -> None:
        """Wait until a phase of the boot has ended, as :meth:`vmboot.VM.wait`."""
        wanted = _vm.to_phase(phase)
        deadline = Deadline(timeout)
        loop = asyncio.get_running_loop()
        fd = self.sync.event_fd()
        doubts = 0
        woken = False
        ledger_tells = True
        while True:
            async with self._one_at_a_time():
                news = self.sync.dispatch() > 0
                if ledger_tells and _decides(self.sync.ledger().events, wanted):
                    # except for the agent of an image, which only libvirt reports
                    with contextlib.suppress(errors.Timeout):
                        self.sync.wait(wanted, 0)
                        return
                    ledger_tells = False
                doubts = _LEAVING_TIMES if woken and not news else doubts
                ask_at = self._alive_at + (_LEAVING_S if doubts else _HEALTH_S)
                if deadline.passed or loop.time() >= ask_at:
                    doubts = max(0, doubts - 1)
                    if await self._ended(wanted, deadline):
                        return
            ask_at = self._alive_at + (_LEAVING_S if doubts else _HEALTH_S)
            pause = max(0.001, ask_at - loop.time())
            woken = await self._readable.wait(fd, deadline.at_most(pause))

    def _one_at_a_time(self) -> asyncio.Lock:
        """A lock, as a dispatch would block while the library asks libvirt for another task."""
        if self._looking is None:
            self._looking = asyncio.Lock()
        return self._looking

    async def _ended(self, phase: Phase, deadline: Deadline) -> bool:
        """Have the library ask libvirt, which may take long; True if the phase was reached."""
        try:
            await _in_thread(lambda: self.sync.wait(phase, 0))
            return True
        except errors.Timeout:
            if deadline.passed:
                raise
        self._alive_at = asyncio.get_running_loop().time()
        return False

    async def logs(
        self, stream: Union[Stream, int, str] = Stream.STDOUT, *, follow: bool = False
    ) -> AsyncIterator[bytes]:
        """The newest boot's output on a stream, in pieces; with ``follow`` until the guest is gone.

        ``async for piece in vm.logs("console", follow=True): …``
        """
        wanted = _vm.to_stream(stream)
        async for piece in self._listen(lambda listener: listener.on_output(wanted), follow):
            yield piece

    async def events(self) -> AsyncIterator[_results.Event]:
        """Each event of the newest boot, past and future, until the VM stops."""
        async for event in self._listen(lambda listener: listener.on_event(), True):
            yield event

    async def _listen(
        self, begin: Callable[[_vm.Listener], None], follow: bool
    ) -> AsyncIterator[Any]:
        listener = await _in_thread(lambda: _vm.Listener(self.sync), _vm.Listener.close)
        readable = _Readable()
        try:
            begin(listener)
            fd = listener.fd()
            while True:
                taken = listener.take()
                for item in taken:
                    yield item
                if taken or (follow and await readable.wait(fd, _HEALTH_S)):
                    continue
                if not follow:
                    return
                if await _in_thread(listener.ended):
                    for item in listener.take_all():
                        yield item
                    return
        finally:
            listener.close()

    # ---- programs and files

    async def popen(
        self,
        args: Args,
        *,
        stdin: File = None,
        stdout: File = None,
        stderr: File = None,
        env: Optional[Env] = None,
        cwd: Optional[StrPath] = None,
        user: Union[None, str, int] = None,
        timeout: Optional[float] = None,
        tty: bool = False,
        size: Tuple[int, int] = (24, 80),
    ) -> Process:
        """Start a program, as :meth:`vmboot.VM.popen`; its pipes are byte streams of asyncio."""
        program = Program.of(args, env, cwd, user, timeout, tty, size)
        plain = Text.of(None, None, None)
        return await Process.start(self.sync, program, args, (stdin, stdout, stderr), plain)

    async def exec(
        self,
        args: Args,
        *,
        input: Union[None, str, bytes] = None,
        check: bool = False,
        timeout: Optional[float] = None,
        text: Optional[bool] = None,
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        env: Optional[Env] = None,
        cwd: Optional[StrPath] = None,
        user: Union[None, str, int] = None,
        output_max: Optional[int] = None,
    ) -> CompletedProcess[Any]:
        """Run a program to its end, as :meth:`vmboot.VM.exec`. If cancelled, it is killed."""
        program = Program.of(args, env, cwd, user, timeout)
        how = Text.of(text, encoding, errors)
        most = _exec.OUTPUT_MAX if output_max is None else output_max
        done = await _run(self.sync, program, args, how, how.encode(input), timeout, most)
        return _exec.checked(done, output_max, check)

    async def stat(self, path: StrPath, *, follow_symlinks: bool = True) -> os.stat_result:
        """As :meth:`vmboot.VM.stat`."""
        return await _in_thread(lambda: self.sync.stat(path, follow_symlinks=follow_symlinks))

    async def lstat(self, path: StrPath) -> os.stat_result:
        """As :meth:`vmboot.VM.lstat`."""
        return await _in_thread(lambda: self.sync.lstat(path))

    async def readlink(self, path: StrPath) -> str:
        """As :meth:`vmboot.VM.readlink`."""
        return await _in_thread(lambda: self.sync.readlink(path))

    async def exists(self, path: StrPath, *, follow_symlinks: bool = True) -> bool:
        """As :meth:`vmboot.VM.exists`."""
        return await _in_thread(lambda: self.sync.exists(path, follow_symlinks=follow_symlinks))

    async def copy_to(self, source: StrPath, target: StrPath) -> None:
        """As :meth:`vmboot.VM.copy_to`."""
        await _in_thread(lambda: self.sync.copy_to(source, target))

    async def copy_from(self, source: StrPath, target: StrPath) -> None:
        """As :meth:`vmboot.VM.copy_from`."""
        await _in_thread(lambda: self.sync.copy_from(source, target))

    async def copy_archive_to(self, source: Union[int, IO[bytes]], target: StrPath) -> None:
        """As :meth:`vmboot.VM.copy_archive_to`."""
        await _in_thread(lambda: self.sync.copy_archive_to(source, target))

    async def copy_archive_from(self, source: StrPath, target: Union[int, IO[bytes]]) -> None:
        """As :meth:`vmboot.VM.copy_archive_from`."""
        await _in_thread(lambda: self.sync.copy_archive_from(source, target))


def _decides(events: Tuple[_results.Event, ...], phase: Phase) -> bool:
    """Whether the guest's events alone decide, so the library answers without asking libvirt."""
    if phase < Phase.FIRMWARE:
        return True
    told = [event for event in events if event.guest]
    if any(event.error for event in told):
        return phase != Phase.STOPPED
    if phase == Phase.FIRMWARE:
        return bool(told)
    return any(event.phase == phase for event in told)


async def _run(
    vm: _vm.VM,
    program: Program,
    args: Any,
    text: Text,
    data: Optional[bytes],
    timeout: Optional[float],
    output_max: int,
) -> CompletedProcess[Any]:
    pipe = None if data is None else PIPE
    process = await Process.start(vm, program, args, (pipe, PIPE, PIPE), text)
    try:
        (out, out_cut), (err, err_cut), code = await process._talk(data, output_max)
    except errors.Timeout as error:
        raise errors.TimeoutExpired(args, timeout or 0.0) from error
    except errors.VmbootError as error:
        if not _exec.cannot_stream(error):
            raise
        return await _in_thread(
            lambda: _exec.run_captured(
                vm._handle, program, args, text, data, timeout, output_max
            )
        )
    finally:
        process.kill()
        process.close()
    done: CompletedProcess[Any] = CompletedProcess(args, code, text.decode(out), text.decode(err))
    done.stdout_cut, done.stderr_cut = out_cut, err_cut
    return done


async def _or_cancel(
    cancel: Cancel,
    function: Callable[[], _T],
    when_cancelled: Optional[Callable[[_T], object]] = None,
) -> _T:
    """Run in a thread; if the task is cancelled, the call of C is cancelled, too."""
    try:
        return await _in_thread(function, when_cancelled)
    except asyncio.CancelledError:
        cancel.cancel()
        raise


async def create(
    *,
    connection: Any = None,
    progress: Optional[Progress] = None,
    timeout: Optional[float] = None,
    **request: Unpack[Request],
) -> VM:
    """Make a VM and start it, as :func:`vmboot.create`. If cancelled, it ends soon without a VM.

    ``async with await vmboot.aio.create(…) as vm:`` destroys the VM at the end.
    """
    cancel = Cancel()

    def undo(vm: _vm.VM) -> None:
        with contextlib.suppress(errors.VmbootError):
            vm.destroy()
        vm.close()

    def make() -> _vm.VM:
        return _vm.create(
            connection=connection, progress=progress, timeout=timeout, cancel=cancel, **request
        )

    return VM(await _or_cancel(cancel, make, undo))


async def events(
    timeout: Optional[float] = None,
    *,
    uri: Optional[str] = None,
    store: Optional[StrPath] = None,
    connection: Any = None,
) -> AsyncIterator[Dict[str, Any]]:
    """What happens to all VMs of a libvirt, as :func:`vmboot.events`, from the first ``await`` on."""
    deadline = Deadline(timeout)

    def subscribe() -> _host.Subscription:
        return _host.Subscription(uri, store, connection)

    subscription = await _in_thread(subscribe, _host.Subscription.close)
    readable = _Readable()
    try:
        while True:
            for event in await _in_thread(subscription.take):
                yield event
            if deadline.passed:
                return
            await readable.wait(subscription.fd, deadline.at_most(_HEALTH_S))
    finally:
        subscription.close()


async def import_image(
    source: StrPath,
    name: Optional[str] = None,
    *,
    store: Optional[StrPath] = None,
    progress: Optional[Progress] = None,
    timeout: Optional[float] = None,
) -> images.Image:
    """Import an image into the store, as :func:`vmboot.images.import_image`. If cancelled, it ends
    soon and leaves nothing."""
    cancel = Cancel()

    def bring() -> images.Image:
        return images.import_image(
            source, name, store=store, progress=progress, timeout=timeout, cancel=cancel
        )

    return await _or_cancel(cancel, bring)


async def pull(
    image: str,
    name: Optional[str] = None,
    *,
    progress: Optional[Progress] = None,
    timeout: Optional[float] = None,
    **how: Any,
) -> images.Image:
    """Fetch an image, as :func:`vmboot.images.pull`, which lists the other arguments. If cancelled, it
    ends soon and leaves only whole layers."""
    cancel = Cancel()

    def fetch() -> images.Image:
        return images.pull(
            image, name, progress=progress, timeout=timeout, cancel=cancel, **how
        )

    return await _or_cancel(cancel, fetch)


async def open(  # pylint: disable=redefined-builtin
    name: str,
    *,
    uri: Optional[str] = None,
    store: Optional[StrPath] = None,
    connection: Any = None,
    progress: Optional[Progress] = None,
) -> VM:
    """Open a handle on an existing VM, as :func:`vmboot.open`."""
    return VM(
        await _in_thread(
            lambda: _vm.open_(
                name, uri=uri, store=store, connection=connection, progress=progress
            ),
            _vm.VM.close,
        )
    )
