# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run programs in a guest, as :mod:`subprocess` does on the host."""
from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import io
import os
import signal
import subprocess
import threading
import weakref
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    AnyStr,
    Callable,
    Generic,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Union,
    overload,
)

from . import _abi, errors
from ._communicate import Communication
from ._handle import Deadline, Handle, milliseconds
from ._lib import call, encoded, lib, view
from ._request import EnvValue, StrPath, env_words

if TYPE_CHECKING:
    from typing_extensions import Literal, Self

PIPE = subprocess.PIPE
STDOUT = subprocess.STDOUT
DEVNULL = subprocess.DEVNULL

Args = Union[StrPath, Sequence[StrPath]]
Env = Union[Mapping[str, EnvValue], Sequence[str]]
#: PIPE, DEVNULL, STDOUT, a descriptor, an open file, or None
File = Union[None, int, IO[Any]]
_WORD = 0xFFFF
#: the bytes kept of each output, unless the caller sets output_max
OUTPUT_MAX = 16 << 20


def descriptor(file: Union[int, IO[Any]], writes: bool) -> int:
    """The descriptor of a file, after its buffered output was flushed."""
    if isinstance(file, int):
        return file
    if writes:
        file.flush()
    return file.fileno()


class CompletedProcess(subprocess.CompletedProcess, Generic[AnyStr]):  # type: ignore[type-arg]
    """How a program in a guest ended, and its output: a :class:`subprocess.CompletedProcess`."""

    args: Any
    #: the exit code; negative: the signal that ended it
    returncode: int
    stdout: AnyStr
    stderr: AnyStr
    #: the output was longer than ``output_max``
    stdout_cut: bool = False
    stderr_cut: bool = False

    def check_returncode(self) -> None:
        """Raise :class:`vmboot.CalledProcessError` if it failed."""
        if self.returncode:
            raise errors.CalledProcessError(self.returncode, self.args, self.stdout, self.stderr)


class Text(NamedTuple):
    """Whether streams are text, with which encoding and error handling."""

    wanted: bool
    encoding: Optional[str]
    errors: Optional[str]

    @classmethod
    def of(cls, text: Optional[bool], encoding: Optional[str], how: Optional[str]) -> Text:
        return cls(bool(text or encoding or how), encoding or "utf-8", how or "strict")

    def decode(self, data: Optional[bytes]) -> Any:
        if data is None or not self.wanted:
            return data
        found = data.decode(self.encoding or "utf-8", self.errors or "strict")
        return found.replace("\r\n", "\n").replace("\r", "\n")

    def encode(self, data: Any) -> Optional[bytes]:
        if data is None:
            return None
        if isinstance(data, str):
            if not self.wanted:
                raise TypeError("input: bytes are needed, or text=True")
            return data.encode(self.encoding or "utf-8", self.errors or "strict")
        return bytes(data)


class Program(NamedTuple):
    """The program to run, as the library's struct, with the memory that it points to."""

    struct: _abi.ExecOpts
    kept: Tuple[Any, ...]

    @classmethod
    def of(
        cls,
        args: Args,
        env: Optional[Env],
        cwd: Optional[StrPath],
        user: Union[None, str, int],
        timeout: Optional[float],
        tty: bool = False,
        size: Tuple[int, int] = (24, 80),
    ) -> Program:
        words = [args] if isinstance(args, (str, bytes, os.PathLike)) else list(args)
        if isinstance(env, Mapping):
            env = env_words(env)
        n_args, args_list = _strings([encoded(word) for word in words])
        n_env, env_list = _strings([encoded(item) for item in env or ()])
        struct = _abi.ExecOpts()
        struct.size = ctypes.sizeof(struct)
        struct.args = args_list
        struct.env = env_list
        struct.workdir = None if cwd is None else encoded(cwd)
        struct.user = None if user is None else encoded(str(user))
        # 0 means no limit; a deadline that has passed becomes the shortest time
        struct.timeout_ms = 0 if timeout is None else max(1, milliseconds(timeout))
        struct.tty = tty
        struct.rows, struct.columns = size
        return cls(struct, (n_args, n_env))


