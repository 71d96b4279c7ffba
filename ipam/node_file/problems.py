"""What the node file's models find wrong, and how it is said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cni.host.toml.problems import Problem
from cni.protocol.config import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_FORMS = {"model_type": "a table", "dict_type": "a table", "literal_error": "'etcd' or 'local'"}
_FILES = {"ca", "certificate", "key", "userFile", "passwordFile"}
_USERINFO = re.compile(r"[^/'\"@\s]+(?=@)")


def of_validation(details: ErrorDetails) -> Problem:
    """Return what a model found."""
    places = [str(part) for part in details["loc"] if part != "[key]"]
    if details["type"] == "missing":
        return Problem(tuple(places), "is missing")
    expected = _FORMS.get(details["type"]) or details["msg"].removeprefix("Value error, ")
    found = _found(places, details["input"])
    return Problem(tuple(places), _USERINFO.sub("…", f"is {found}, expected {expected}"))


def _found(places: list[str], value: Any) -> str:
    # Where a path was expected, somebody may have written the secret itself.
    if len(places) > 1 and places[0] == "etcd" and places[1] in _FILES:
        return "no path"
    return shown(value)
