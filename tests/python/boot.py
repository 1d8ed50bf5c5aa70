# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package with real guests; tests/boot/python.sh runs it. Most tests share one VM."""
from __future__ import annotations

import asyncio
import contextlib
import datetime
import doctest
import errno
import gc
import json
import logging
import os
import pathlib
import pickle
import re
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
import unittest.mock as mock
from typing import Any, Callable, List

import vmboot
import vmboot._exec
import vmboot._lib
import vmboot._request
import vmboot._results
import vmboot._vm

IMAGE = "node:20"  # what the documentation's examples boot; it is the tests' own image
TIMEOUT = 300.0  # of emulated guests on a busy machine
shared: vmboot.VM
records: List[logging.LogRecord] = []  # what the library said while it made the first VM


def peak_kib(anew: bool = False) -> int:
    """Of this process, since it was last asked with anew."""
    if anew:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    with open("/proc/self/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmHWM:")).split()[1])


def request(name: str, script: str = "cat /etc/greeting; sleep 100000", **more: Any) -> vmboot.Request:
    plain: Any = {
        "name": name,
        "image": IMAGE,
        "memory_mib": 256,
        "skip_kernel_headers": True,
        "cmd": ["/bin/sh", "-c", script],
        **more,
    }
    found: vmboot.Request = plain
    return found


def setUpModule() -> None:
    global shared
    logger = logging.getLogger("vmboot")
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[assignment]
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    shared = vmboot.create(**request("web", network="user"))
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    shared.wait("agent", TIMEOUT)


def tearDownModule() -> None:
    shared.destroy()
    shared.close()
    assert vmboot.list() == [], vmboot.list()
    assert vmboot.gc(dry_run=True) == [], vmboot.gc(dry_run=True)


def timed_out(args: List[str], timeout: float, **more: Any) -> subprocess.TimeoutExpired:
    """What came of a program until its timeout; with more time, if it had not begun by then."""
    while True:
        try:
            done = shared.exec(args, timeout=timeout, **more)
            raise AssertionError(f"it ended: {done}")
        except TimeoutError as error:
            if isinstance(error, subprocess.TimeoutExpired) and (error.output or timeout > TIMEOUT):
                assert error.timeout == timeout
                return error
        timeout *= 4


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "that did not happen in time"
        time.sleep(0.05)


class Base(unittest.TestCase):
    def setUp(self) -> None:
        self.tmp = pathlib.Path(self.enter(tempfile.TemporaryDirectory()))

    def enter(self, manager: Any) -> Any:
        value = manager.__enter__()
        self.addCleanup(manager.__exit__, None, None, None)
        return value