def _strings(words: List[bytes]) -> Tuple[Any, Any]:
    """An array of strings that ends with NULL, and a pointer to it."""
    array = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    return array, ctypes.cast(array, ctypes.POINTER(ctypes.c_char_p))


class _Files:
    """The descriptors that the library receives, and our ends of the pipes."""

    def __init__(self) -> None:
        self.theirs: List[int] = []  # to close when the program has ended
        self.ours: List[int] = []

    def pipe(self, we_write: bool) -> Tuple[int, int]:
        """Make a pipe; returns the library's end and ours."""
        reading, writing = os.pipe()
        theirs, ours = (reading, writing) if we_write else (writing, reading)
        self.theirs.append(theirs)
        self.ours.append(ours)
        return theirs, ours

    def of(self, what: File, number: int) -> Tuple[int, int]:
        """The descriptor for a stream, and our end of it or -1."""
        if what is None:
            # as a child process would, it writes to our own stream; it has no input
            return (-1 if number == 0 else number), -1
        if what == DEVNULL:
            return -1, -1
        if what == PIPE:
            return self.pipe(number == 0)
        return descriptor(what, writes=number > 0), -1

    def close_theirs(self) -> None:
        for fd in self.theirs:
            os.close(fd)
        self.theirs = []

    def close_ours(self) -> None:
        for fd in self.ours:
            os.close(fd)
        self.ours = []


_running: weakref.WeakSet[Process[Any]] = weakref.WeakSet()


@atexit.register
def _kill_all() -> None:
    """Kill programs that stream to this process when it exits, while their pipes still work."""
    left = list(_running)
    for process in left:
        with contextlib.suppress(OSError):
            process.kill()
    for process in left:
        process._done.wait(2)


