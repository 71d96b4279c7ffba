"""SIGKILL at any moment of an installation: what was installed works, and the next run completes.

Where a process is between two changes of the disk, one moment is as good as another: so it is
killed just before each of its changes, by an audit hook of Python's.  That is done to the code from
its sources, in a child for each change; besides, the frozen program is killed at moments by chance.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from install.bundle import manifest
from install.installer import places
from install.installer.commands import once
from install.installer.gathering import Site, Wishes
from install.installer.layout import Version
from install.installer.root import Root
from install.installer.source import Source
from tests.spec.installation import Installation, bundle_of
from tests.spec.node import run

pytestmark = pytest.mark.netns

BY_CHANCE = 6
SEED = 7
_MOST = 60
"""Changes, from which on something is wrong with the test."""
_CHANGES = frozenset({
    "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "subprocess.Popen",
})  # fmt: skip
"""Python's names of what changes the disk, besides opening a file for writing."""


@pytest.fixture
def installation(tmp_path: Path, bundle: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "node")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(made.bin))  # its disk is no matter
    try:
        made.install(bundle)
        yield made
    finally:
        run("umount", "--lazy", str(made.bin))


def test_killed_at_moments_by_chance(
    installation: Installation, bundle: Path, tmp_path: Path
) -> None:
    lottery = random.Random(SEED)  # noqa: S311 - moments, no secrets
    begun = time.monotonic()
    installation.install(bundle_of(bundle.parent, tmp_path / "first", "a" * 16))
    took = time.monotonic() - begun
    for number in range(BY_CHANCE):
        before = installation.current
        later = bundle_of(bundle.parent, tmp_path / str(number), f"{number:016x}")
        process = installation.start(later, "once")
        try:
            process.communicate(timeout=lottery.uniform(0, took))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert installation.answers(), number
        assert installation.current in {before, f"{before.partition('-')[0]}-{number:016x}"}
        if number % 3 == 0:
            _completes(installation, later, number)


def _completes(installation: Installation, programs: Path, number: int) -> None:
    installation.install(programs)
    assert installation.current.endswith(f"{number:016x}")
    assert installation.status(installation.bin)["problems"] == []
    assert not [each for each in installation.versions.iterdir() if each.name.endswith(".draft")]


def test_killed_before_each_change_that_follows_the_copy(
    installation: Installation, bundle: Path, tmp_path: Path
) -> None:
    """A draft, a link and the configuration have changes to be made as well."""
    whole = bundle_of(bundle.parent, tmp_path / "later", "b" * 16).parent / "railcni"
    source = Source(whole, Version("0.1.0", "b" * 16), manifest.read(whole))
    site, wishes = _site(installation), Wishes(config=tmp_path / "config")
    record, former = installation.folder / "state/installed.json", installation.current
    installation.install(whole.parent / "bin")
    before = record.read_bytes()
    (tmp_path / "config").mkdir()
    (tmp_path / "config/agent.toml").write_text('logLevel = "debug"\n')
    links = installation.bin / "railcni.d/current", installation.bin / "rail-ipam"

    def prepare() -> None:
        for link in links:
            link.unlink(missing_ok=True)
        links[0].symlink_to(f"versions/{former}")
        record.write_bytes(before)
        (installation.versions / "x.draft").mkdir(exist_ok=True)
        (installation.folder / "etc/agent.toml").unlink(missing_ok=True)

    for number in range(_MOST):
        prepare()
        is_over = not _is_killed_at(number, lambda: once(site, source, wishes, dry_run=False))
        assert installation.answers(), number
        if is_over:
            break
    assert 15 < number < _MOST
    assert installation.current == source.name
    assert installation.status(installation.bin)["problems"] == []
    assert (installation.folder / "etc/agent.toml").exists()
    assert once(site, source, wishes, dry_run=False) == 0


def _site(installation: Installation) -> Site:
    root = Root()
    folders = [PurePosixPath(each) for each in (installation.bin, installation.conf)]
    return Site(
        root, lambda: places.find(root, *folders),
        PurePosixPath(installation.folder / "etc"), PurePosixPath(installation.folder / "state"),
    )  # fmt: skip


def _is_killed_at(number: int, work: Callable[[], int]) -> bool:
    """Work in a child that is killed before one of its changes; tell whether it came to that."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if event in _CHANGES or (event == "open" and _writes(arguments[2])):
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

        sys.addaudithook(hook)
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
