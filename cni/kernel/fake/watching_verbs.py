"""What a namespace of the fake tells of itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cni.kernel.fake.verbs import Verbs
from cni.kernel.watching import News, Watch


class WatchingVerbs(Verbs):
    """What a namespace of the fake tells of itself."""

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """`ip monitor link address route rule neigh`."""
        self._devices()  # what is due has happened before
        opened = FakeWatch()
        self.netns.watches.append(opened)
        try:
            yield opened
        finally:
            self.netns.watches.remove(opened)
            opened.close()


class FakeWatch:
    """An open subscription; keeps the `Watch` protocol."""

    def __init__(self) -> None:
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._news: set[News] = set()

    def fileno(self) -> int:
        """Return what becomes readable."""
        return self._bell

    def tell(self, *news: News) -> None:
        """Have something changed."""
        self._news.update(news)
        os.eventfd_write(self._bell, 1)

    def read(self) -> frozenset[News]:
        """Return what has changed since the last time."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        told, self._news = self._news, set()
        return frozenset(told)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._bell)
