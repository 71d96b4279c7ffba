"""Looking at a node: from its files to facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cni.host.locks import Locks
from cni.host.paths import Paths
from install.installer import chain, configuration, units
from install.installer.facts import BinFacts, Facts, UnitFacts
from install.installer.inspection import Inspection
from install.installer.layout import Layout
from install.installer.record import Book, Record
from install.installer.root import Root
from install.installer.source import Source
from install.installer.units import Systemd
from install.installer.versions import Versions
from install.platforms.platform import Platform


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator has said.

    Args:
        config: the folder that the node file and the agent's are taken from.
        secrets: the folder that secrets are taken from.
        chain_hostgw: whether rail-hostgw is to be in the primary's network.
    """

    config: Path | None = None
    secrets: Path | None = None
    chain_hostgw: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A node, as an installer sees it.

    Args:
        root: its root.
        find: tells where its runtime has its folders; that may change.
        config: the folder of the configuration, on the node.
        state: the state folder, on the node.
    """

    root: Root
    find: Callable[[], Platform]
    config: PurePosixPath
    state: PurePosixPath
    unit_options: tuple[str, ...] | None = None
    """What the units are to be told, on a host that is looked after by hand; None elsewhere."""
    systemd: Systemd = field(default_factory=Systemd)

    @property
    def paths(self) -> Paths:
        """The node's folders of ours, as they are seen here."""
        return Paths(
            state=self.root.see_folder(self.state), config=self.root.see_folder(self.config)
        )

    def book(self) -> Book:
        """Return the record."""
        return Book(self.paths.state)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other installers from this node meanwhile (CniError: one is at work for long)."""
        with Locks(self.paths.locks).installation():
            yield

    def bins(self, record: Record) -> list[PurePosixPath]:
        """Return the CNI bin folders that have ours, of those that are there still."""
        folders = map(PurePosixPath, record.bins)
        return [each for each in folders if self.root.see_folder(each).is_dir()]

    def versions(self, folder: PurePosixPath) -> Versions:
        """Return what is in a CNI bin folder."""
        return Versions(self.root, Layout(folder))


def gather(
    site: Site, source: Source, wishes: Wishes, record: Record, inspection: Inspection
) -> Facts:
    """Look at a node.

    Raises:
        InstallError: the folders of its runtime are not found.
        OSError: they cannot be read.
    """
    platform = site.find()
    bins = dict.fromkeys([platform.cni_bin, *site.bins(record)])
    chained = None
    if wishes.chain_hostgw:
        chained = chain.gather(
            site.root, platform.cni_conf, drops_in=platform.has_drop_ins, is_k3s=platform.is_k3s
        )
    return Facts(
        source.name,
        tuple(_look(site.versions(each), source, record, inspection) for each in bins),
        configuration.gather(site.root, site.config, wishes.config, wishes.secrets),
        chained,
        _units(site, platform.cni_bin, record),
        record.wanted,
        record.rejected,
        tuple(record.history),
        frozenset(map(PurePosixPath, record.links)),
    )


def _units(site: Site, cni_bin: PurePosixPath, record: Record) -> UnitFacts | None:
    if site.unit_options is None:
        return None
    items = units.items(cni_bin, site.unit_options)
    found = configuration.digests(site.root, items)
    return UnitFacts(items, found, tuple(record.units), site.systemd.is_there)


def _look(versions: Versions, source: Source, record: Record, inspection: Inspection) -> BinFacts:
    present = versions.present()
    damaged: dict[str, tuple[str, ...]] = {}
    for name in {source.name, record.wanted} & set(present):
        expected = source.digests if name == source.name else None
        damaged[name] = inspection.damaged(versions.folder(name), expected)
    return BinFacts(
        versions.layout,
        tuple(present),
        versions.current(),
        {name: files for name, files in damaged.items() if files},
        versions.links(),
        tuple(versions.drafts()),
        versions.is_copied(),
        versions.used(),
    )
