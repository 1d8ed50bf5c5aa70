# SPDX-License-Identifier: LGPL-2.1-or-later
# Made by abigen.py from include/vmboot/*.h. Do not edit: see bindings/python/README.md.
"""The library's structs, enums, constants and functions, for ctypes."""
from __future__ import annotations

import builtins
import ctypes
import enum
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_bool,
    c_char,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_uint,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Dict, Optional, Tuple


class _OpenEnum(enum.IntEnum):
    """A newer library may know numbers that this package does not."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


class ErrorCode(_OpenEnum):
    """Errors without an errno. Functions return them negated."""

    #: an option, or a field of a request, is not valid
    EOPTS = 5001
    #: an image or its config cannot be used
    EIMAGE = 5002
    #: the kernel, its modules or its configuration do not suffice
    EKERNEL = 5003
    #: libvirt reported an error; its own code and message are in the error
    ELIBVIRT = 5004
    #: a tool, a file or a permission is missing on this host
    EHOST = 5005
    #: the guest reported that its boot failed
    EBOOT = 5006
    #: the guest sent invalid data
    EGUEST = 5007
    #: the guest ended before the awaited event happened
    EENDED = 5008
    #: there is no VM with that name
    ENOVM = 5009
    #: the store has no image with that name
    ENOIMAGE = 5010
    #: the VM runs without an agent: skip_guest_agent
    ENOAGENT = 5011
    #: output was dropped before it was read; since 0.2
    ELOST = 5012


class Error(ctypes.Structure):
    """struct vmboot_error"""

    size: int
    code: int
    message: Optional[builtins.bytes]
    field: Optional[builtins.bytes]
    phase: Optional[builtins.bytes]
    device: Optional[builtins.bytes]
    guest_errno: int
    libvirt_code: int
    libvirt_message: Optional[builtins.bytes]
    console: Optional[builtins.bytes]
    _fields_ = [
        ("size", c_size_t),
        ("code", c_int),
        ("message", c_char_p),
        ("field", c_char_p),
        ("phase", c_char_p),
        ("device", c_char_p),
        ("guest_errno", c_int),
        ("libvirt_code", c_int),
        ("libvirt_message", c_char_p),
        ("console", c_char_p),
    ]


class Phase(_OpenEnum):
    """The phases of a boot, in the order in which they happen. The numbers are part of the ABI
    and of the protocol between host and guest. A new phase of the host gets the next free
    number below 32, a phase of the guest the next below 64. The rows here are in the order of
    a boot, and a ledger is sorted by start; neither follows the numbers."""

    NONE = 0
    #: opts and host facts checked
    VALIDATE = 1
    #: KVM was tried, unless it was known whether it works
    ACCEL = 2
    #: the image is in the store
    IMAGE = 3
    #: kernel and initramfs are in the store
    INITRAMFS = 4
    #: the kernel disk is in the store; missing if it is skipped
    KERNEL_DISK = 8
    #: overlay and config disk made
    DISKS = 5
    #: domain XML rendered
    XML = 6
    #: libvirt has started the domain
    LIBVIRT = 7
    #: libvirt has restored the guest from its saved state; the boot goes on. Since 0.2
    RESUMED = 9
    #: from libvirt's start, or the reset of a guest that rebooted (value: number of
    #: reboots), to the start of the kernel's clock
    FIRMWARE = 32
    #: the kernel, to init's first instruction
    KERNEL = 33
    #: /dev, /proc, /sys
    MOUNTS = 34
    #: modules loaded; value: how many
    MODULES = 35
    #: vda is there
    SETTLE_ROOT = 36
    #: vdb is there
    SETTLE_OVERLAY = 37
    #: vdc is there
    SETTLE_CONFIG = 38
    #: guest config read and checked
    CONFIG = 39
    #: root disk mounted
    ROOT = 40
    #: modules and headers are mounted, or were skipped
    HEADERS = 41
    #: overlay disk and overlayfs mounted
    OVERLAY = 42
    #: lo is up, the host name is set
    NETWORK = 43
    #: the image's root became the root
    SWITCH = 44
    #: the request's sysctls and mounts are in place; missing if it has none; since 0.2
    SETTINGS = 50
    #: the agent answers, or was skipped
    AGENT = 45
    #: the program (or init system) was started; value: pid
    PROGRAM = 46
    #: an init system reached its default target
    READY = 47
    #: the program ended and was started again, see `restart`; value: how it ended, as for
    #: exit; since 0.2
    RESTART = 51
    #: the program's health check succeeds; since 0.2
    HEALTHY = 52
    #: it has failed too often; value: as for exit; since 0.2
    UNHEALTHY = 53
    #: the program ended, other than for a reboot; value: exit code, or 256 + signal
    EXIT = 48
    #: disks are synced, the guest is about to power off; value: enum vmboot_poweroff
    POWEROFF = 49
    #: the guest is gone; detail: libvirt's reason in a word, "shutdown", "destroyed",
    #: "crashed", "failed", …; also "shutdown" if no embedded libvirt saw the end of a guest
    #: that reported its power-off
    STOPPED = 64


class Poweroff(_OpenEnum):
    """How a boot ends, as its init reports; the event's detail says why."""

    OFF = 0
    #: the guest boots again from the same disks
    REBOOT = 1
    #: it halts, and its power must be cut
    HALT = 2


