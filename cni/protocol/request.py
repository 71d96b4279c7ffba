"""One request: the environment and stdin of a plugin process, checked and typed.

What is malformed never gets past `read`: a plugin sees only requests whose identifiers are safe to
use in file names and netlink messages.
Source: CNI SPEC 1.1.0, section 2 "Execution Protocol"; CONVENTIONS.md for CNI_ARGS.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cni.protocol.errors import CniError, Code
from cni.protocol.supported import CURRENT, UNSTATED
from cni.protocol.versions import Command, rules_for

Json: TypeAlias = Any
"""A decoded JSON value: typed only once a model has read it."""

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
"""Container ids and network names (SPEC: "Overview: Parameters")."""
IDENTIFIER_FORM = "letters, digits, '_', '.' and '-', starting with a letter or digit"
_IFNAME_BYTES = 15
"""IFNAMSIZ without its terminating zero."""

_KNOWN_ARGUMENTS = frozenset({
    "IgnoreUnknown", "IP", "MAC",
    "K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_INFRA_CONTAINER_ID", "K8S_POD_UID",
})  # fmt: skip

_DEEPEST = 64
"""Levels of JSON: what is read must also be writable, wherever on the stack that is."""
_OF_ATTACHMENT = frozenset({Command.ADD, Command.DEL, Command.CHECK})
"""Commands about one attachment; for the others, CNI_CONTAINERID and the like mean nothing."""
_REQUIRED: dict[Command, tuple[str, ...]] = {
    Command.ADD: ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    Command.CHECK: ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"),
    Command.DEL: ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"),
    Command.GC: ("CNI_PATH",),
    Command.STATUS: ("CNI_PATH",),
    Command.VERSION: (),
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """The identity of an attachment: what Multus and the specification agree on."""

    network: str
    container_id: str
    ifname: str


@dataclass(frozen=True, slots=True)
class Pod:
    """Whose sandbox it is, as far as Kubernetes told; all empty without it."""

    namespace: str = ""
    name: str = ""
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}".lstrip("/") if self.name else ""


@dataclass(frozen=True, slots=True)
class Request:
    """A well-formed request."""

    command: Command
    version: str
    """The caller's cniVersion: results and errors are written in it."""
    config: Mapping[str, Json]
    """The network configuration as decoded; typed by the plugin that owns its keys."""
    container_id: str = ""
    ifname: str = ""
    netns: str = ""
    """Path of the container's network namespace; may be empty on DEL."""
    args: Mapping[str, str] = field(default_factory=dict)
    """CNI_ARGS, decoded."""
    path: tuple[str, ...] = ()
    """Folders of CNI_PATH."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """The runtime's environment, for delegates."""
    started: int = 0
    """CLOCK_BOOTTIME in nanoseconds when the request arrived."""
    sandbox: tuple[int, int, int] | None = None
    """The network namespace, for who is to remember it: its file's device and inode, and its
    cookie, 0 where that is not known."""

    @property
    def network(self) -> str:
        """The `name` of the network configuration."""
        return str(self.config["name"])

    @property
    def attachment(self) -> Attachment:
        """Whose addresses and device this is about."""
        return Attachment(self.network, self.container_id, self.ifname)

    @property
    def pod(self) -> Pod:
        """The pod, from the arguments that Kubernetes runtimes send."""
        get = self.args.get
        return Pod(get("K8S_POD_NAMESPACE", ""), get("K8S_POD_NAME", ""), get("K8S_POD_UID", ""))

    @property
    def valid_attachments(self) -> frozenset[tuple[str, str]]:
        """The (container id, ifname) pairs that GC must keep.

        libcni writes an empty list as null, and leaves it out when it is asked to keep nothing.

        Raises:
            CniError: code 7, when `cni.dev/valid-attachments` is malformed: guessing here would
                free what lives.
        """
        key = "cni.dev/valid-attachments"
        listed = self.config.get(key)
        accepted = 'a list of {"containerID": …, "ifname": …}'
        if listed is None:
            return frozenset()
        if not isinstance(listed, list):
            raise CniError(Code.INVALID_CONFIG, f"{key} is {listed!r}, expected {accepted}")
        pairs = set()
        for entry in listed:
            match entry:
                case {"containerID": str(container_id), "ifname": str(ifname)}:
                    pairs.add((container_id, ifname))
                case _:
                    raise CniError(Code.INVALID_CONFIG, f"{key} has {entry!r}, expected {accepted}")
        return frozenset(pairs)


