"""The agent's settings; docs/configuration.md says what each key means."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import Field, PlainValidator, ValidationError

from cni.agent.hostgw.settings import HostgwSettings
from cni.host.logs import LEVELS
from cni.host.toml.problems import Problem, located, placed, unknown_keys
from cni.host.toml.reading import content_of, decode
from cni.protocol.config import Config, shown
from cni.protocol.errors import CniError, Code
from cni.protocol.request import ifname_problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

log = logging.getLogger(__name__)

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535
_DAY = 24 * 3600
_YEAR = 365 * _DAY

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the agent's pages are served."""

    host: str
    """An address, IPv6 without brackets, or a name."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint(value: object) -> Endpoint | None:
    """Return where pages are to be served, None for nowhere (ValueError: what it could be)."""
    if value == "":
        return None
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if host.startswith("[") and host.endswith("]") and _is_ipv6(host[1:-1]):
        host = host[1:-1]
    elif not _HOST.fullmatch(host):
        host = ""
    if not host or not _PORT.fullmatch(port) or not 0 < int(port) <= _LAST_PORT:
        raise ValueError(
            'HOST:PORT such as "127.0.0.1:9753", an IPv6 address in brackets, or "" for none'
        )
    return Endpoint(host, int(port))


def _is_ipv6(text: str) -> bool:
    try:
        return IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _whole(first: int, last: int) -> PlainValidator:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not first <= value <= last:
            raise ValueError(f"a whole number from {first} to {last}")
        return value

    return PlainValidator(read)


def _seconds(shortest: int, longest: int) -> PlainValidator:
    def read(value: object) -> float:
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else -1
        if not shortest <= number <= longest:
            raise ValueError(f"a number of seconds from {shortest} to {longest}")
        return float(number)

    return PlainValidator(read)


def _list(read: Callable[[object], _Item]) -> PlainValidator:
    """Return what reads a list, and names the item that it cannot read."""

    def read_all(value: object) -> tuple[_Item, ...]:
        if not isinstance(value, list):
            raise ValueError("a list")  # noqa: TRY004 - pydantic wants this one
        return tuple(map(item, value))

    def item(value: object) -> _Item:
        try:
            return read(value)
        except ValueError as error:
            raise ValueError(f"{shown(value)} to be {error}") from None

    return PlainValidator(read_all)


def _interface(value: object) -> str:
    if not isinstance(value, str) or ifname_problem(value):
        raise ValueError("the name of an interface")
    return value


def _folder(value: object) -> str:
    # CNI_PATH is a list with colons.
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value or ":" in value:
        raise ValueError("the absolute path of a folder, without colons")
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - pydantic wants this one
    return value


def _level(value: object) -> str:
    if not isinstance(value, str) or value not in LEVELS:
        raise ValueError(f"one of {', '.join(LEVELS)}")
    return value


class AgentConfig(Config):
    """The agent's settings."""

    metrics: Annotated[Endpoint | None, PlainValidator(endpoint)] = Endpoint("127.0.0.1", 9753)
    """None: no pages are served."""
    requests: Annotated[int, _whole(1, 256)] = 64
    """How many are served at once."""
    waiting: Annotated[int, _whole(1, 4096)] = 256
    """How many more may wait for that."""
    budget: Annotated[float, _seconds(1, 600)] = 60.0
    """Seconds that a request may take before it is refused."""
    grace: Annotated[float, _seconds(5, _DAY)] = 30.0
    """Seconds between two looks that must find an attachment leaked before it is freed."""
    pfs: Annotated[tuple[str, ...], _list(_interface)] = ()
    """The PFs to watch; none: all that have VFs."""
    least_mtu: Annotated[int, _whole(0, 65535)] = Field(9000, alias="leastMtu")
    """Bytes: a PF whose MTU is smaller is reported, whatever its attachments need."""
    cni_path: Annotated[tuple[str, ...], _list(_folder)] = Field(("/opt/cni/bin",), alias="cniPath")
    """Where delegates are when the agent frees what no runtime frees."""
    reclaim: Annotated[bool, PlainValidator(_switch)] = False
    """Whether blocks of nodes that are gone are taken back."""
    reclaim_after: Annotated[float, _seconds(3600, _YEAR)] = Field(
        float(_DAY), alias="reclaimAfter"
    )
    """Seconds that such a node must have been away."""
    hostgw: HostgwSettings | None = None
    """None: no path of pods is looked after."""
    log_level: Annotated[str, PlainValidator(_level)] = Field("info", alias="logLevel")
    """The lowest level that the agent's own log has."""


def load(path: Path) -> AgentConfig:
    """Return the settings in a file; the defaults when there is none.

    Raises:
        CniError: code 7, naming file, line, key, value and accepted form; or whose the file is and
            whose it should be.
    """
    content = content_of(path)
    return AgentConfig() if content is None else read(content, path)


def read(content: bytes, path: Path) -> AgentConfig:
    """Return the settings that a file's content states (CniError as above)."""
    decoded = decode(content)
    if decoded.error:
        raise _refused(path, (decoded.error,))
    try:
        config = AgentConfig.model_validate(decoded.data)
    except ValidationError as error:
        found = map(_problem, error.errors(include_url=False))
        raise _refused(path, placed(decoded.text, found)) from None
    unknown = (Problem(key, "is unknown and has no effect") for key in unknown_keys(config))
    for problem in placed(decoded.text, unknown):
        log.warning("%s", located(path, problem))
    return config


def _problem(details: ErrorDetails) -> Problem:
    expected = details["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    key = tuple(part for part in map(str, details["loc"]) if not part.startswith("function-"))
    if details["type"] == "value_error" and isinstance(details["input"], dict):
        return Problem(key, f"cannot be: {expected}")  # its keys do not go together
    return Problem(key, f"is {shown(details['input'])}, expected {expected}")


def _refused(path: Path, problems: Iterable[Problem]) -> CniError:
    return CniError(Code.INVALID_CONFIG, "; ".join(located(path, each) for each in problems))
