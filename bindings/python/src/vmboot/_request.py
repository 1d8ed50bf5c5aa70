# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests: as keyword arguments, as JSON, and as the library's options."""
from __future__ import annotations

import ctypes
import json
import os
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, TypedDict, Union

from . import _abi, errors
from ._cancel import Cancel
from ._lib import call, call_for_text, lib, text
from ._log import Progress, on_log, progress_callback

EnvValue = Union[str, bytes, float]
StrPath = Union[str, "os.PathLike[str]"]
#: a time as in a request ("1h30m"), or seconds
Duration = Union[str, float]


class Request(TypedDict, total=False):
    """The fields of a request, as in JSON; ``man 5 vmboot-request`` describes each.

    >>> request: vmboot.Request = {"name": "web", "image": "node:20", "vcpus": 2}
    >>> json.loads(vmboot.request_json(**request)) == request
    True
    """

    name: str
    image: str
    skip_kernel_headers: bool
    skip_guest_agent: bool
    vcpus: int
    memory_mib: int
    overlay_mib: int
    entrypoint: Sequence[str]
    cmd: Sequence[str]
    env: Union[Sequence[str], Mapping[str, EnvValue]]
    workdir: StrPath
    user: str
    init_mode: str
    on_exit: str
    accel: str
    kernel: StrPath
    kernel_args: str
    uri: str
    store: StrPath
    network: str
    ephemeral: bool
    debug: bool
    guest_agent: str
    kernel_headers: StrPath
    kernel_start: str
    skip_module_signatures: bool
    timeout_ms: int
    hostname: str
    log_max_mib: int
    shm_size: str
    tmpfs: Sequence[str]
    sysctl: Union[Sequence[str], Mapping[str, EnvValue]]
    ulimit: Sequence[str]
    ttl: Duration
    restart: str
    health_cmd: str
    health_interval: Duration
    health_timeout: Duration
    health_start_period: Duration
    health_retries: int
    read_only: bool
    publish: Sequence[str]
    platform: str
    authfile: StrPath
    creds: str
    cert_dir: StrPath
    pull: str
    tls_verify: str
    label: Union[Sequence[str], Mapping[str, str]]


class Field(NamedTuple):
    """One field of a request, from the library's table, which JSON and the tool use too."""

    name: str
    #: "string", "bool", "uint", "enum" or "list"
    type: str
    rule: str
    help: str
    choices: Tuple[str, ...]
    default: Optional[int]
    since: str


def fields() -> List[Field]:
    """All fields of a request.

    >>> [field.name for field in vmboot.fields()][:3]
    ['name', 'image', 'skip_kernel_headers']
    """
    n = ctypes.c_size_t()
    rows = lib.vmboot_opts_fields(ctypes.byref(n))
    return [_field(rows[i].contents) for i in range(n.value)]


def _field(row: _abi.Field) -> Field:
    choices: List[str] = []
    while row.choices and row.choices[len(choices)] is not None:
        choices.append(text(row.choices[len(choices)]))
    kind = _abi.FieldType(row.type)
    return Field(
        name=text(row.name),
        type=kind.name.lower(),
        rule=text(row.rule),
        help=text(row.help),
        choices=tuple(choices),
        default=row.default_value if kind == _abi.FieldType.UINT else None,
        since=text(row.since),
    )


def env_words(env: Mapping[Any, Any], field: str = "env") -> List[str]:
    """``KEY=VALUE`` for each variable; invalid names are refused."""
    items = []
    for key, value in env.items():
        key, value = (
            os.fsdecode(word) if isinstance(word, (bytes, os.PathLike)) else word
            for word in (key, value)
        )
        if not isinstance(key, str) or not key or "=" in key:
            raise _refused(field, f"{key!r} is no name")
        if not isinstance(value, (str, int, float)):
            raise _refused(field, f"{key} cannot be a {type(value).__name__}")
        items.append(f"{key}={value}")
    return items


#: fields that take a duration: a text as in JSON, or a number of seconds
_TIMES = ("ttl", "health_interval", "health_timeout", "health_start_period")


def _duration(name: str, seconds: float) -> str:
    try:
        return f"{round(seconds * 1000)}ms"
    except (ValueError, OverflowError):
        raise _refused(name, f"{seconds} is no number of seconds") from None