class Event(ctypes.Structure):
    """struct vmboot_event"""

    size: int
    phase: int
    guest: bool
    error: int
    start_us: int
    end_us: int
    value: int
    device: Optional[builtins.bytes]
    detail: Optional[builtins.bytes]
    _fields_ = [
        ("size", c_size_t),
        ("phase", c_uint),
        ("guest", c_bool),
        ("error", c_int),
        ("start_us", c_int64),
        ("end_us", c_int64),
        ("value", c_int64),
        ("device", c_char_p),
        ("detail", c_char_p),
    ]


class Ledger(ctypes.Structure):
    """struct vmboot_ledger"""

    size: int
    name: Optional[builtins.bytes]
    n_events: int
    events: ctypes._Pointer[ctypes._Pointer[Event]]
    exited: bool
    exit_code: int
    exit_signal: int
    program_us: int
    clock_error_us: int
    exit_oom: bool
    padding: Any
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("n_events", c_size_t),
        ("events", POINTER(POINTER(Event))),
        ("exited", c_bool),
        ("exit_code", c_int),
        ("exit_signal", c_int),
        ("program_us", c_int64),
        ("clock_error_us", c_int64),
        ("exit_oom", c_bool),
        ("padding", c_char * 7),
    ]


class InitMode(_OpenEnum):
    """Which process runs as PID 1 in the guest."""

    #: systemd mode if the command is an init system, else exec
    AUTO = 0
    #: our init stays PID 1 and runs the program
    EXEC = 1
    #: the image's init system becomes PID 1
    SYSTEMD = 2
    #: as exec, but the program sees itself as PID 1; since 0.2
    PID1 = 3


class OnExit(_OpenEnum):
    """What happens when the program ends (exec mode)."""

    #: the VM keeps running until it is stopped
    KEEP = 0
    #: the VM syncs and powers off
    POWEROFF = 1


class Accel(_OpenEnum):
    """What executes the guest."""

    #: KVM if a guest can run under it here, else TCG
    AUTO = 0
    #: KVM; fail if it does not work
    KVM = 1
    #: emulation; works everywhere, slower
    TCG = 2


class Network(_OpenEnum):
    """What the guest can reach."""

    #: nothing: there is no network device
    NONE = 0
    #: what the user who runs QEMU can, by libvirt's "user" network
    USER = 1


class GuestAgent(_OpenEnum):
    """Whose agent runs in the guest."""

    #: ours, which init starts
    VMBOOT = 0
    #: the image's own, qemu-ga for one: init starts none
    IMAGE = 1


class KernelStart(_OpenEnum):
    """How the guest's kernel starts."""

    AUTO = 0
    BZIMAGE = 1