class Exec(Base):
    def test_as_subprocess_run(self) -> None:
        done = shared.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
        self.assertIsInstance(done, subprocess.CompletedProcess)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (3, b"out\n", b"err\n"))
        self.assertEqual(done.args, ["sh", "-c", "echo out; echo err >&2; exit 3"])
        with self.assertRaises(subprocess.CalledProcessError) as caught:
            done.check_returncode()
        self.assertIsInstance(caught.exception, vmboot.VmbootError)
        self.assertEqual(caught.exception.stderr, b"err\n")

    def test_codes_and_signals(self) -> None:
        for code in (0, 1, 127, 128, 255):
            self.assertEqual(shared.exec(["sh", "-c", f"exit {code}"]).returncode, code)
        for number in (signal.SIGHUP, signal.SIGSEGV, signal.SIGKILL):
            done = shared.exec(["sh", "-c", f"kill -{int(number)} $$"])
            self.assertEqual(done.returncode, -number)

    def test_check(self) -> None:
        with self.assertRaises(vmboot.CalledProcessError) as caught:
            shared.exec(["sh", "-c", "echo why >&2; exit 4"], check=True, text=True)
        self.assertEqual((caught.exception.returncode, caught.exception.stderr), (4, "why\n"))
        self.assertEqual(shared.exec(["true"], check=True).returncode, 0)

    def test_input_text_and_bytes(self) -> None:
        data = bytes(range(256)) * 12000  # more than any pipe or window holds
        self.assertEqual(shared.exec(["cat"], input=data).stdout, data)
        self.assertEqual(shared.exec(["cat"], input="grün\n", text=True).stdout, "grün\n")
        self.assertEqual(shared.exec(["printf", r"a\r\nb"], text=True).stdout, "a\nb")
        self.assertEqual(shared.exec(["printf", r"\303\244"], encoding="latin-1").stdout, "Ã¤")
        self.assertEqual(shared.exec(["cat"], input=b"").stdout, b"")
        self.assertEqual(shared.exec(["cat"]).stdout, b"")
        # one that does not read its input
        self.assertEqual(shared.exec(["true"], input=data).returncode, 0)
        with self.assertRaises(TypeError):
            shared.exec(["cat"], input="text")  # type: ignore[call-overload]

    def test_env_cwd_and_user(self) -> None:
        script = 'echo "$ADDED $FROM_IMAGE"; pwd; id -u; id -g'
        done = shared.exec(
            ["sh", "-c", script],
            env={"ADDED": "1 2"},
            cwd=pathlib.PurePosixPath("/home/app"),
            user="app",
            text=True,
        )
        self.assertEqual(done.stdout, "1 2 yes\n/home/app\n1234\n2345\n")
        self.assertEqual(shared.exec(["id", "-u"], user=1234, text=True).stdout, "1234\n")
        self.assertEqual(shared.exec("pwd", text=True).stdout, "/\n")
        raw = shared.exec(["sh", "-c", 'printf %s "$RAW"'], env={"RAW": b"\xff"})
        self.assertEqual(raw.stdout, b"\xff")
        with self.assertRaises(vmboot.OptionError):
            shared.exec(["true"], env={"A=B": "c"})

    def test_what_cannot_run(self) -> None:
        with self.assertRaises(FileNotFoundError) as caught:
            shared.exec(["/no/such"])
        self.assertEqual(caught.exception.errno, errno.ENOENT)
        self.assertIn("/no/such", str(caught.exception))
        with self.assertRaises(PermissionError):
            shared.exec(["/etc/passwd"])
        with self.assertRaises(vmboot.OptionError):
            shared.exec(["true"], cwd="relative")
        with self.assertRaises(vmboot.OptionError):
            shared.exec([])
        with self.assertRaises(ValueError):
            shared.exec(["a\0b"])

    def test_timeout(self) -> None:
        error = timed_out(["sh", "-c", "echo before; sleep 1000"], 1.5, text=True)
        self.assertEqual(error.output, "before\n")

    def test_output_that_does_not_end_is_cut(self) -> None:
        done = shared.exec(["head", "-c", "300000", "/dev/zero"], output_max=1000)
        self.assertEqual((len(done.stdout), done.stdout_cut, done.stderr_cut), (1000, True, False))
        with mock.patch.object(vmboot._exec, "OUTPUT_MAX", 1000):
            with self.assertRaises(vmboot.OutputCut) as caught:
                shared.exec(["head", "-c", "300000", "/dev/zero"])
        self.assertEqual(len(caught.exception.result.stdout), 1000)
        self.assertEqual(timed_out(["yes"], 1, output_max=10).output, b"y\n" * 5)

    def test_interrupt_kills_it(self) -> None:
        """Ctrl-C ends the call at once, and the program with it."""

        def interrupt() -> None:
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGINT)

        with self.assertRaises(KeyboardInterrupt):
            threading.Thread(target=interrupt).start()
            shared.exec(["sleep", "777"])
        until(lambda: b"sleep 777" not in shared.exec(["ps"]).stdout)

    def test_the_way_of_the_qemu_agent(self) -> None:
        """While another handle streams, the port for it is in use: it works all the same."""
        with vmboot.open("web") as other:
            script = "echo up; exec sleep 1234"
            with other.popen(["sh", "-c", script], stdout=vmboot.PIPE) as sleeper:
                assert sleeper.stdout
                self.assertEqual(sleeper.stdout.readline(), b"up\n")
                done = shared.exec(["sh", "-c", "cat; exit 5"], input=b"x\0y", timeout=TIMEOUT)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (5, b"x\0y", b""))
                with self.assertRaises(TimeoutError):
                    shared.exec(["sleep", "1000"], timeout=0.5)
                sleeper.kill()

    def test_many_at_once(self) -> None:
        results: List[str] = []

        def one(i: int) -> None:
            results.append(shared.exec(["echo", str(i)], text=True).stdout.strip())

        threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(map(int, results)), list(range(12)))


