"""What is to be done on a node so that it has what it should, told from what is found there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from install.conflist.document import OURS
from install.installer.facts import (
    BinFacts,
    ChainFacts,
    ConfigurationFacts,
    Facts,
    Found,
    Kind,
    UnitFacts,
)
from install.installer.layout import BY_HAND, EXECUTABLE, leads_to_a_bundle, superseded
from install.installer.steps import (
    Chain,
    EnableUnits,
    Flip,
    MendVersion,
    Plan,
    PutFile,
    PutLink,
    PutVersion,
    RemoveCopy,
    RemoveVersion,
    Stage,
    Step,
    Sweep,
)


def install(facts: Facts, *, arriving: bool) -> Plan:
    """Return what makes a node as it should be; nothing where it is.

    The configuration comes before the programs that read it, and the chain after the program that
    it names: at no time does a runtime find one without the other.

    Args:
        facts: what is found.
        arriving: whether this installer's version is to become the current one; else it stays
            with the one that is recorded, which another installer or a rollback may have chosen.
    """
    stages: list[Stage] = [(Sweep(path),) for each in facts.bins for path in each.drafts]
    stages += [(step,) for step in _configuration(facts.configuration)]
    problems: list[str] = []
    remarks: list[str] = []
    for number, each in enumerate(facts.bins):
        name = _target(facts, each, arriving=arriving)
        if name != facts.source and facts.rejected == facts.source:
            remarks.append(
                f"{facts.source} was gone back from on this node: "
                f"rail-install rollback {facts.source} takes it again"
            )
        chain = facts.chain if number == 0 else None
        obstacles = list(_in_the_way(facts, each))
        if not obstacles:
            stages += _of_bin(facts, each, name, chain)
        problems += obstacles
    if facts.units:
        stages.append(tuple(_units(facts.units)))
        if not facts.units.has_systemd:
            remarks.append(_without_systemd(facts.bins[0]))
    warnings = [*facts.configuration.refused]
    if facts.chain and facts.chain.problem:
        warnings.append(facts.chain.problem)
    if facts.chain and facts.chain.awaited:
        remarks.append(facts.chain.awaited)
    return Plan(
        tuple(filter(None, stages)), tuple(problems), tuple(warnings),
        tuple(dict.fromkeys(remarks)),
    )  # fmt: skip


def _target(facts: Facts, found: BinFacts, *, arriving: bool) -> str:
    """Return the version that is to be current in a folder."""
    usable = facts.wanted in found.present and not found.damaged.get(facts.wanted)
    is_rejected = facts.rejected == facts.source
    if usable and (is_rejected or not arriving):
        return facts.wanted
    return facts.source


def _configuration(facts: ConfigurationFacts) -> Iterator[Step]:
    for item in facts.wanted:
        if facts.found.get(item.path) != item.digest:
            yield PutFile(item)


def _of_bin(facts: Facts, found: BinFacts, name: str, chain: ChainFacts | None) -> Iterator[Stage]:
    """Yield what is to be done in one folder, in stages that do not need each other."""
    version, links = tuple(_version(facts, found, name)), tuple(_links(found))
    if found.current != name:
        yield (*version, *links, *_chain(chain))
    else:
        named = [link for link in links if link.path.name == OURS]
        yield version
        yield from ((link,) for link in links if link not in named)
        yield (*named, *_chain(chain))
    yield from ((each,) for each in _unneeded(facts, found, name))


def _version(facts: Facts, found: BinFacts, name: str) -> Iterator[Step]:
    layout = found.layout
    if name == facts.source:
        damaged = found.damaged.get(name, ())
        if name not in found.present:
            yield PutVersion(layout, name)
        elif damaged:
            yield MendVersion(layout, name, damaged)
    if found.current != name:
        yield Flip(layout, name)


def _links(found: BinFacts) -> Iterator[PutLink]:
    for path, target in found.layout.links.items():
        there = found.links.get(path, Found(Kind.NOTHING))
        if there != Found(Kind.LINK, target):
            yield PutLink(path, target, there.target)


def _unneeded(facts: Facts, found: BinFacts, name: str) -> Iterator[Step]:
    history = [*facts.history, name]
    known = [each for each in found.present if each not in history]
    for each in superseded(found.present, [*known, *history], name, found.used):
        if each != found.current:
            yield RemoveVersion(found.layout, each)
    if found.is_copied and found.used is not None and BY_HAND not in found.used:
        yield RemoveCopy(found.layout)


def _units(facts: UnitFacts) -> Iterator[Step]:
    if not facts.has_systemd:
        return
    changed = [item for item in facts.wanted if facts.found.get(item.path) != item.digest]
    yield from map(PutFile, changed)
    names = {item.path.name for item in facts.wanted} - set(facts.enabled)
    names |= {item.path.name for item in changed}
    if names:
        yield EnableUnits(tuple(sorted(names)))


def _without_systemd(found: BinFacts) -> str:
    folder = found.layout.bin
    return (
        "systemd does not run here: let what supervises this host keep running "
        f"`{folder}/rail-agent --make-way` and `{folder}/rail-install run --host`"
    )


def _in_the_way(facts: Facts, found: BinFacts) -> Iterator[str]:
    """Yield what is in the place of a link, was never ours, and is not to be lost."""
    for path, target in found.layout.links.items():
        there = found.links.get(path, Found(Kind.NOTHING))
        is_taken_over = path in facts.ours or _is_from_a_copy(path, there, found)
        if there.kind is Kind.NOTHING or (is_taken_over and there.kind is not Kind.FOLDER):
            continue
        if there.kind is Kind.LINK and leads_to_a_bundle(there.target):
            continue
        what = f"a link to {there.target}" if there.kind is Kind.LINK else there.kind.value
        yield (
            f"{path} is {what} that rail-install has not written, expected nothing or a link to "
            f"{target}: move it away"
        )


def _is_from_a_copy(path: PurePosixPath, there: Found, found: BinFacts) -> bool:
    """Tell whether it is the executable of a bundle that was copied there as a whole by hand."""
    return path == found.layout.home / EXECUTABLE and there.kind is Kind.FILE


def _chain(facts: ChainFacts | None) -> Iterator[Step]:
    if facts and facts.changes:
        yield Chain(facts.folder, facts.changes, facts.like)