def read(environ: Mapping[str, str], stdin: bytes, started: int | None = None) -> Request:
    """Return the request that an environment and a stdin make.

    Raises:
        CniError: code 4 for the environment, 6 for JSON, 1 for the version, 7 for the
            configuration's name.
    """
    if started is None:
        started = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    command = _command(environ)
    config = _decode(stdin, command)
    version = stated_version(config)
    if command is not Command.VERSION:
        rules_for(version, command)
        _check_name(config)
    _check_environment(command, environ)
    of_attachment = environ if command in _OF_ATTACHMENT else {}
    return Request(
        command=command,
        version=str(version),
        config=config,
        container_id=of_attachment.get("CNI_CONTAINERID", ""),
        ifname=of_attachment.get("CNI_IFNAME", ""),
        netns=of_attachment.get("CNI_NETNS", ""),
        args=_arguments(environ.get("CNI_ARGS", "")),
        path=tuple(folder for folder in environ.get("CNI_PATH", "").split(":") if folder),
        environ=environ,
        started=started,
    )


def stated_version(config: Mapping[str, Json]) -> Json:
    """Return a configuration's `cniVersion`, or what its absence means."""
    version = config.get("cniVersion", "")
    return UNSTATED if version == "" else version


def _command(environ: Mapping[str, str]) -> Command:
    value = environ.get("CNI_COMMAND", "")
    try:
        return Command(value)
    except ValueError:
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            f"CNI_COMMAND is {value!r}, expected one of {', '.join(c.value for c in Command)}",
            "this program is called by a container runtime; to try it by hand, use cnitool",
        ) from None


def _decode(stdin: bytes, command: Command) -> Mapping[str, Json]:
    if command is Command.VERSION and not stdin.strip():
        return {"cniVersion": CURRENT}
    try:
        config = json.loads(stdin)
    except (ValueError, RecursionError) as error:
        raise CniError(
            Code.DECODE_FAILURE,
            f"the network configuration on stdin is not JSON: {error}",
        ) from None
    if not isinstance(config, dict):
        raise CniError(
            Code.DECODE_FAILURE,
            f"the network configuration is a JSON {type(config).__name__}, expected an object",
        )
    if _is_deep(config, _DEEPEST):
        raise CniError(
            Code.DECODE_FAILURE,
            f"the network configuration is nested deeper than {_DEEPEST} levels",
        )
    return config


def _is_deep(value: Json, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not levels or any(_is_deep(each, levels - 1) for each in inner)


def _check_name(config: Mapping[str, Json]) -> None:
    name = config.get("name")
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name):
        raise CniError(
            Code.INVALID_CONFIG,
            f"name is {name!r}, expected {IDENTIFIER_FORM}",
        )


def _check_environment(command: Command, environ: Mapping[str, str]) -> None:
    for key in ("CNI_NETNS", "CNI_ARGS", "CNI_PATH"):
        if not _is_text(environ.get(key, "")):
            raise CniError(
                Code.INVALID_ENVIRONMENT, f"{key} is {environ[key]!r}, expected UTF-8 without zeros"
            )
    missing = [key for key in _REQUIRED[command] if not environ.get(key)]
    if missing:
        raise CniError(
            Code.INVALID_ENVIRONMENT, f"{', '.join(missing)} must be set for {command.value}"
        )
    if command not in _OF_ATTACHMENT:
        return
    container_id = environ["CNI_CONTAINERID"]
    if not IDENTIFIER.fullmatch(container_id):
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            f"CNI_CONTAINERID is {container_id!r}, expected {IDENTIFIER_FORM}",
        )
    problem = ifname_problem(environ["CNI_IFNAME"])
    if problem:
        raise CniError(
            Code.INVALID_ENVIRONMENT, f"CNI_IFNAME is {environ['CNI_IFNAME']!r}: {problem}"
        )


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def ifname_problem(name: str) -> str:
    """Return why Linux would not take an interface name, empty when it would (dev_valid_name)."""
    if not name:
        return "it is empty"
    if len(name.encode(errors="surrogateescape")) > _IFNAME_BYTES:
        return f"it is longer than {_IFNAME_BYTES} bytes"
    if name in {".", ".."}:
        return "it is a folder, not a name"
    if name in {"all", "default"}:
        return "in /proc/sys/net/ipv4/conf it stands for other interfaces"
    bad = next(
        (char for char in name if char in "/:%" or char.isspace() or not char.isprintable()), ""
    )
    return f"it contains {bad!r}" if bad else ""


def _arguments(text: str) -> dict[str, str]:
    """Decode CNI_ARGS, `KEY=VALUE;KEY=VALUE`."""
    arguments = {}
    for pair in filter(None, text.split(";")):
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise CniError(
                Code.INVALID_ENVIRONMENT,
                f"CNI_ARGS has {pair!r}, expected KEY=VALUE pairs separated by ';'",
            )
        arguments[key] = value
    unknown = sorted(arguments.keys() - _KNOWN_ARGUMENTS)
    if unknown and arguments.get("IgnoreUnknown", "").lower() not in {"1", "true"}:
        raise CniError(
            Code.INVALID_ENVIRONMENT,
            f"CNI_ARGS has {', '.join(unknown)}, which no plugin of ours knows",
            "add IgnoreUnknown=1 to CNI_ARGS if that is meant",
        )
    return arguments