class Popen(Base):
    def test_conversation(self) -> None:
        script = 'while read -r x; do echo "<$x>"; done; exit 2'
        with shared.popen(
            ["sh", "-c", script], stdin=vmboot.PIPE, stdout=vmboot.PIPE, text=True, bufsize=1
        ) as process:
            assert process.stdin and process.stdout
            for word in ("one", "two"):
                process.stdin.write(word + "\n")
                self.assertEqual(process.stdout.readline(), f"<{word}>\n")
            self.assertIsNone(process.poll())
            process.stdin.close()
            self.assertEqual(list(process.stdout), [])
        self.assertEqual((process.poll(), process.wait()), (2, 2))

    def test_signals(self) -> None:
        with shared.popen(
            ["sh", "-c", "trap 'echo got; exit 9' USR1; echo up; while :; do sleep 1; done"],
            stdout=vmboot.PIPE,
            stderr=vmboot.DEVNULL,
        ) as process:
            assert process.stdout
            self.assertEqual(process.stdout.readline(), b"up\n")
            process.send_signal(signal.SIGUSR1)  # its shell's sleep gets it, too
            self.assertEqual(process.stdout.read(), b"got\n")
        self.assertEqual(process.returncode, 9)
        for act, number in ((process.terminate, 15), (process.kill, 9)):
            act()  # nothing, after its end
            with shared.popen(["sleep", "1000"]) as sleeper:
                getattr(sleeper, act.__name__)()
            self.assertEqual(sleeper.wait(), -number)

    def test_terminal(self) -> None:
        with shared.popen(
            ["sh", "-c", "stty size; read x; stty size"],
            stdin=vmboot.PIPE,
            stdout=vmboot.PIPE,
            tty=True,
            size=(30, 100),
        ) as process:
            assert process.stdin and process.stdout
            self.assertEqual(process.stdout.readline(), b"30 100\r\n")
            process.resize(50, 132)
            process.stdin.write(b"\n")
            process.stdin.flush()
            self.assertIn(b"50 132\r\n", process.stdout.read())

    def test_files_and_merged_output(self) -> None:
        out = self.tmp / "out"
        with out.open("wb") as file, (self.tmp / "out").open("rb") as nothing:
            process = shared.popen(
                ["sh", "-c", "echo out; echo err >&2; cat"],
                stdin=nothing,
                stdout=file,
                stderr=vmboot.STDOUT,
            )
            self.assertEqual(process.wait(TIMEOUT), 0)
        self.assertTrue(out.read_bytes().startswith(b"out\nerr\n"))
        process = shared.popen(["echo", "x"], stdout=vmboot.DEVNULL)
        self.assertEqual(process.wait(), 0)
        self.assertIsNone(process.stdout)

    def test_communicate_goes_on_after_its_timeout(self) -> None:
        with shared.popen(
            ["sh", "-c", "cat; echo more; until [ -e /tmp/end ]; do sleep 0.1; done; echo end"],
            stdin=vmboot.PIPE,
            stdout=vmboot.PIPE,
            text=True,
        ) as process:
            with self.assertRaises(vmboot.TimeoutExpired):
                process.communicate("in\n", timeout=0.7)
            shared.exec(["touch", "/tmp/end"], check=True)
            self.assertEqual(process.communicate(), ("in\nmore\nend\n", None))
        self.assertEqual(process.returncode, 0)
        with shared.popen(["sleep", "1000"]) as sleeper:
            with self.assertRaises(vmboot.TimeoutExpired):
                sleeper.wait(0.1)
            sleeper.kill()

    def test_nobody_reads(self) -> None:
        with shared.popen(["yes"], stdout=vmboot.PIPE) as process:
            assert process.stdout
            process.stdout.readline()
        self.assertEqual(process.returncode, -signal.SIGPIPE)

    def test_what_cannot_run(self) -> None:
        process = shared.popen(["/no/such"], stdout=vmboot.PIPE)
        with self.assertRaises(FileNotFoundError):
            process.wait()
        with self.assertRaises(FileNotFoundError):
            process.poll()
        process.close()

    def test_no_descriptor_is_left(self) -> None:
        shared.exec(["true"])
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            shared.exec(["cat"], input=b"x")
            with contextlib.suppress(FileNotFoundError):
                shared.exec(["/no/such"])
            with shared.popen(["true"], stdin=vmboot.PIPE, stdout=vmboot.PIPE, stderr=vmboot.PIPE):
                pass
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)