class Process(Generic[AnyStr]):
    """A program that runs in a guest, from :meth:`VM.popen`, as :class:`subprocess.Popen`.

    Its streams are connected to this process, so it is killed when this process ends.
    """

    def __init__(
        self,
        handle: Handle,
        program: Program,
        args: Any,
        files: Tuple[File, File, File],
        text: Text,
        bufsize: int = -1,
        owner: Any = None,
        wrap: bool = True,
    ) -> None:
        self.args = args
        #: None while it runs; then the exit code, or the negative signal that ended it
        self.returncode: Optional[int] = None
        self.stdin: Optional[IO[AnyStr]] = None
        self.stdout: Optional[IO[AnyStr]] = None
        self.stderr: Optional[IO[AnyStr]] = None
        self._text = text
        self._owner = owner  # a reference, so that the handle's owner lives as long as the program
        self._handle = handle
        self._program = program
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._error: Optional[BaseException] = None
        self._watchers: List[Callable[[], object]] = []
        self._communication: Optional[Communication] = None
        self._files = _Files()
        self._control = -1
        try:
            fds, self.pipes = self._connect(files)
            control, self._control = self._files.pipe(True)
            self._files.ours.remove(self._control)
            os.set_blocking(self._control, False)
            if wrap:
                self._open_pipes(bufsize)
            self._thread = threading.Thread(
                target=self._run, args=(fds, control), name="vmboot exec", daemon=True
            )
            _running.add(self)
            self._thread.start()
        except BaseException:
            self._files.close_theirs()
            self._files.close_ours()
            raise

    # ---- streams

    def _connect(self, files: Tuple[File, File, File]) -> Tuple[Tuple[int, int, int], List[int]]:
        stdin, in_end = self._files.of(files[0], 0)
        stdout, out_end = self._files.of(files[1], 1)
        if files[2] == STDOUT:
            stderr, err_end = stdout, -1
        else:
            stderr, err_end = self._files.of(files[2], 2)
        return (stdin, stdout, stderr), [in_end, out_end, err_end]

    def _open_pipes(self, bufsize: int) -> None:
        self._files.ours = []
        self.stdin = self._open(self.pipes[0], "wb", bufsize)
        self.stdout = self._open(self.pipes[1], "rb", bufsize)
        self.stderr = self._open(self.pipes[2], "rb", bufsize)

    def _open(self, fd: int, mode: str, bufsize: int) -> Any:
        if fd < 0:
            return None
        by_line = bufsize == 1 and self._text.wanted
        raw = open(fd, mode, -1 if by_line else bufsize)
        if not self._text.wanted:
            return raw
        return io.TextIOWrapper(
            raw,
            encoding=self._text.encoding,
            errors=self._text.errors,
            line_buffering=by_line,
            write_through=bufsize == 0,
        )

    # ---- the thread that waits in the library

    def _run(self, fds: Tuple[int, int, int], control: int) -> None:
        status = ctypes.c_int()
        try:
            with self._handle.use() as pointer:
                call(
                    "vmboot_exec_stream",
                    pointer,
                    ctypes.byref(self._program.struct),
                    (ctypes.c_int * 3)(*fds),
                    control,
                    ctypes.byref(status),
                )
            self._finish(status.value if status.value < 256 else 256 - status.value, None)
        except errors.ErrnoError as error:
            # its output has no reader any more: as on the host, that ends it
            broken = error.errno == errno.EPIPE
            self._finish(-signal.SIGPIPE if broken else None, None if broken else error)
        except BaseException as error:
            self._finish(None, error)

    def _finish(self, returncode: Optional[int], error: Optional[BaseException]) -> None:
        with self._lock:
            if self._control >= 0:
                os.close(self._control)
            self._control = -1
            self.returncode = returncode
            self._error = error
        # its output ends when its status is known, and before callbacks run
        self._files.close_theirs()
        self._owner = None
        _running.discard(self)
        with self._lock:
            self._done.set()
            watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher()

    def when_done(self, watcher: Callable[[], object]) -> None:
        """Call this when it has ended, in any thread; at once if it has already."""
        with self._lock:
            if not self._done.is_set():
                self._watchers.append(watcher)
                return
        watcher()

    # ---- its life

    def poll(self) -> Optional[int]:
        """The return code, or None while it runs. Raises the error if it could not be run."""
        if self._done.is_set() and self._error:
            raise self._error
        return self.returncode

    def wait(self, timeout: Optional[float] = None) -> int:
        """Wait for its end; :class:`vmboot.TimeoutExpired` after the timeout, and it keeps running.

        If the program could not be run at all, this method, :meth:`poll` and :meth:`communicate`
        raise :class:`FileNotFoundError` or a similar error.
        """
        if not self._done.wait(timeout):
            raise errors.TimeoutExpired(self.args, timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def communicate(
        self, input: Optional[AnyStr] = None, timeout: Optional[float] = None
    ) -> Tuple[AnyStr, AnyStr]:
        """Send input, read all output, wait for the end; ``(stdout, stderr)``.

        After :class:`vmboot.TimeoutExpired` it can be called again; no output is lost.
        """
        if self._communication is None:
            self._communication = Communication(
                self.stdin, self.stdout, self.stderr, self._text.encode(input)
            )
        return self._communicate(self._communication, Deadline(timeout), timeout)

    def _communicate(
        self, communication: Communication, deadline: Deadline, timeout: Optional[float]
    ) -> Tuple[Any, Any]:
        done = communication.run(deadline) and self._done.wait(deadline.left())
        out, err = (self._text.decode(data) for data in communication.outputs())
        if not done:
            raise errors.TimeoutExpired(self.args, timeout or 0.0, out, err)
        self.poll()
        return out, err

    def _tell(self, action: _abi.ExecAction, value: int) -> None:
        record = _abi.ExecControl(action, value)
        with self._lock:
            if self._control >= 0:
                os.write(self._control, bytes(record))

    def send_signal(self, number: int) -> None:
        """Send a signal to its process group; does nothing if it has ended."""
        self._tell(_abi.ExecAction.SIGNAL, int(number))

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of its terminal; with ``tty`` only."""
        self._tell(_abi.ExecAction.RESIZE, (columns & _WORD) << 16 | (rows & _WORD))

    def close(self) -> None:
        """Close our ends of its streams."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                # input that it no longer reads is discarded
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.close()
        if error is not None:
            self.kill()
        self._done.wait()

    def __repr__(self) -> str:
        state = self.returncode if self._done.is_set() else "running"
        return f"<vmboot.Process {self.args!r}: {state}>"


class ExecMixin:
    """The methods of a VM that run programs."""

    _handle: Handle

    def popen(
        self,
        args: Args,
        *,
        stdin: File = None,
        stdout: File = None,
        stderr: File = None,
        env: Optional[Env] = None,
        cwd: Optional[StrPath] = None,
        user: Union[None, str, int] = None,
        text: Optional[bool] = None,
        encoding: Optional[str] = None,
        errors: Optional[str] = None,
        bufsize: int = -1,
        timeout: Optional[float] = None,
        tty: bool = False,
        size: Tuple[int, int] = (24, 80),
    ) -> Process[Any]:
        """Start a program in the guest with its streams connected, as :class:`subprocess.Popen`.

        Streams are ``PIPE``, ``DEVNULL``, ``STDOUT`` (for stderr), a descriptor or a file. With
        None, output goes to this process's own stream, and there is no input. With ``tty`` it has
        a terminal of ``size`` rows and columns, and all its output is on stdout. After ``timeout``
        seconds it is killed. ``env`` adds to the program's environment; ``cwd`` and
        ``user`` are those of the VM's program if not given; ``user`` is a name or number, optionally
        with ``":group"``.

        >>> with vm.popen(["cat"], stdin=vmboot.PIPE, stdout=vmboot.PIPE, text=True) as cat:
        ...     _ = cat.stdin.write("one\\ntwo\\n")
        ...     cat.stdin.close()
        ...     [line.strip() for line in cat.stdout]
        ['one', 'two']
        >>> cat.returncode
        0
        """
        program = Program.of(args, env, cwd, user, timeout, tty, size)
        how = Text.of(text, encoding, errors)
        return Process(self._handle, program, args, (stdin, stdout, stderr), how, bufsize, self)

    @overload
    def exec(
        self,
        args: Args,
        *,
        text: Literal[True],
        input: Optional[str] = ...,
        check: bool = ...,
        timeout: Optional[float] = ...,
        encoding: Optional[str] = ...,
        errors: Optional[str] = ...,
        env: Optional[Env] = ...,
        cwd: Optional[StrPath] = ...,
        user: Union[None, str, int] = ...,
        output_max: Optional[int] = ...,
    ) -> CompletedProcess[str]:
        ...

    @overload
    def exec(
        self,
        args: Args,
        *,
        encoding: str,
        input: Optional[str] = ...,
        check: bool = ...,
        timeout: Optional[float] = ...,
        text: Optional[bool] = ...,
        errors: Optional[str] = ...,
        env: Optional[Env] = ...,
        cwd: Optional[StrPath] = ...,
        user: Union[None, str, int] = ...,
        output_max: Optional[int] = ...,
    ) -> CompletedProcess[str]:
        ...

    @overload
    def exec(
        self,
        args: Args,
        *,
        input: Optional[bytes] = ...,
        check: bool = ...,
        timeout: Optional[float] = ...,
        text: Literal[None, False] = ...,
        encoding: None = ...,
        errors: None = ...,
        env: Optional[Env] = ...,
        cwd: Optional[StrPath] = ...,
        user: Union[None, str, int] = ...,
        output_max: Optional[int] = ...,
    ) -> CompletedProcess[bytes]:
        ...

    def exec(
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
        """Run a program in the guest to its end, as :func:`subprocess.run` with captured output.

        ``returncode`` is the exit code, or the negative number of the signal that ended it. With
        ``check``, :class:`vmboot.CalledProcessError` is raised if the program failed. After
        ``timeout`` seconds it is killed, and :class:`vmboot.TimeoutExpired` is raised with the
        output so far. A guest is not trusted, so only the first ``output_max`` bytes of each
        output are kept; ``stdout_cut`` and ``stderr_cut`` say whether there was more. Without
        ``output_max`` 16 MiB are kept, and :class:`vmboot.OutputCut` is raised if there is more.
        Ctrl-C kills the program.

        >>> vm.exec(["echo", "hello"], text=True).stdout
        'hello\\n'
        >>> vm.exec(["sh", "-c", "kill -9 $$"]).returncode
        -9
        >>> vm.exec(["tr", "a-z", "A-Z"], input=b"abc").stdout
        b'ABC'
        >>> vm.exec(["false"], check=True)
        Traceback (most recent call last):
        ...
        vmboot.errors.CalledProcessError: Command '['false']' returned non-zero exit status 1.
        """
        program = Program.of(args, env, cwd, user, timeout)
        how = Text.of(text, encoding, errors)
        most = OUTPUT_MAX if output_max is None else output_max
        done = run(self._handle, program, args, how, how.encode(input), timeout, most)
        return checked(done, output_max, check)


def run(
    handle: Handle,
    program: Program,
    args: Any,
    text: Text,
    data: Optional[bytes],
    timeout: Optional[float],
    output_max: int,
) -> CompletedProcess[Any]:
    """Run with streams, which can be interrupted, or by vmboot_exec() if the agent has none."""
    pipe = None if data is None else PIPE
    process: Process[Any] = Process(handle, program, args, (pipe, PIPE, PIPE), text, owner=handle)
    talk = Communication(process.stdin, process.stdout, process.stderr, data, output_max)
    try:
        # the library enforces the timeout
        talk.run(Deadline(None))
        process.wait()
    except errors.Timeout:
        out, err = talk.outputs()
        raise errors.TimeoutExpired(args, timeout or 0.0, text.decode(out), text.decode(err)) from None
    except errors.VmbootError as error:
        if not cannot_stream(error):
            raise
        return run_captured(handle, program, args, text, data, timeout, output_max)
    finally:
        process.kill()
        process.close()
    return completed(process, talk)


def checked(
    done: CompletedProcess[Any], output_max: Optional[int], check: bool
) -> CompletedProcess[Any]:
    """Raise the errors that the caller asked for, after the program has ended."""
    if output_max is None and (done.stdout_cut or done.stderr_cut):
        raise errors.OutputCut(done)
    if check:
        done.check_returncode()
    return done


def cannot_stream(error: errors.VmbootError) -> bool:
    """Whether to use vmboot_exec() instead: the port is in use, or the agent is not ours."""
    if isinstance(error, errors.AgentError):
        return not error.field
    return error.code == errno.EBUSY


def completed(process: Process[Any], talk: Communication) -> CompletedProcess[Any]:
    out, err = (process._text.decode(data) for data in talk.outputs())
    done: CompletedProcess[Any] = CompletedProcess(process.args, process.returncode or 0, out, err)
    done.stdout_cut, done.stderr_cut = talk.cut
    return done


def run_captured(
    handle: Handle,
    program: Program,
    args: Any,
    text: Text,
    data: Optional[bytes],
    timeout: Optional[float],
    output_max: int,
) -> CompletedProcess[Any]:
    buffer = ctypes.create_string_buffer(data or b"", len(data or b"") + 1)
    program.struct.input = ctypes.cast(buffer, ctypes.c_void_p).value
    program.struct.input_size = len(data or b"")
    program.struct.output_max = output_max
    place = ctypes.POINTER(_abi.ExecResult)()
    with handle.use() as pointer:
        call("vmboot_exec", pointer, ctypes.byref(program.struct), ctypes.byref(place))
    try:
        found = view(place, _abi.ExecResult)
        out = text.decode(ctypes.string_at(found.out, found.out_size) if found.out else b"")
        err = text.decode(ctypes.string_at(found.err, found.err_size) if found.err else b"")
    finally:
        lib.vmboot_exec_result_free(place)
    if found.timed_out:
        raise errors.TimeoutExpired(args, timeout or 0.0, out, err)
    code = -found.exit_signal if found.exit_signal else found.exit_code
    done: CompletedProcess[Any] = CompletedProcess(args, code, out, err)
    done.stdout_cut, done.stderr_cut = found.out_cut, found.err_cut
    return done