class Pull(_OpenEnum):
    """When an image is fetched from where its name leads. Since 0.2."""

    #: if the store does not have it
    MISSING = 0
    #: in any case; what the store has already is not fetched again
    ALWAYS = 1
    #: as always; if it cannot be fetched, the store's is used
    NEWER = 2
    #: never
    NEVER = 3


class TlsVerify(_OpenEnum):
    """Whether a registry must have a valid certificate. Since 0.2."""

    #: unless registries.conf says that it is insecure
    AUTO = 0
    #: yes
    TRUE = 1
    #: no; plain HTTP is tried as well
    FALSE = 2


class LogLevel(_OpenEnum):
    """How serious a log record is; the numbers are syslog's."""

    ERR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


LogFn = CFUNCTYPE(None, c_uint, c_char_p, c_void_p)


ProgressFn = CFUNCTYPE(None, c_char_p, c_uint64, c_uint64, c_void_p)


class Opts(ctypes.Structure):
    """struct vmboot_opts"""

    size: int
    name: Optional[builtins.bytes]
    image: Optional[builtins.bytes]
    skip_kernel_headers: bool
    skip_guest_agent: bool
    vcpus: int
    memory_mib: int
    overlay_mib: int
    entrypoint: ctypes._Pointer[c_char_p]
    cmd: ctypes._Pointer[c_char_p]
    env: ctypes._Pointer[c_char_p]
    workdir: Optional[builtins.bytes]
    user: Optional[builtins.bytes]
    init_mode: int
    on_exit: int
    accel: int
    kernel: Optional[builtins.bytes]
    kernel_args: Optional[builtins.bytes]
    uri: Optional[builtins.bytes]
    store: Optional[builtins.bytes]
    network: int
    ephemeral: bool
    debug: bool
    guest_agent: int
    kernel_headers: Optional[builtins.bytes]
    kernel_start: int
    skip_module_signatures: bool
    connection: Optional[int]
    log: Any
    log_data: Optional[int]
    progress: Any
    progress_data: Optional[int]
    timeout_ms: int
    cancel: Optional[int]
    hostname: Optional[builtins.bytes]
    log_max_mib: int
    shm_size: Optional[builtins.bytes]
    tmpfs: ctypes._Pointer[c_char_p]
    sysctl: ctypes._Pointer[c_char_p]
    ulimit: ctypes._Pointer[c_char_p]
    ttl: Optional[builtins.bytes]
    restart: Optional[builtins.bytes]
    health_cmd: Optional[builtins.bytes]
    health_interval: Optional[builtins.bytes]
    health_timeout: Optional[builtins.bytes]
    health_start_period: Optional[builtins.bytes]
    health_retries: int
    read_only: bool
    padding: Any
    publish: ctypes._Pointer[c_char_p]
    platform: Optional[builtins.bytes]
    authfile: Optional[builtins.bytes]
    creds: Optional[builtins.bytes]
    cert_dir: Optional[builtins.bytes]
    pull: int
    tls_verify: int
    label: ctypes._Pointer[c_char_p]
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("image", c_char_p),
        ("skip_kernel_headers", c_bool),
        ("skip_guest_agent", c_bool),
        ("vcpus", c_uint64),
        ("memory_mib", c_uint64),
        ("overlay_mib", c_uint64),
        ("entrypoint", POINTER(c_char_p)),
        ("cmd", POINTER(c_char_p)),
        ("env", POINTER(c_char_p)),
        ("workdir", c_char_p),
        ("user", c_char_p),
        ("init_mode", c_uint),
        ("on_exit", c_uint),
        ("accel", c_uint),
        ("kernel", c_char_p),
        ("kernel_args", c_char_p),
        ("uri", c_char_p),
        ("store", c_char_p),
        ("network", c_uint),
        ("ephemeral", c_bool),
        ("debug", c_bool),
        ("guest_agent", c_uint),
        ("kernel_headers", c_char_p),
        ("kernel_start", c_uint),
        ("skip_module_signatures", c_bool),
        ("connection", c_void_p),
        ("log", LogFn),
        ("log_data", c_void_p),
        ("progress", ProgressFn),
        ("progress_data", c_void_p),
        ("timeout_ms", c_uint64),
        ("cancel", c_void_p),
        ("hostname", c_char_p),
        ("log_max_mib", c_uint64),
        ("shm_size", c_char_p),
        ("tmpfs", POINTER(c_char_p)),
        ("sysctl", POINTER(c_char_p)),
        ("ulimit", POINTER(c_char_p)),
        ("ttl", c_char_p),
        ("restart", c_char_p),
        ("health_cmd", c_char_p),
        ("health_interval", c_char_p),
        ("health_timeout", c_char_p),
        ("health_start_period", c_char_p),
        ("health_retries", c_uint64),
        ("read_only", c_bool),
        ("padding", c_char * 7),
        ("publish", POINTER(c_char_p)),
        ("platform", c_char_p),
        ("authfile", c_char_p),
        ("creds", c_char_p),
        ("cert_dir", c_char_p),
        ("pull", c_uint),
        ("tls_verify", c_uint),
        ("label", POINTER(c_char_p)),
    ]