class Files(Base):
    def test_stat(self) -> None:
        shared.exec(["sh", "-c", "echo 12345 >/tmp/f; chown 7:8 /tmp/f; chmod 2640 /tmp/f"])
        shared.exec(["touch", "-d", "2020-02-03 04:05:06", "/tmp/f"], check=True)
        shared.exec(["ln", "-sf", "/tmp/f", "/tmp/l"], check=True)
        found = shared.stat("/tmp/f")
        self.assertIsInstance(found, os.stat_result)
        self.assertTrue(stat.S_ISREG(found.st_mode))
        self.assertEqual(stat.filemode(found.st_mode), "-rw-r-S---")
        self.assertEqual((found.st_uid, found.st_gid, found.st_size, found.st_nlink), (7, 8, 6, 1))
        self.assertEqual(found.st_mtime_ns, 1580702706 * 10**9)
        self.assertEqual((found.st_mtime, found[stat.ST_MTIME]), (1580702706.0, 1580702706))
        self.assertGreater(found.st_ino, 0)
        self.assertEqual(found.st_blocks, 8)
        self.assertEqual(shared.stat(pathlib.PurePosixPath("/tmp/l")), found)
        self.assertTrue(stat.S_ISLNK(shared.lstat("/tmp/l").st_mode))
        self.assertEqual(shared.readlink("/tmp/l"), "/tmp/f")
        with self.assertRaises(OSError):
            shared.readlink("/tmp/f")

    def test_exists(self) -> None:
        shared.exec(["ln", "-sf", "/nowhere", "/tmp/dangling"])
        self.assertTrue(shared.exists("/etc/greeting"))
        self.assertFalse(shared.exists("/tmp/dangling"))
        self.assertTrue(shared.exists("/tmp/dangling", follow_symlinks=False))
        with self.assertRaises(FileNotFoundError) as caught:
            shared.stat("/no/such")
        self.assertEqual(caught.exception.filename, "/no/such")
        with self.assertRaises(vmboot.VmbootError):
            shared.stat("relative")

    def test_copy_both_ways(self) -> None:
        tree = self.tmp / "tree"
        (tree / "sub").mkdir(parents=True)
        (tree / "sub" / "bytes").write_bytes(os.urandom(300000))
        (tree / "link").symlink_to("sub/bytes")
        (tree / "sub" / "bytes").chmod(0o751)
        shared.copy_to(tree, "/tmp/copied")
        self.assertEqual(shared.readlink("/tmp/copied/link"), "sub/bytes")
        self.assertEqual(stat.S_IMODE(shared.stat("/tmp/copied/sub/bytes").st_mode), 0o751)
        shared.copy_from(pathlib.PurePosixPath("/tmp/copied"), self.tmp / "back")
        back = self.tmp / "back"
        self.assertEqual((back / "sub/bytes").read_bytes(), (tree / "sub/bytes").read_bytes())
        self.assertEqual(os.readlink(back / "link"), "sub/bytes")
        with self.assertRaises(FileNotFoundError):
            shared.copy_from("/no/such", self.tmp / "x")
        with self.assertRaises(FileNotFoundError):
            shared.copy_to(self.tmp / "no", "/tmp/x")

    def test_archives_both_ways(self) -> None:
        (self.tmp / "one").write_bytes(b"1\n")
        with tarfile.open(self.tmp / "a.tar", "w:gz") as archive:
            archive.add(self.tmp / "one", arcname="/unpacked/one")
        with open(self.tmp / "a.tar", "rb") as file:
            shared.copy_archive_to(file, "/tmp")
        with open(self.tmp / "b.tar", "wb") as file:
            shared.copy_archive_from("/tmp/unpacked", file.fileno())
        with tarfile.open(self.tmp / "b.tar") as archive:
            member = archive.extractfile("unpacked/one")
            self.assertEqual(member and member.read(), b"1\n")
        with open(self.tmp / "c.tar", "wb") as file:
            file.write(b"before")
            shared.copy_archive_from("/tmp/unpacked", file)
        self.assertEqual((self.tmp / "c.tar").read_bytes()[:6], b"before")
        with open(os.devnull, "r+b") as file, self.assertRaises(FileNotFoundError):
            shared.copy_archive_from("/no/such", file)


