"""Saying each thing once: when it begins, when it changes, and when it is over."""

from __future__ import annotations

import logging
from collections.abc import Mapping


class Notices:
    """What is wrong, and has been said; for one thread.

    Args:
        log: where it is said.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[str, str] = {}

    def tell(self, now: Mapping[str, str]) -> None:
        """Warn of what is new, and inform of what is over.

        Args:
            now: all that is wrong at present, by the thing that it is wrong with.
        """
        for subject, words in now.items():
            if self._said.get(subject) != words:
                self._log.warning("%s: %s", subject, words)
        for subject in self._said.keys() - now.keys():
            self._log.info("%s: no longer: %s", subject, self._said[subject])
        self._said = dict(now)
