"""Keeping a node as it should be: looking, and doing what a look says, at a limited rate."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from cni.protocol.errors import CniError
from install.installer import plan
from install.installer.carrying_out import Hands
from install.installer.configuration import SECRETS
from install.installer.errors import InstallError
from install.installer.gathering import Site, Wishes, gather
from install.installer.inspection import Inspection
from install.installer.layout import EXECUTABLE, MANIFEST, Layout
from install.installer.pace import Pace
from install.installer.record import Book
from install.installer.source import Source
from install.installer.steps import Plan, Stage, subject
from install.installer.watching import Signature, signature

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two cheap looks, which see links, configurations and networks."""
THOROUGH = 20.0
"""Seconds after which everything is looked at, if nothing has happened."""
REREAD = 3600.0
"""Seconds after which every byte of the bundle is read again."""


class Upkeep:
    """The upkeep of one node.

    Args:
        site: the node.
        source: the bundle that this installer brings.
        wishes: what the operator has said.
        clock: seconds that never go back.
    """

    def __init__(
        self, site: Site, source: Source, wishes: Wishes, clock: Callable[[], float]
    ) -> None:
        self.problems: tuple[str, ...] = ("this installer has not looked at its node yet",)
        """What is not as it should be, in words; empty while all is well."""
        self.repairs = 0
        """Steps done since the start."""
        self.turned = clock()
        """When the last look began."""
        self._site, self._source, self._wishes, self._clock = site, source, wishes, clock
        self._inspection = Inspection()
        self._pace = Pace()
        self._seen: Signature | None = None
        self._looked = self._read = clock()
        self._has_arrived = False
        self._failed: dict[str, str] = {}
        self._told: tuple[str, ...] = ()
        self._remarked: tuple[str, ...] = ()

    def turn(self) -> None:
        """Look whether something has changed, or is to be tried again, and see to it."""
        self.turned = now = self._clock()
        if now - self._read >= REREAD:
            self._read = now
            self._inspection.forget()
        seen = self._signature()
        if seen == self._seen and not self.problems and now - self._looked < THOROUGH:
            return
        self._looked = now
        try:
            self.problems = tuple(dict.fromkeys(self._see_to_it()))
        except (InstallError, CniError) as error:
            self.problems = (str(error),)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            self.problems = (f"{place}{error.strerror}",)
        self._tell()
        self._seen = seen  # as it was before: what came meanwhile is another look's

    def _see_to_it(self) -> Iterator[str]:
        with self._site.alone():
            book = self._site.book().load()
            made = self._plan(book)
            hands = Hands(self._site, self._source, book)
            failures = [each for stage in made.stages for each in self._work(stage, hands)]
        self._has_arrived = self._has_arrived or not failures
        self._remark(made.remarks)
        yield from (*made.problems, *made.warnings, *failures)
        for what, times in self._pace.contested(self._clock()).items():
            if what not in self._failed:
                yield (
                    f"{what} was put right {times} times, and not for long: "
                    "find the other program that writes there"
                )

    def _plan(self, book: Book) -> Plan:
        facts = gather(self._site, self._source, self._wishes, book.record, self._inspection)
        return plan.install(facts, arriving=not self._has_arrived)

    def _work(self, stage: Stage, hands: Hands) -> Iterator[str]:
        """Do a stage, as far as its steps may be done now; yield why one cannot be."""
        for step in stage:
            what, now = subject(step), self._clock()
            if not self._pace.may(what, now):
                yield self._failed.get(what) or f"waiting for a while, as it lasts not: {step}"
                return
            self._pace.tries(what, now)
            try:
                hands.do(step)
            except InstallError as error:
                self._failed[what] = str(error)
                yield str(error)
                return
            self._failed.pop(what, None)
            self._pace.did(what)
            self.repairs += 1
            log.info("%s", step)

    def _remark(self, remarks: tuple[str, ...]) -> None:
        """Log what is no problem of this installer's: no rollout waits for it."""
        for remark in remarks:
            if remark not in self._remarked:
                log.warning("%s", remark)
        self._remarked = remarks

    def _tell(self) -> None:
        """Log what has changed since the last look."""
        for problem in self.problems:
            if problem not in self._told:
                log.warning("%s", problem)
        if self._told and not self.problems:
            log.info("everything is as it should be")
        self._told = self.problems

    def _signature(self) -> Signature:
        """Return what changes when something does that is seen cheaply."""
        site, wishes = self._site, self._wishes
        folders = [site.paths.config, site.paths.config / SECRETS]
        folders += [each for each in (wishes.config, wishes.secrets) if each]
        try:
            platform = site.find()
        except InstallError:
            return signature((), folders)
        if wishes.chain_hostgw:
            folders.append(site.root.see_folder(platform.cni_conf))
        layout = Layout(platform.cni_bin)
        files = [site.root.see(path) for path in (*layout.links, layout.current)]
        executable = site.root.see_folder(layout.home / EXECUTABLE)
        return signature([*files, executable, executable.with_name(MANIFEST)], folders)