class Boot(Base):
    def test_info_list_and_open(self) -> None:
        info = shared.info()
        self.assertEqual((info.name, info.memory_mib, info.state), ("web", 256, vmboot.State.RUNNING))
        self.assertTrue(info.skip_kernel_headers)
        self.assertFalse(info.skip_module_signatures)
        self.assertTrue(info.folder.startswith(info.store))
        assert info.created and info.started
        self.assertLess(abs(info.created - info.started), datetime.timedelta(hours=1))
        self.assertEqual(info.image, "localhost/node:20")
        self.assertIn(info.accel, ("kvm", "tcg"))
        self.assertEqual(vmboot.list(), [info])
        self.assertIn("<name>web</name>", shared.xml())
        with self.assertRaises(vmboot.VMNotFound) as caught:
            vmboot.open("nobody")
        self.assertIsInstance(caught.exception, LookupError)
        self.assertEqual(caught.exception.name, "VMBOOT_ENOVM")

    def test_wait(self) -> None:
        shared.wait()
        shared.wait(vmboot.Phase.ROOT, 0)
        with self.assertRaises(TimeoutError) as caught:
            shared.wait("exit", timeout=0.05)
        self.assertIsInstance(caught.exception, vmboot.Timeout)
        self.assertEqual(caught.exception.errno, errno.ETIMEDOUT)
        with self.assertRaises(vmboot.OptionError):
            shared.wait("breakfast")

    def test_wait_goes_on_after_a_signal(self) -> None:
        """A handler that does not raise costs the wait nothing; one that does ends it."""
        seen: List[int] = []
        before = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(vmboot.Timeout):
                shared.wait("exit", timeout=0.5)
        finally:
            signal.signal(signal.SIGALRM, before)
        self.assertEqual(seen, [signal.SIGALRM])
        with self.assertRaises(KeyboardInterrupt):
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            shared.wait("exit", timeout=TIMEOUT)

    def test_ledger(self) -> None:
        ledger = shared.ledger()
        names = [event.name for event in ledger]
        for name in ("image", "libvirt", "kernel", "settle-config", "root", "agent", "program"):
            self.assertIn(name, names)
        self.assertEqual(ledger.name, "web")
        self.assertFalse(ledger.exited)
        self.assertGreater(ledger.program_us, 0)
        program = ledger.events[names.index("program")]
        self.assertTrue(program.guest)
        self.assertEqual(program.phase, vmboot.Phase.PROGRAM)
        self.assertGreaterEqual(program.duration_us, 0)
        told = json.loads(ledger.json())
        self.assertEqual([event["phase"] for event in told["events"]], names)
        self.assertIn("settle-config", ledger.table())
        self.assertIn("settle-config", ledger.chart(120))
        self.assertIn("settle-config", ledger.svg())
        self.assertEqual(pickle.loads(pickle.dumps(ledger)), ledger)

    def test_logs(self) -> None:
        self.assertEqual(shared.logs(), b"hello\n")
        self.assertEqual(shared.logs("stderr"), b"")
        self.assertIn(b"vmboot: ", shared.logs(vmboot.Stream.CONSOLE))
        with self.assertRaises(vmboot.OptionError):
            shared.logs("nowhere")
        follow = shared.logs(follow=True)
        self.assertEqual(next(follow), b"hello\n")
        follow.close()  # type: ignore[attr-defined]

    def test_threads_share_a_handle(self) -> None:
        errors: List[BaseException] = []

        def work() -> None:
            try:
                for _ in range(3):
                    shared.wait("program", 10)
                    shared.ledger()
                    shared.stat("/etc/greeting")
                    shared.info()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def test_the_interpreter_goes_on_in_a_call(self) -> None:
        users = shared._handle._users
        script = "until [ -e /tmp/go-on ]; do sleep 0.1; done"
        waiter = threading.Thread(target=lambda: shared.exec(["sh", "-c", script]))
        waiter.start()
        until(lambda: shared._handle._users > users)
        for _ in range(1000):
            time.sleep(0)
        self.assertTrue(waiter.is_alive())
        shared.exec(["touch", "/tmp/go-on"], check=True)
        waiter.join()


