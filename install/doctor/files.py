"""The files that say what a node should be: ours, and those that a person names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cni.agent import config as agent_config
from cni.agent.config import AgentConfig
from cni.host.paths import Paths
from cni.protocol.errors import CniError
from install.doctor.findings import Finding, error
from install.doctor.rails.gathering import Stated
from install.doctor.rails.resources import ConfigError, Resource
from ipam.node_file import load

if TYPE_CHECKING:
    from install.nad.lint import Source
    from ipam.node_file import NodeFile


@dataclass(frozen=True, slots=True)
class Files:
    """What they say."""

    settings: AgentConfig = field(default_factory=AgentConfig)
    node_file: NodeFile | None = None
    resources: Sequence[Resource] | None = None
    """Of the device plugin's file; None where none is named, or it is the shared plugin's."""
    shared_plugin: bool = False
    nads: Sequence[Source] = ()
    unread: Sequence[Finding] = ()
    """What is wrong with those that are not taken."""

    @property
    def stated(self) -> Stated:
        """What of it is about rails' devices."""
        fabrics = self.node_file.fabrics.values() if self.node_file else ()
        declared = {
            name: rail.resource
            for fabric in fabrics
            for name, rail in fabric.rails.items()
            if rail.resource
        }
        return Stated(declared, self.resources, self.shared_plugin, wanted=self.declares_rails)

    @property
    def declares_rails(self) -> bool:
        """Whether the node file has any."""
        return bool(self.node_file and any(f.rails for f in self.node_file.fabrics.values()))


def read(paths: Paths, device_plugin: Path | None, nads: Sequence[Path]) -> Files:
    """Read them; what cannot be read is said, and the others are."""
    unread: list[Finding] = []
    settings, node_file = AgentConfig(), None
    try:
        settings = agent_config.load(paths.agent_file)
    except CniError as problem:
        unread.append(_refused(problem))
    try:
        node_file = load(paths.node_file) if paths.node_file.exists() else None
    except CniError as problem:
        unread.append(_refused(problem))
    except OSError as problem:
        words = f"{paths.node_file} cannot be looked at: {problem.strerror}"
        unread.append(error("settings", words, "nothing of it was judged", "run it as root"))
    resources, is_shared = _plugin(device_plugin, unread) if device_plugin else (None, False)
    sources = [source for path in nads if (source := _source(path, "nad", unread))]
    return Files(settings, node_file, resources, is_shared, sources, unread)


def _refused(problem: CniError) -> Finding:
    mend = filter(None, (problem.details,))
    return error("settings", problem.msg, "no program of ours does what it says", *mend)


def _plugin(path: Path, unread: list[Finding]) -> tuple[Sequence[Resource] | None, bool]:
    from install.doctor.rails.told import told

    source = _source(path, "resource", unread)
    if source is None:
        return None, False
    try:
        read = told(source.text)
    except ConfigError as problem:
        unread.append(error("resource", f"{path}: {problem}", "nothing of it was judged"))
        return None, False
    return read.resources, read.shared


def _source(path: Path, check: str, unread: list[Finding]) -> Source | None:
    from install.nad.lint import Source

    try:
        return Source(str(path), path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        unread.append(error(check, f"{path} cannot be read: {reason}", "nothing of it was judged"))
        return None
