"""How something goes that is tried again and again: logged when it changes, not each time."""

from __future__ import annotations

import logging
from typing import TypeAlias

from cni.protocol.errors import CniError
from ipam.etcd.errors import EtcdError
from ipam.registry.interface import DisagreementError, RegistryError

log = logging.getLogger(__name__)

Setback: TypeAlias = CniError | EtcdError | RegistryError | OSError
"""What keeps something from being done, and may be over with the next attempt."""
SETBACKS = (CniError, EtcdError, RegistryError, OSError)


class Condition:
    """Whether something goes well.

    Args:
        ill: what is so while it does not.
        well: what is so when it does again.
    """

    def __init__(self, ill: str, well: str) -> None:
        self._words = ill, well
        self.setback: Setback | None = None
        """What was in its way when it was tried last; None while nothing was."""

    def keep(self) -> None:
        """Note that it went well."""
        former, self.setback = self.setback, None
        if former:
            log.info("%s", self._words[1])

    def break_off(self, setback: Setback) -> None:
        """Note what was in its way."""
        former, self.setback = self.setback, setback
        if type(former) is not type(setback):  # the words alone may differ by a time in them
            grave = isinstance(setback, DisagreementError)
            log.log(
                logging.ERROR if grave else logging.WARNING,
                "%s: %s", self._words[0], said(setback),
            )  # fmt: skip


def said(setback: Setback) -> str:
    """Return what is wrong and what to do about it, in one line."""
    advice = setback.advice if isinstance(setback, RegistryError) else ""
    return f"{setback} ({advice})" if advice else str(setback)