class Handles(Base):
    def test_use_after_close(self) -> None:
        vm = vmboot.open("web")
        vm.close()
        vm.close()
        self.assertTrue(vm.closed)
        uses: List[Callable[[], Any]] = [vm.info, vm.start, vm.destroy, vm.ledger, vm.dispatch]
        for use in uses:
            with self.assertRaises(vmboot.ClosedError):
                use()
        with self.assertRaises(ValueError):
            vm.exec(["true"])
        self.assertIn("closed", repr(vm))

    def test_close_under_a_call(self) -> None:
        vm = vmboot.open("web")
        results: List[str] = []

        def wait() -> None:
            try:
                vm.wait("exit", 1)
            except vmboot.Timeout:
                results.append("timeout")

        waiter = threading.Thread(target=wait)
        process = vm.popen(["sh", "-c", "sleep 1; exit 6"])
        waiter.start()
        until(lambda: vm._handle._users >= 2 or results == ["timeout"])
        vm.close()
        waiter.join()
        self.assertEqual(results, ["timeout"])
        self.assertEqual(process.wait(), 6)

    def test_what_is_forgotten_lives(self) -> None:
        vm = vmboot.open("web")
        handle = vm._handle
        del vm
        gc.collect()
        self.assertTrue(handle.closed)
        self.assertEqual(shared.state, vmboot.State.RUNNING)
        process = vmboot.open("web").popen(["sh", "-c", "sleep 1; exit 6"])
        gc.collect()
        self.assertEqual(process.wait(), 6)

    def test_with_open_leaves_it(self) -> None:
        with vmboot.open("web") as vm:
            self.assertEqual(vm.name, "web")
        self.assertTrue(vm.closed)
        self.assertEqual(shared.state, vmboot.State.RUNNING)

    def test_fork(self) -> None:
        vm = vmboot.open("web")
        child = os.fork()
        if child == 0:
            vm.close()
            os._exit(0 if vm.closed else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(vm.state, vmboot.State.RUNNING)
        vm.close()


class Life(Base):
    def test_stop_start_destroy(self) -> None:
        script = "echo boot >>/tmp/boots; cat /tmp/boots; echo oops >&2"
        vm = vmboot.create(**request("life", script, on_exit="poweroff"))
        try:
            following = b"".join(vm.logs(follow=True))
            self.assertEqual(following, b"boot\n")
            vm.wait("stopped", TIMEOUT)
            self.assertEqual((vm.logs("stderr"), vm.state), (b"oops\n", vmboot.State.STOPPED))
            ledger = vm.ledger()
            self.assertEqual((ledger.exited, ledger.exit_code, ledger.exit_signal), (True, 0, 0))
            self.assertTrue(vm.stop())
            self.assertTrue(vm.start())
            self.assertFalse(vm.start())
            names = [event.name for event in vm.events()]
            self.assertIn("exit", names)
            self.assertEqual(vm.logs(), b"boot\nboot\n")
        finally:
            vm.destroy()
        vm.destroy()
        with self.assertRaises(vmboot.VmbootError):
            vm.info()
        vm.close()
        self.assertEqual([info.name for info in vmboot.list()], ["web"])

    def test_with(self) -> None:
        """Who makes a VM in a `with` removes it, also when the block raises."""
        with self.assertRaisesRegex(RuntimeError, "mine"):
            with vmboot.create(**request("within", "exit 7", ephemeral=True)) as vm:
                vm.wait("exit", TIMEOUT)
                self.assertEqual(vm.ledger().exit_code, 7)
                with self.assertRaises(vmboot.FileExists):
                    vmboot.create(**request("within"))
                raise RuntimeError("mine")
        self.assertEqual([info.name for info in vmboot.list()], ["web"])

    def test_logging(self) -> None:
        self.assertTrue(any("building the initramfs" in r.getMessage() for r in records))
        self.assertEqual({r.name for r in records}, {"vmboot"})
        # the one is for a host where KVM does not work
        self.assertLessEqual({r.levelno for r in records}, {logging.INFO, logging.WARNING})

    def test_a_boot_that_fails(self) -> None:
        with vmboot.create(**request("fails", "", cmd=["/bin/nosuch"])) as vm:
            with self.assertRaises(vmboot.BootError) as caught:
                vm.wait("program", TIMEOUT)
            error = caught.exception
            self.assertEqual((error.phase, error.guest_errno), ("program", errno.ENOENT))
            self.assertIn("/bin/nosuch", str(error))
            self.assertIn("console", error.detail)
            with self.assertRaises(vmboot.BootError):
                asyncio.run(vmboot.aio.VM(vm).wait("program", TIMEOUT))

    def test_without_agent(self) -> None:
        with vmboot.create(**request("mute", skip_guest_agent=True)) as vm:
            vm.wait("program", TIMEOUT)
            uses: List[Callable[[], Any]] = [
                lambda: vm.exec(["true"]),
                lambda: vm.stat("/"),
                lambda: vm.copy_from("/etc/greeting", self.tmp),
                lambda: vm.popen(["true"]).wait(),
            ]
            for use in uses:
                with self.assertRaises(vmboot.AgentError) as caught:
                    use()
                self.assertEqual(caught.exception.field, "skip_guest_agent")

    def test_interrupt_in_a_callback(self) -> None:
        """A KeyboardInterrupt that meets a callback is not lost, and leaves no VM."""

        @vmboot._lib.guarded
        def callback() -> None:
            raise KeyboardInterrupt

        callback()
        with self.assertRaises(KeyboardInterrupt):
            vmboot.create(**request("interrupted"))
        self.assertEqual([info.name for info in vmboot.list()], ["web"])

    def test_errors_in_a_callback_are_reported(self) -> None:
        reports: List[Any] = []
        before = sys.unraisablehook
        sys.unraisablehook = reports.append
        try:
            callback = vmboot._log.progress_callback(lambda what, done, total: 1 / 0)
            callback(b"x", 1, 2, None)
        finally:
            sys.unraisablehook = before
        self.assertEqual([report.exc_type for report in reports], [ZeroDivisionError])


class Asyncio(Base):
    def test_twenty_guests(self) -> None:
        n = int(os.environ.get("TEST_GUESTS", "20"))
        before = peak_kib(anew=True)

        async def one(i: int) -> str:
            async with await vmboot.aio.create(**request(f"loop{i}", "hostname; sleep 1000")) as vm:
                await vm.wait("agent", TIMEOUT)
                done = await vm.exec(["sh", "-c", "cat; hostname"], input=f"{i} ", text=True, check=True)
                async for piece in vm.logs(follow=True):
                    return str(done.stdout) + piece.decode()
            return ""

        async def main() -> List[str]:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0.01)

            ticker = asyncio.ensure_future(tick())
            found = await asyncio.gather(*(one(i) for i in range(n)))
            ticker.cancel()
            # the loop was never held up for long
            self.assertGreater(ticks, 50)
            return list(found)

        found = asyncio.run(main())
        self.assertEqual(found, [f"{i} loop{i}\nloop{i}\n" for i in range(n)])
        each = (peak_kib() - before) // n
        print(f"peak memory of this process: {before} KiB before, {each} KiB for each of {n} VMs")
        self.assertLess(each, 4096)
        self.assertEqual([info.name for info in vmboot.list()], ["web"])

    def test_waits_are_no_threads(self) -> None:
        started: List[str] = []
        start = threading.Thread.start

        def count(thread: threading.Thread) -> None:
            started.append(thread.name)
            start(thread)

        async def main() -> None:
            async with await vmboot.aio.open("web") as vm:
                waits = [asyncio.ensure_future(vm.wait("exit", 3)) for _ in range(20)]
                await asyncio.sleep(2)
                # libvirt is asked each second whether the guest is there, for all of them
                self.assertLess(len(started), 8)
                done = await asyncio.gather(*waits, return_exceptions=True)
                self.assertEqual({type(error) for error in done}, {vmboot.Timeout})

        with mock.patch.object(threading.Thread, "start", count):
            asyncio.run(main())

    def test_the_end_of_a_guest(self) -> None:
        async def main() -> None:
            async with await vmboot.aio.create(**request("ends")) as vm:
                await vm.wait("program", TIMEOUT)
                waits = [asyncio.ensure_future(vm.wait(p, TIMEOUT)) for p in ("exit", "stopped")]
                await asyncio.sleep(0.2)
                await vm.stop(0)
                self.assertIsInstance(
                    (await asyncio.gather(*waits, return_exceptions=True))[0], vmboot.EndedError
                )
                self.assertIsNone(waits[1].result())

        asyncio.run(main())

    def test_processes(self) -> None:
        async def main() -> None:
            async with await vmboot.aio.open("web") as vm:
                self.assertEqual((await vm.ledger()).name, "web")
                process = await vm.popen(["cat"], stdin=vmboot.PIPE, stdout=vmboot.PIPE)
                assert process.stdin and process.stdout
                process.stdin.write(b"ping\n")
                self.assertEqual(await process.stdout.readline(), b"ping\n")
                process.terminate()
                self.assertEqual(await process.wait(), -15)
                self.assertEqual(process.returncode, -15)
                process.close()
                with self.assertRaises(FileNotFoundError):
                    await vm.exec(["/no/such"])
                with self.assertRaises(TimeoutError):
                    await vm.exec(["sleep", "1000"], timeout=0.5)
                with self.assertRaises(vmboot.CalledProcessError):
                    await vm.exec(["false"], check=True)
                data = os.urandom(500000)
                done = await vm.exec(["cat"], input=data)
                self.assertEqual(done.stdout, data)
                self.assertTrue((await vm.stat("/etc/greeting")).st_size == 6)
                self.assertTrue(await vm.exists("/etc"))
                await vm.copy_from("/etc/greeting", self.tmp / "greeting")
                self.assertEqual((self.tmp / "greeting").read_bytes(), b"hello\n")
                self.assertEqual([p async for p in vm.logs()], [b"hello\n"])
                async for event in vm.events():
                    self.assertEqual(event.phase, vmboot.Phase.VALIDATE)
                    break

        asyncio.run(main())

    def test_cancel(self) -> None:
        async def main() -> None:
            async with await vmboot.aio.open("web") as vm:
                for _ in range(2):
                    with self.assertRaises(asyncio.TimeoutError):
                        await asyncio.wait_for(vm.exec(["sleep", "888"]), 0.5)
                end = time.monotonic() + TIMEOUT
                while b"sleep 888" in (await vm.exec(["ps"])).stdout:
                    self.assertLess(time.monotonic(), end, "a program runs on")
                    await asyncio.sleep(0.1)
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(vm.wait("exit"), 0.2)
            creating = asyncio.ensure_future(vmboot.aio.create(**request("cancelled")))
            await asyncio.sleep(0)  # it has begun, and cannot have ended
            creating.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await creating

        asyncio.run(main())
        # the thread that made it undoes it
        for thread in threading.enumerate():
            if thread.name == "vmboot":
                thread.join(TIMEOUT)
        self.assertEqual([info.name for info in vmboot.list()], ["web"])


