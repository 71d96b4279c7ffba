"""From a decoded JSON object to a typed configuration, with errors that a person can act on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cni.protocol.errors import CniError, Code

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

log = logging.getLogger(__name__)

_Model = TypeVar("_Model", bound=BaseModel)

_JSON_WORDS = {"a valid tuple": "a list", "a valid dictionary": "an object", "a valid ": "a "}
_LONGEST = 200
"""Characters of an offending value that a message repeats."""

PROTOCOL_KEYS = frozenset({
    "cniVersion", "name", "type", "args", "capabilities", "runtimeConfig", "prevResult", "dns",
    "ipam", "disableCheck", "disableGC",
})  # fmt: skip
"""Keys of a network configuration that the protocol or the runtime owns, besides `cni.dev/…`."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """What keeps a JSON object from being a configuration."""

    key: tuple[str, ...]
    """Where, from the outermost key on; items of lists are numbers."""
    text: str
    """The key, the value, and the accepted form."""


class Config(BaseModel):
    """Base of every configuration: immutable, strict; unknown keys are kept, to be named."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    def unknown_keys(self) -> list[str]:
        """Return the keys that nobody will read, for a warning: a misspelt key is not silence."""
        return sorted(
            key
            for key in self.model_extra or {}
            if key not in PROTOCOL_KEYS and not key.startswith("cni.dev/")
        )


def warn_of_unknown_keys(config: Config, below: str = "") -> None:
    """Name each key that has no effect in the log; `below` is the key that it stands under."""
    for key in config.unknown_keys():
        log.warning("the key %r is unknown and has no effect", f"{below}.{key}" if below else key)


def parse(model: type[_Model], data: Mapping[str, Any], *, below: str = "") -> _Model:
    """Return the typed form of a JSON object.

    Args:
        model: what it should be.
        data: the decoded object.
        below: the key it was found under (`ipam`), to name the offending key in full.

    Raises:
        CniError: code 7, naming each bad key, its value and the accepted form.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = "; ".join(flaw.text for flaw in _described(error, below))
        raise CniError(Code.INVALID_CONFIG, problems) from None


def flaws(model: type[BaseModel], data: Mapping[str, Any], *, below: str = "") -> tuple[Flaw, ...]:
    """Return what `parse` would complain about, piece by piece; empty when it would not."""
    try:
        model.model_validate(data)
    except ValidationError as error:
        return tuple(_described(error, below))
    return ()


def _described(error: ValidationError, below: str) -> Iterator[Flaw]:
    for problem in error.errors(include_url=False):
        places = ([below] if below else []) + [
            str(part)
            for part in problem["loc"]
            if not str(part).startswith("function-") and part != "[key]"
        ]
        yield Flaw(tuple(places), _describe(problem, places))


def _describe(problem: ErrorDetails, places: list[str]) -> str:
    key = ".".join(places) or "the configuration"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    for python, json in _JSON_WORDS.items():
        message = message.replace(python, json)
    message = message.partition(" or instance of ")[0]
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["type"] == "value_error" and not problem["loc"]:
        return message
    return f"{key} is {shown(problem['input'])}, expected {message}"


def shown(value: object) -> str:
    """Return a value for a message: as it was written, but not at any length."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def read_network(value: object, form: str) -> IPv4Network | IPv6Network:
    """Read a network in prefix notation, without host bits.

    Args:
        value: what the configuration has.
        form: what is accepted, in words.

    Raises:
        ValueError: it is none; with the form.
    """
    if not isinstance(value, str) or "/" not in value:
        raise ValueError(form)
    try:
        return IPv6Network(value) if ":" in value else IPv4Network(value)
    except ValueError:
        raise ValueError(form) from None
