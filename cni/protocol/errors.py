"""The one exception that reaches a container runtime, and its codes.

Source: CNI SPEC 1.1.0, section 5 "Result Types", "Error".
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """CNI error codes; those from 100 on are ours."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED_FIELD = 2
    UNKNOWN_CONTAINER = 3
    INVALID_ENVIRONMENT = 4
    IO_FAILURE = 5
    DECODE_FAILURE = 6
    INVALID_CONFIG = 7
    TRY_AGAIN = 11
    NOT_AVAILABLE = 50
    LIMITED = 51
    INTERNAL = 100
    CHECK_FAILED = 101
    ROUTE_REFUSED = 102
    DELEGATE_FAILED = 103


class CniError(Exception):
    """A request failed, in words for the person who must act.

    Args:
        code: what kind of failure the runtime is told.
        msg: one line: the key or thing, the value found, what was expected.
        details: what to do about it; may span lines.
    """

    def __init__(self, code: Code | int, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code = int(code)
        self.msg = msg
        self.details = details

    def __str__(self) -> str:
        return f"{self.msg} ({self.details})" if self.details else self.msg

    def to_json(self, cni_version: str) -> dict[str, object]:
        """Return the error document the specification asks for on stdout."""
        document: dict[str, object] = {
            "cniVersion": cni_version,
            "code": self.code,
            "msg": self.msg,
        }
        details = "\n".join(filter(None, (self.details, *getattr(self, "__notes__", ()))))
        if details:
            document["details"] = details
        return document