class Lent(Base):
    def test_connection_of_libvirt_python(self) -> None:
        try:
            import libvirt  # type: ignore[import]
        except ImportError:
            self.skipTest("libvirt-python is not installed")
        with shared.popen(["true"]) as process:
            pass
        self.assertEqual(process.returncode, 0)
        # that of the embedded driver, which this process has open
        uri = os.environ["VMBOOT_STORE"] + "/embed"
        conn = libvirt.open(f"qemu:///embed?root={uri}")
        try:
            # the URI leads nowhere: the connection counts
            self.assertEqual([i.name for i in vmboot.list(uri="no:///", connection=conn)], ["web"])
            vm = vmboot.open("web", uri="no:///", connection=conn)
            self.assertEqual(vm.logs(), b"hello\n")
        finally:
            conn.close()
        # the library has a reference of its own
        self.assertEqual(vm.state, vmboot.State.RUNNING)
        self.assertEqual(vm.exec(["echo", "x"]).stdout, b"x\n")
        vm.close()
        with self.assertRaises(TypeError):
            vmboot.list(connection=conn)  # it is closed
        with self.assertRaises(TypeError):
            vmboot.list(connection=object())


class Ports(unittest.TestCase):
    def test_published_and_withdrawn(self) -> None:
        published = shared.publish("127.0.0.1::80-81")
        self.assertEqual(len(published), 2)
        self.assertLessEqual(set(published), set(shared.info().publish))
        shared.unpublish(published[0])
        self.assertNotIn(published[0], shared.info().publish)
        with self.assertRaises(FileNotFoundError):
            shared.unpublish(published[0])
        shared.unpublish(published[1])


class Documentation(unittest.TestCase):
    """Each example in a docstring, run."""

    def test_examples(self) -> None:
        tried = 0
        for module in (
            vmboot,
            vmboot.aio,
            vmboot.errors,
            vmboot.images,
            vmboot._exec,
            vmboot._lib,
            vmboot._request,
            vmboot._results,
            vmboot._vm,
        ):
            with self.subTest(module=module.__name__):
                found = doctest.testmod(module, verbose=False, extraglobs={"vmboot": vmboot, "vm": shared})
                self.assertEqual(found.failed, 0)
                tried += found.attempted
        self.assertGreater(tried, 40)


    def test_pages(self) -> None:
        """Each program in the pages for people runs as it stands there."""
        source = pathlib.Path(__file__).resolve().parents[2]
        for page, n in (("README.md", 1), ("bindings/python/README.md", 2)):
            programs = re.findall(r"^```python$(.*?)^```$", (source / page).read_text(), re.M | re.S)
            self.assertEqual(len(programs), n)
            for program in programs:
                exec(compile(program, page, "exec"), {"__name__": "__main__"})
        self.assertEqual([info.name for info in vmboot.list()], ["web"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
