"""What each command of rail-install does, but for the one that stays."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable

from install.installer import leaving, plan, taking_stock
from install.installer.carrying_out import Hands
from install.installer.errors import InstallError
from install.installer.gathering import Site, Wishes, gather
from install.installer.inspection import Inspection
from install.installer.layout import previous
from install.installer.record import Book, Record
from install.installer.source import Source
from install.installer.steps import HOUSEKEEPING, Flip, Plan


def once(site: Site, source: Source, wishes: Wishes, *, dry_run: bool) -> int:
    """Install; return the exit code.

    A malformed configuration, or a primary network that is still to come, is reported and fails
    nothing: a node that is started anew would else be without an agent for a typing mistake.
    """
    inspection = Inspection()
    if dry_run:
        facts = gather(site, source, wishes, site.book().load().record, inspection)
        return _announce(plan.install(facts, arriving=True))
    with site.alone():
        book = site.book().load()
        made = plan.install(gather(site, source, wishes, book.record, inspection), arriving=True)
        return carry_out(made, Hands(site, source, book))


def rollback(site: Site, version: str | None, *, dry_run: bool) -> int:
    """Go back to a version; return the exit code.

    The one that was current does not come by itself again, whichever installer brings it.

    Raises:
        InstallError: there is no such version, or it is damaged.
    """
    if dry_run:
        return _announce(_way_back(site, site.book().load().record, version)[1])
    with site.alone():
        book = site.book().load()
        record = book.record
        name, made = _way_back(site, record, version)
        if record.wanted != name:
            record.rejected = record.wanted
        elif record.rejected == name:
            record.rejected = ""
        return carry_out(made, Hands(site, None, book))


def _way_back(site: Site, record: Record, version: str | None) -> tuple[str, Plan]:
    """Return the version to go back to, and how (InstallError as above)."""
    bins = [each for each in map(site.versions, site.bins(record)) if each.present()]
    present = set.intersection(*(set(each.present()) for each in bins)) if bins else set()
    name = version or previous(present, record.history, record.wanted)
    if name not in present or name is None:
        known = ", ".join(sorted(present)) or "none"
        raise InstallError(f"there is no version {name or 'to go back to'}; there are {known}")
    for each in bins:
        if damaged := Inspection().damaged(each.folder(name), None):
            raise InstallError(f"{each.folder(name)} is damaged: {', '.join(damaged[:3])}")
    flips = (
        Flip(each.layout, name)
        for each in bins
        if each.current() != name or record.wanted != name  # a link may have been turned by hand
    )
    return name, Plan(tuple((flip,) for flip in flips))


def status(site: Site, *, as_json: bool) -> int:
    """Show what is installed; return the exit code, 1 where something is not as it was written."""
    shown = taking_stock.show(site, site.book().load())
    if as_json:
        _print([json.dumps(shown.document(), indent=2)])
    else:
        _print(shown.lines())
    return 1 if shown.problems else 0


def uninstall(site: Site, *, force: bool, dry_run: bool) -> int:
    """Take everything of ours away; return the exit code."""
    if dry_run:
        return _announce(_leave(site, site.book().load(), force=force))
    with site.alone():
        book = site.book().load()
        return carry_out(_leave(site, book, force=force), Hands(site, None, book))


def _leave(site: Site, book: Book, *, force: bool) -> Plan:
    return leaving.uninstall(taking_stock.remains(site, book), force=force)


def _announce(made: Plan) -> int:
    _print(f"would {step}" for step in made.steps)
    if not made.steps:
        _print(["nothing is to be done"])
    _tell(made.remarks)
    _tell((*made.problems, *made.warnings))
    return 1 if made.problems else 0


def carry_out(made: Plan, hands: Hands) -> int:
    """Do what a plan says, and tell; return the exit code."""
    failures: list[str] = []
    has_failed = bool(made.problems)
    for stage in made.stages:
        for step in stage:
            try:
                hands.do(step)
            except InstallError as error:
                failures.append(str(error))
                has_failed |= not isinstance(step, HOUSEKEEPING)
                break
            _print([str(step)])
    if not made.steps and not made.problems:
        _print(["everything is as it should be"])
    _tell(made.remarks)
    _tell((*made.problems, *made.warnings, *failures))
    return 1 if has_failed else 0


def _print(lines: Iterable[str]) -> None:
    """Print lines; who reads no more (`| head`) ends nothing that was begun."""
    try:
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _tell(problems: Iterable[str]) -> None:
    sys.stdout.flush()
    for problem in problems:
        sys.stderr.write(f"rail-install: {problem}\n")
