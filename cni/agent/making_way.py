"""When an agent ends so that its successor begins: another version is installed, or other settings.

An installer in a container can signal nobody on its node, and an agent's executable and most of its
settings are those it began with.  Whoever started it starts it again: kubelet, or systemd.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from cni.agent import config
from cni.agent.interface import Chore
from cni.protocol.errors import CniError

log = logging.getLogger(__name__)

_PERIOD = 3.0
"""Seconds between two looks, which must both find the same: then nobody is at it any more."""
_VERSIONS, _CURRENT = "versions", "current"
"""In the folder of versions and beside it, as `install/installer/layout.py` has them."""


class MakingWay:
    """Looks whether this agent is still the one that is to run.

    Args:
        executable: this agent's.
        settings: the file of the agent's settings; None for who has none.
        leave: ends it, when what was begun is finished.
    """

    def __init__(self, executable: Path, settings: Path | None, leave: Callable[[], None]) -> None:
        self._version = executable.parent
        self._executable = executable.name
        self._settings = settings
        self._leave = leave
        self._begun_with = _digest(settings)
        self._found = ""

    @property
    def chore(self) -> Chore:
        """What is to be done from time to time."""
        return Chore("making-way", _PERIOD, self.look)

    def look(self) -> None:
        """Leave, when twice in succession the same says so."""
        found = self._other_version() or self._other_settings()
        if found and found == self._found:
            log.info("making way: %s", found)
            self._leave()
        self._found = found

    def _other_version(self) -> str:
        """Return what is installed instead of this version; empty: it is, or nothing that runs."""
        if self._version.parent.name != _VERSIONS:
            return ""  # nobody has installed it
        current = self._version.parent.parent / _CURRENT
        try:
            name = current.readlink().name
        except OSError:
            return f"{current} is gone"
        if name == self._version.name or not os.access(current / self._executable, os.X_OK):
            return ""
        return f"{name} is installed"

    def _other_settings(self) -> str:
        """Return which settings are to be used from now on; empty: those that are, or none."""
        digest = _digest(self._settings)
        if self._settings is None or digest == self._begun_with:
            return ""
        try:
            config.load(self._settings)
        except CniError as error:
            log.debug("the settings stay as they are: %s", error)
            return ""
        return f"{self._settings} has changed ({digest[:8]})"


def _digest(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return "absent"
