"""What a failed call means: the next endpoint, a new login, or an error for the caller.

gRPC's status and the text beside it are all that there is to tell by: the same status stands for
quite different things, and etcd's versions differ in it (3.4 to 3.6 are considered).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from ipam.etcd.errors import CompactedError, DeniedError, EtcdError, LeaseGoneError, RefusedError

if TYPE_CHECKING:
    from ipam.etcd.settings import Settings


class StatusError(Exception):
    """A call ended with a status other than OK."""

    def __init__(self, status: str, details: str) -> None:
        super().__init__(f"{status}: {details}")
        self.status = status
        """gRPC's name for it, such as UNAVAILABLE."""
        self.details = details


class Remedy(enum.Enum):
    """What may help where the caller need not know."""

    NEXT = enum.auto()
    """Another endpoint, or the same one later."""
    LOGIN = enum.auto()
    """A new token."""
    NO_TOKEN = enum.auto()
    """No token: etcd does not ask who we are."""


_PASSING = (
    "too many requests",
    "not leader",
    "no leader",
    "leader changed",
    "request timed out",
    "server stopped",
    "not capable",
    "learner",
    "unhealthy cluster",
    "too late",
)
"""Of a member or of a moment, whatever the status."""
_LOGIN = (
    "invalid auth token",
    "revision of auth store is old",
    "auth: revision in header is old",
    "user name is empty",
)
_FINAL = {
    "FAILED_PRECONDITION",
    "INVALID_ARGUMENT",
    "OUT_OF_RANGE",
    "RESOURCE_EXHAUSTED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "DATA_LOSS",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
}
"""No other endpoint would say otherwise; what is not here is one endpoint's, or of the moment."""


def judge(error: StatusError, about: str) -> Remedy | EtcdError:
    """Tell what helps, or return the error for the caller.

    Args:
        error: how the call ended.
        about: what was asked, for the message.
    """
    text = error.details.lower()
    if any(words in text for words in _LOGIN):
        return Remedy.LOGIN
    if "authentication is not enabled" in text:
        return Remedy.NO_TOKEN
    if error.status not in _FINAL or any(words in text for words in _PASSING):
        return Remedy.NEXT
    if error.status == "UNAUTHENTICATED":
        return Remedy.LOGIN
    return _final(error, text, about)


def _final(error: StatusError, text: str, about: str) -> EtcdError:
    if "has been compacted" in text:
        return CompactedError(f"etcd has thrown away the history that {about} needs", 0)
    if "lease not found" in text:
        return LeaseGoneError(f"{about}: there is no such lease, or it has ended")
    if "authentication failed" in text:
        return DeniedError(
            "etcd refuses the user or the password: see what user_file and password_file hold"
        )
    if error.status == "PERMISSION_DENIED":
        return DeniedError(
            f"etcd does not permit {about}: the role of its user needs readwrite on that range of "
            "keys (etcdctl role grant-permission); user_file or the certificate says who it is"
        )
    return RefusedError(f"etcd refuses {about}: {error.details}{_advice(text)}")


def _advice(text: str) -> str:
    if "database space exceeded" in text:
        return (
            " (NOSPACE alarm): compact and defragment it, then etcdctl alarm disarm, "
            "or raise its --quota-backend-bytes"
        )
    if "corrupt" in text:
        return " (CORRUPT alarm): its members' data differ; see etcdctl alarm list"
    if "too many operations" in text:
        return ": fewer in one transaction, or raise its --max-txn-ops"
    if "too large" in text:
        return ": less in one request, or raise its --max-request-bytes"
    return ""


def explain(error: StatusError, settings: Settings, seconds: float) -> str:
    """Say why an endpoint was left, for a person.

    Args:
        error: how the call ended there.
        settings: the files that are to blame when TLS fails.
        seconds: how long it was waited for.
    """
    if error.status == "DEADLINE_EXCEEDED":
        return f"no answer within {seconds:.1f} s"
    if error.status == "UNIMPLEMENTED":
        return "it answers, but is no etcd of API v3"
    for words, meaning in _MEANINGS:
        if words in error.details:
            return meaning.format(ca=settings.ca, ours=_ours(settings))
    _, _, last = error.details.rpartition("last error: ")
    return last or error.status


def _ours(settings: Settings) -> str:
    if settings.certificate is None:
        return "it wants a certificate of ours: configure certificate and key"
    return f"it refuses {settings.certificate}: an authority in its --trusted-ca-file must sign it"


_MEANINGS = (
    ("Connection refused", "connection refused: nothing listens there"),
    ("Hostname Verification", "TLS: its certificate does not name this host (subjectAltName)"),
    ("certificate has expired", "TLS: its certificate has expired, or a clock is wrong"),
    ("CERTIFICATE_VERIFY_FAILED", "TLS: its certificate is not signed by an authority in {ca}"),
    ("ALERT_CERTIFICATE_EXPIRED", "TLS: our certificate has expired"),
    ("_CERTIFICATE", "TLS: {ours}"),
    ("TSI_DATA_CORRUPTED", "TLS: {ours}"),
    ("UNKNOWN_CA", "TLS: {ours}"),
    ("Handshake read failed", "it ended the TLS handshake: it may speak plain http://"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS: it may speak plain http://"),
    ("Socket closed", "it closed the connection: it may be stopping, or speak https:// only"),
    ("errors resolving", "its name does not resolve"),
    ("DNS resolution failed", "its name does not resolve"),
)
"""First match counts; the words are gRPC's and BoringSSL's."""
