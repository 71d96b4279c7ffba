"""Looking at a node for what of ours is there: to be shown, or to be taken away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from install.conflist.document import ConflistError
from install.installer import chain, configuration, holders
from install.installer.errors import InstallError
from install.installer.facts import Found, Kind, Ours, Remains
from install.installer.gathering import Site
from install.installer.inspection import Inspection
from install.installer.layout import Layout
from install.installer.record import Book, Record
from install.installer.versions import what_is


def remains(site: Site, book: Book) -> Remains:
    """Return what is to be taken away (CniError, OSError: it cannot be told)."""
    record = book.record
    layouts = tuple(Layout(each) for each in site.bins(record))
    places = {path for layout in layouts for path in layout.links}
    before = {PurePosixPath(path): target for path, target in record.links.items()}
    return Remains(
        layouts,
        {path: what_is(site.root.see(path)) for path in sorted(places & before.keys())},
        before,
        ours(site, book),
        tuple(PurePosixPath(each) for each in record.chained),
        tuple(holders.holders(site.paths)),
        holders.is_agent_running(site.paths.state),
        tuple(record.units),
        site.root.is_here and site.systemd.is_there,
        site.paths.hostgw.exists(),
        *_copies(site, record),
    )


def _copies(site: Site, record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return Multus' copies of networks with rail-hostgw, and where there might be others."""
    copies: list[str] = []
    unread: list[str] = []
    for folder in _networks(site, record):
        try:
            copies += chain.copies(site.root, folder)
        except ConflistError as error:
            unread.append(str(error))
    return tuple(copies), tuple(unread)


def _networks(site: Site, record: Record) -> list[PurePosixPath]:
    """Return the folders of networks: where rail-hostgw was chained, and what the runtime reads."""
    folders = [PurePosixPath(each) for each in record.chained]
    with suppress(InstallError):  # the runtime itself may be gone
        folders.append(site.find().cni_conf)
    return list(dict.fromkeys(folders))


def ours(site: Site, book: Book) -> tuple[Ours, ...]:
    """Return the files that the record has as ours."""
    return tuple(
        Ours(
            PurePosixPath(path),
            configuration.digest_there(site.root, PurePosixPath(path), written.mode)
            == written.digest,
            written.before,
        )
        for path, written in book.record.files.items()
        if site.root.see(PurePosixPath(path)).exists()
    )


@dataclass(frozen=True, slots=True)
class Bin:
    """What is in one CNI bin folder."""

    folder: str
    current: str
    versions: tuple[str, ...]
    running: tuple[str, ...] | None
    """The versions that processes run from; None: that cannot be seen from here."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is installed on a node."""

    runtime: str
    """The container runtime and its folders, and why that is believed."""
    bins: tuple[Bin, ...]
    rejected: str
    files: tuple[str, ...]
    chained: tuple[str, ...]
    attachments: int
    problems: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON's values."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """Yield it for a person."""
        yield f"runtime: {self.runtime}"
        if not self.bins:
            yield "rail-install has installed nothing here"
        for each in self.bins:
            for name in each.versions:
                is_running = each.running is not None and name in each.running
                marks = [("current", name == each.current), ("processes run from it", is_running)]
                said = ", ".join(word for word, holds in marks if holds)
                yield f"{each.folder}  {name}{f'  ({said})' if said else ''}"
        if self.rejected:
            yield f"gone back from: {self.rejected}"
        yield from (f"configuration: {path}" for path in self.files)
        yield from (f"rail-hostgw is chained in {folder}" for folder in self.chained)
        yield f"attachments: {self.attachments}"
        yield from (f"problem: {each}" for each in self.problems)


def show(site: Site, book: Book) -> Status:
    """Return what is installed (CniError, OSError: it cannot be told)."""
    record, found = book.record, remains(site, book)
    bins: list[Bin] = []
    problems = list(found.unread)
    for layout in found.layouts:
        versions = site.versions(layout.bin)
        used = versions.used()
        current = versions.current()
        bins.append(
            Bin(
                str(layout.bin), current, tuple(versions.present()),
                None if used is None else tuple(sorted(used)),
            )
        )  # fmt: skip
        problems += _problems(layout, versions.links(), current, record.wanted)
        if current and (damaged := Inspection().damaged(versions.folder(current), None)):
            problems.append(f"damaged in {layout.version(current)}: {', '.join(damaged)}")
    problems += [f"{each.path} was changed" for each in found.files if not each.is_as_written]
    return Status(
        _runtime(site), tuple(bins), record.rejected, tuple(record.files), tuple(record.chained),
        len(found.holders), tuple(problems),
    )  # fmt: skip


def _runtime(site: Site) -> str:
    try:
        found = site.find()
    except InstallError as error:
        return str(error)
    why = "; ".join(found.evidence)
    return f"{found.name}, programs in {found.cni_bin}, networks in {found.cni_conf} ({why})"


def _problems(
    layout: Layout, links: dict[PurePosixPath, Found], current: str, wanted: str
) -> Iterator[str]:
    if current != wanted:
        yield f"{layout.current} leads to {current or 'no version'}, expected {wanted}"
    for path, target in layout.links.items():
        if links[path] != Found(Kind.LINK, target):
            yield f"{path} is {links[path].target or links[path].kind.value}, expected {target}"