class FieldType(_OpenEnum):
    """The types of fields."""

    #: const char *
    STRING = 1
    #: bool
    BOOL = 2
    #: uint64_t
    UINT = 3
    #: an enum; JSON has the choice's name
    ENUM = 4
    #: const char *const *, NULL-ended
    LIST = 5


class Field(ctypes.Structure):
    """struct vmboot_field"""

    size: int
    name: Optional[builtins.bytes]
    type: int
    offset: int
    min: int
    max: int
    default_value: int
    choices: ctypes._Pointer[c_char_p]
    metavar: Optional[builtins.bytes]
    rule: Optional[builtins.bytes]
    help: Optional[builtins.bytes]
    since: Optional[builtins.bytes]
    short_flag: builtins.bytes
    padding: Any
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("type", c_uint),
        ("offset", c_size_t),
        ("min", c_uint64),
        ("max", c_uint64),
        ("default_value", c_uint64),
        ("choices", POINTER(c_char_p)),
        ("metavar", c_char_p),
        ("rule", c_char_p),
        ("help", c_char_p),
        ("since", c_char_p),
        ("short_flag", c_char),
        ("padding", c_char * 7),
    ]


class State(_OpenEnum):
    """What a VM is doing."""

    #: kept, not running
    STOPPED = 0
    #: its kernel runs; the ledger shows its progress
    RUNNING = 1
    #: by libvirt, or because emulation failed
    PAUSED = 2


class Info(ctypes.Structure):
    """struct vmboot_info"""

    size: int
    name: Optional[builtins.bytes]
    uuid: Optional[builtins.bytes]
    image: Optional[builtins.bytes]
    digest: Optional[builtins.bytes]
    state: int
    ephemeral: bool
    skip_kernel_headers: bool
    skip_guest_agent: bool
    vcpus: int
    memory_mib: int
    accel: Optional[builtins.bytes]
    folder: Optional[builtins.bytes]
    skip_module_signatures: bool
    padding: Any
    store: Optional[builtins.bytes]
    created: int
    started: int
    command: Optional[builtins.bytes]
    publish: ctypes._Pointer[c_char_p]
    labels: ctypes._Pointer[c_char_p]
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("uuid", c_char_p),
        ("image", c_char_p),
        ("digest", c_char_p),
        ("state", c_uint),
        ("ephemeral", c_bool),
        ("skip_kernel_headers", c_bool),
        ("skip_guest_agent", c_bool),
        ("vcpus", c_uint64),
        ("memory_mib", c_uint64),
        ("accel", c_char_p),
        ("folder", c_char_p),
        ("skip_module_signatures", c_bool),
        ("padding", c_char * 7),
        ("store", c_char_p),
        ("created", c_int64),
        ("started", c_int64),
        ("command", c_char_p),
        ("publish", POINTER(c_char_p)),
        ("labels", POINTER(c_char_p)),
    ]


class Stream(_OpenEnum):
    """The guest's output streams."""

    #: the program's standard output
    STDOUT = 1
    #: the program's standard error
    STDERR = 2
    #: kernel and init
    CONSOLE = 3