def _plain(name: str, value: Any) -> Any:
    """A value that JSON can represent. Others are refused, with the field's name."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    if name in ("env", "sysctl") and isinstance(value, Mapping):
        return [_utf8(name, item) for item in env_words(value, name)]
    if name in _TIMES and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _duration(name, value)
    if name == "label" and isinstance(value, Mapping):
        return [_utf8(name, f"{key}={item}") for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if isinstance(value, str):
        return _utf8(name, value)
    if value is None or isinstance(value, (bool, int, float, dict)):
        return value
    raise _refused(name, f"a {type(value).__name__} is not acceptable")


def _utf8(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _refused(name, f"{value!r} is not UTF-8") from None
    return value


def _refused(name: str, words: str) -> errors.OptionError:
    return errors.OptionError(f"{name}: {words}", _abi.ErrorCode.EOPTS, field=name)


def to_json(request: Mapping[str, Any]) -> str:
    """The request in JSON. Fields that are None are left out, which means their default."""
    plain = {name: _plain(name, value) for name, value in request.items() if value is not None}
    try:
        return json.dumps(plain)
    except (TypeError, ValueError) as error:
        raise errors.OptionError(f"the request is no JSON: {error}", _abi.ErrorCode.EOPTS) from error


class Options:
    """The library's options for one call, or for a handle that keeps using the callbacks."""

    def __init__(
        self,
        request: Mapping[str, Any],
        connection: Any = None,
        progress: Optional[Progress] = None,
        cancel: Optional[Cancel] = None,
    ) -> None:
        self.connection = connection
        self._cancel = cancel
        self._lent = lent_pointer(connection)
        self._callback = progress_callback(progress)
        self._json = to_json(request)
        self._opts = ctypes.POINTER(_abi.Opts)()

    #: objects that must live as long as the library may use them
    @property
    def kept(self) -> Tuple[Any, ...]:
        return self._callback, self.connection

    def __enter__(self) -> Any:
        call("vmboot_opts_from_json", self._json.encode(), ctypes.byref(self._opts))
        opts = self._opts.contents
        opts.connection = self._lent
        opts.log = on_log
        opts.progress = self._callback
        opts.cancel = self._cancel.pointer if self._cancel else None
        return self._opts

    def __exit__(self, *_: object) -> None:
        lib.vmboot_opts_free(self._opts)
        self._opts = ctypes.POINTER(_abi.Opts)()


def limited(request: Mapping[str, Any], timeout: Optional[float]) -> Dict[str, Any]:
    """The request with a timeout in seconds, at least one millisecond."""
    if timeout is None:
        return dict(request)
    return {**request, "timeout_ms": max(1, round(timeout * 1000))}


class Where(NamedTuple):
    """Where a VM or an image is (connection and store), kept to find it again."""

    request: Dict[str, Any]
    connection: Any = None
    progress: Optional[Progress] = None

    def options(self) -> Options:
        return Options(*self)


def where(
    uri: Optional[str],
    store: Optional[StrPath],
    connection: Any = None,
    progress: Optional[Progress] = None,
) -> Where:
    return Where({"uri": uri, "store": store}, connection, progress)


def lent_pointer(connection: Any) -> Optional[int]:
    """The ``virConnectPtr`` inside a ``libvirt.virConnect``, as the library takes it.

    libvirt-python keeps the pointer in a named capsule, and CPython checks the name. The library
    takes its own reference to it, and we keep the object.
    """
    if connection is None:
        return None
    capsule = getattr(connection, "_o", None)
    is_valid = ctypes.pythonapi.PyCapsule_IsValid
    is_valid.restype = ctypes.c_int
    is_valid.argtypes = [ctypes.py_object, ctypes.c_char_p]
    if capsule is None or not is_valid(capsule, b"virConnectPtr"):
        raise TypeError(
            f"connection: an open libvirt.virConnect is needed, not {type(connection).__name__}"
        )
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    pointer: Optional[int] = get_pointer(capsule, b"virConnectPtr")
    return pointer


def check(**request: Any) -> None:
    """Check a request by the library's rules, without changing anything.

    >>> vmboot.check(name="web", image="node:20", vcpus=0.5)
    Traceback (most recent call last):
    ...
    vmboot.errors.OptionError: vcpus: 0.5 is not acceptable: it must be a number from 1 to 255
    """
    with Options(request) as opts:
        call("vmboot_opts_check", opts)


def request_json(**request: Any) -> str:
    """The request as the library writes it, without the fields that have their default value."""
    with Options(request) as opts:
        return call_for_text("vmboot_opts_to_json", opts)[1]
