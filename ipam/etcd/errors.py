"""How etcd fails, in exceptions of our own; the messages are for a person."""

from __future__ import annotations


class EtcdError(Exception):
    """etcd did not do what it was asked; the message is for a person."""


class UnavailableError(EtcdError):
    """No endpoint answered in time.  A write may have been applied, or may be applied LATER.

    Settle it with a further conditional write that the late one cannot survive; never by reading.
    """

    def __init__(self, message: str, tried: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.tried = tried
        """The endpoints that were tried, as they were configured."""


class CompactedError(EtcdError):
    """What was asked for is history that etcd has thrown away: list again, watch from there."""

    def __init__(self, message: str, revision: int) -> None:
        super().__init__(message)
        self.revision = revision
        """The oldest revision that can still be watched from, 0 if unknown."""


class DeniedError(EtcdError):
    """The user, the password or the client certificate is wrong, or the role lacks the key."""


class RefusedError(EtcdError):
    """etcd understood and will not: too many operations, no space left (NOSPACE alarm), …."""


class LeaseGoneError(EtcdError):
    """There is no such lease, or it has ended."""