EventFn = CFUNCTYPE(None, c_void_p, POINTER(Event), c_void_p)


OutputFn = CFUNCTYPE(None, c_void_p, c_uint, c_void_p, c_size_t, c_void_p)


class ExecOpts(ctypes.Structure):
    """struct vmboot_exec_opts"""

    size: int
    args: ctypes._Pointer[c_char_p]
    env: ctypes._Pointer[c_char_p]
    workdir: Optional[builtins.bytes]
    user: Optional[builtins.bytes]
    input: Optional[int]
    input_size: int
    output_max: int
    timeout_ms: int
    tty: bool
    rows: int
    columns: int
    _fields_ = [
        ("size", c_size_t),
        ("args", POINTER(c_char_p)),
        ("env", POINTER(c_char_p)),
        ("workdir", c_char_p),
        ("user", c_char_p),
        ("input", c_void_p),
        ("input_size", c_size_t),
        ("output_max", c_size_t),
        ("timeout_ms", c_int),
        ("tty", c_bool),
        ("rows", c_uint),
        ("columns", c_uint),
    ]


class ExecResult(ctypes.Structure):
    """struct vmboot_exec_result"""

    size: int
    exit_code: int
    exit_signal: int
    timed_out: bool
    out: Optional[int]
    out_size: int
    out_cut: bool
    err: Optional[int]
    err_size: int
    err_cut: bool
    padding: Any
    _fields_ = [
        ("size", c_size_t),
        ("exit_code", c_int),
        ("exit_signal", c_int),
        ("timed_out", c_bool),
        ("out", c_void_p),
        ("out_size", c_size_t),
        ("out_cut", c_bool),
        ("err", c_void_p),
        ("err_size", c_size_t),
        ("err_cut", c_bool),
        ("padding", c_char * 7),
    ]


class Stat(ctypes.Structure):
    """struct vmboot_stat"""

    size: int
    exists: bool
    mode: int
    uid: int
    gid: int
    nlink: int
    bytes: int
    blocks: int
    inode: int
    device: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    target: Optional[builtins.bytes]
    _fields_ = [
        ("size", c_size_t),
        ("exists", c_bool),
        ("mode", c_uint32),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("nlink", c_uint32),
        ("bytes", c_uint64),
        ("blocks", c_uint64),
        ("inode", c_uint64),
        ("device", c_uint64),
        ("atime_ns", c_int64),
        ("mtime_ns", c_int64),
        ("ctime_ns", c_int64),
        ("target", c_char_p),
    ]


class ExecAction(_OpenEnum):
    """What a caller can do to a running program."""

    #: value: the signal, to its process group
    SIGNAL = 1
    #: value: columns << 16 | rows
    RESIZE = 2


class ExecControl(ctypes.Structure):
    """struct vmboot_exec_control"""

    action: int
    value: int
    _fields_ = [
        ("action", c_uint32),
        ("value", c_uint32),
    ]


class Image(ctypes.Structure):
    """struct vmboot_image"""

    size: int
    name: Optional[builtins.bytes]
    digest: Optional[builtins.bytes]
    disk: Optional[builtins.bytes]
    format: Optional[builtins.bytes]
    bytes: int
    imported: int
    config_json: Optional[builtins.bytes]
    created: Optional[builtins.bytes]
    users: ctypes._Pointer[c_char_p]
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("digest", c_char_p),
        ("disk", c_char_p),
        ("format", c_char_p),
        ("bytes", c_uint64),
        ("imported", c_int64),
        ("config_json", c_char_p),
        ("created", c_char_p),
        ("users", POINTER(c_char_p)),
    ]


FOREVER = -1
STATS_GUEST = 1
GC_DRY_RUN = 1
PRUNE_ALL = 1
PRUNE_DRY_RUN = 2

#: by their names in C
STRUCTS: Dict[str, Any] = {
    "vmboot_error": Error,
    "vmboot_event": Event,
    "vmboot_exec_control": ExecControl,
    "vmboot_exec_opts": ExecOpts,
    "vmboot_exec_result": ExecResult,
    "vmboot_field": Field,
    "vmboot_image": Image,
    "vmboot_info": Info,
    "vmboot_ledger": Ledger,
    "vmboot_opts": Opts,
    "vmboot_stat": Stat,
}
ENUMS: Dict[str, Any] = {
    "vmboot_accel": Accel,
    "vmboot_error_code": ErrorCode,
    "vmboot_exec_action": ExecAction,
    "vmboot_field_type": FieldType,
    "vmboot_guest_agent": GuestAgent,
    "vmboot_init_mode": InitMode,
    "vmboot_kernel_start": KernelStart,
    "vmboot_log_level": LogLevel,
    "vmboot_network": Network,
    "vmboot_on_exit": OnExit,
    "vmboot_phase": Phase,
    "vmboot_poweroff": Poweroff,
    "vmboot_pull": Pull,
    "vmboot_state": State,
    "vmboot_stream": Stream,
    "vmboot_tls_verify": TlsVerify,
}
#: result, parameters
FUNCTIONS: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "vmboot_cancel": (None, (c_void_p,)),
    "vmboot_cancel_free": (None, (c_void_p,)),
    "vmboot_cancel_new": (c_int, (POINTER(c_void_p),)),
    "vmboot_close": (None, (c_void_p,)),
    "vmboot_copy_archive_from": (c_int, (c_void_p, c_char_p, c_int)),
    "vmboot_copy_archive_to": (c_int, (c_void_p, c_int, c_char_p)),
    "vmboot_copy_from": (c_int, (c_void_p, c_char_p, c_char_p)),
    "vmboot_copy_to": (c_int, (c_void_p, c_char_p, c_char_p)),
    "vmboot_create": (c_int, (POINTER(Opts), POINTER(c_void_p))),
    "vmboot_destroy": (c_int, (c_void_p,)),
    "vmboot_df": (c_int, (POINTER(Opts), POINTER(c_void_p))),
    "vmboot_dispatch": (c_int, (c_void_p,)),
    "vmboot_doctor": (c_int, (POINTER(Opts), POINTER(c_void_p))),
    "vmboot_event_fd": (c_int, (c_void_p,)),
    "vmboot_events_close": (None, (c_void_p,)),
    "vmboot_events_fd": (c_int, (c_void_p,)),
    "vmboot_events_next": (c_int, (c_void_p, POINTER(c_void_p))),
    "vmboot_events_open": (c_int, (POINTER(Opts), POINTER(c_void_p))),
    "vmboot_exec": (c_int, (c_void_p, POINTER(ExecOpts), POINTER(POINTER(ExecResult)))),
    "vmboot_exec_result_free": (None, (POINTER(ExecResult),)),
    "vmboot_exec_stream": (c_int, (c_void_p, POINTER(ExecOpts), POINTER(c_int), c_int, POINTER(c_int))),
    "vmboot_free": (None, (c_void_p,)),
    "vmboot_gc": (c_int, (POINTER(Opts), c_uint, POINTER(c_void_p))),
    "vmboot_image_free": (None, (POINTER(Image),)),
    "vmboot_image_import": (c_int, (POINTER(Opts), c_char_p, c_char_p, POINTER(POINTER(Image)))),
    "vmboot_image_inspect": (c_int, (POINTER(Opts), c_char_p, POINTER(c_void_p))),
    "vmboot_image_list": (c_int, (POINTER(Opts), POINTER(POINTER(POINTER(Image))))),
    "vmboot_image_list_free": (None, (POINTER(POINTER(Image)),)),
    "vmboot_image_prune": (c_int, (POINTER(Opts), c_uint, c_int64, POINTER(c_void_p))),
    "vmboot_image_pull": (c_int, (POINTER(Opts), c_char_p, c_char_p, POINTER(POINTER(Image)))),
    "vmboot_image_remove": (c_int, (POINTER(Opts), c_char_p)),
    "vmboot_image_save": (c_int, (POINTER(Opts), c_char_p, c_char_p)),
    "vmboot_image_tag": (c_int, (POINTER(Opts), c_char_p, c_char_p)),
    "vmboot_info": (c_int, (c_void_p, POINTER(POINTER(Info)))),
    "vmboot_info_free": (None, (POINTER(Info),)),
    "vmboot_inspect": (c_int, (c_void_p, POINTER(c_void_p))),
    "vmboot_last_error": (POINTER(Error), ()),
    "vmboot_ledger": (c_int, (c_void_p, POINTER(POINTER(Ledger)))),
    "vmboot_ledger_chart": (c_int, (POINTER(Ledger), c_uint, POINTER(c_void_p))),
    "vmboot_ledger_free": (None, (POINTER(Ledger),)),
    "vmboot_ledger_json": (c_int, (POINTER(Ledger), POINTER(c_void_p))),
    "vmboot_ledger_svg": (c_int, (POINTER(Ledger), POINTER(c_void_p))),
    "vmboot_ledger_table": (c_int, (POINTER(Ledger), POINTER(c_void_p))),
    "vmboot_list": (c_int, (POINTER(Opts), POINTER(POINTER(POINTER(Info))))),
    "vmboot_list_free": (None, (POINTER(POINTER(Info)),)),
    "vmboot_name": (c_char_p, (c_void_p,)),
    "vmboot_on_event": (c_int, (c_void_p, EventFn, c_void_p)),
    "vmboot_on_output": (c_int, (c_void_p, c_uint, OutputFn, c_void_p)),
    "vmboot_open": (c_int, (POINTER(Opts), c_char_p, POINTER(c_void_p))),
    "vmboot_opts_check": (c_int, (POINTER(Opts),)),
    "vmboot_opts_fields": (POINTER(POINTER(Field)), (POINTER(c_size_t),)),
    "vmboot_opts_free": (None, (POINTER(Opts),)),
    "vmboot_opts_from_json": (c_int, (c_char_p, POINTER(POINTER(Opts)))),
    "vmboot_opts_new": (c_int, (POINTER(POINTER(Opts)),)),
    "vmboot_opts_set": (c_int, (POINTER(Opts), c_char_p, c_char_p)),
    "vmboot_opts_to_json": (c_int, (POINTER(Opts), POINTER(c_void_p))),
    "vmboot_pause": (c_int, (c_void_p,)),
    "vmboot_phase_from_name": (c_int, (c_char_p,)),
    "vmboot_phase_help": (c_char_p, (c_uint,)),
    "vmboot_phase_name": (c_char_p, (c_uint,)),
    "vmboot_plan": (c_int, (POINTER(Opts), POINTER(c_void_p))),
    "vmboot_prepare": (c_int, (POINTER(Opts), POINTER(c_void_p), POINTER(c_void_p))),
    "vmboot_publish": (c_int, (c_void_p, c_char_p, POINTER(c_void_p))),
    "vmboot_reboot": (c_int, (c_void_p, c_int)),
    "vmboot_render_xml": (c_int, (POINTER(Opts), POINTER(c_void_p))),
    "vmboot_start": (c_int, (c_void_p,)),
    "vmboot_stat": (c_int, (c_void_p, c_char_p, c_bool, POINTER(POINTER(Stat)))),
    "vmboot_stat_free": (None, (POINTER(Stat),)),
    "vmboot_stats": (c_int, (POINTER(Opts), c_uint, POINTER(c_void_p))),
    "vmboot_stop": (c_int, (c_void_p, c_int)),
    "vmboot_store_path": (c_int, (POINTER(Opts), POINTER(c_void_p))),
    "vmboot_strerror": (c_char_p, (c_int,)),
    "vmboot_top": (c_int, (c_void_p, POINTER(c_void_p))),
    "vmboot_unpause": (c_int, (c_void_p,)),
    "vmboot_unpublish": (c_int, (c_void_p, c_char_p)),
    "vmboot_version": (c_char_p, ()),
    "vmboot_version_number": (c_int, ()),
    "vmboot_wait": (c_int, (c_void_p, c_uint, c_int)),
    "vmboot_wait_next_boot": (c_int, (c_void_p, c_uint, c_int)),
    "vmboot_xml": (c_int, (c_void_p, POINTER(c_void_p))),
}
