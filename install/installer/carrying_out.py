"""Carrying steps out on a node."""

from __future__ import annotations

from pathlib import PurePosixPath

from install.conflist import ways, writing
from install.conflist.document import ConflistError
from install.installer import proof
from install.installer.configuration import FOLDER_MODE
from install.installer.errors import InstallError
from install.installer.gathering import Site
from install.installer.layout import Layout
from install.installer.placing import make_folder, put_file, put_link
from install.installer.record import Book, Written
from install.installer.source import Source
from install.installer.steps import (
    Chain,
    EnableUnits,
    Flip,
    MendVersion,
    PutFile,
    PutLink,
    PutVersion,
    Step,
)
from install.installer.taking_away import Taking


class Hands:
    """Does what a plan says, and writes it into the record.

    Args:
        site: the node.
        source: what is installed; None where nothing is.
        book: the record.
    """

    def __init__(self, site: Site, source: Source | None, book: Book) -> None:
        self._site = site
        self._source = source
        self._book = book
        self._taking = Taking(site, book)

    def do(self, step: Step) -> None:
        """Do one step.

        Raises:
            InstallError: it cannot be done, in words.
        """
        try:
            self._do(step)
        except ConflistError as error:
            raise InstallError(str(error)) from error
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise InstallError(f"cannot {step}: {place}{error.strerror}") from error

    def _do(self, step: Step) -> None:
        match step:
            case PutVersion(layout, _) if self._source:
                self._note(layout)
                self._site.versions(layout.bin).put(self._source)
            case MendVersion(layout, _, files) if self._source:
                self._site.versions(layout.bin).mend(self._source, files)
            case Flip():
                self._flip(step)
            case PutLink():
                self._link(step)
            case PutFile():
                self._write(step)
            case Chain():
                self._chain(step)
            case EnableUnits(names):
                self._enable(names)
            case _:
                self._taking.do(step)

    def _note(self, layout: Layout) -> None:
        """Record a CNI bin folder, so that it is known what to take away from it."""
        bins = self._book.record.bins
        if str(layout.bin) not in bins:
            bins.append(str(layout.bin))
            self._book.save()

    def _flip(self, step: Flip) -> None:
        self._note(step.layout)
        proof.prove(self._site.root, step.layout.version(step.name))
        record = self._book.record
        record.becomes(step.name)
        if self._source and step.name == self._source.name:
            record.rejected = ""
        self._book.save()  # before the link: who is killed here flips it the next time
        self._site.versions(step.layout.bin).flip(step.name)

    def _link(self, step: PutLink) -> None:
        links = self._book.record.links
        if str(step.path) not in links:
            links[str(step.path)] = step.before
            self._book.save()
        link = self._site.root.see(step.path)
        put_link(link, step.target)

    def _write(self, step: PutFile) -> None:
        item, path = step.item, str(step.item.path)
        file = self._site.root.see(item.path)
        make_folder(file.parent, FOLDER_MODE)
        former = self._book.record.files.get(path)
        before = former.before if former else ""
        if former is None and file.is_file() and not file.is_symlink():
            before = _name_of(item.path)
            self._book.keep(before, file.read_bytes())
        written = Written(digest=item.digest, mode=item.mode, before=before)
        self._book.record.files[path] = written
        self._book.save()
        put_file(file, item.content, item.mode)

    def _enable(self, names: tuple[str, ...]) -> None:
        self._site.systemd.reload()
        self._site.systemd.enable(names)
        record = self._book.record
        record.units = sorted({*record.units, *names})
        self._book.save()

    def _chain(self, step: Chain) -> None:
        chained = self._book.record.chained
        if str(step.folder) not in chained:
            chained.append(str(step.folder))
            self._book.save()
        folder = self._site.root.see_folder(step.folder)
        writing.write(folder, ways.Plan(step.changes, step.like))


def _name_of(path: PurePosixPath) -> str:
    """Return the name under which a file's former content is kept."""
    return str(path).strip("/").replace("/", "_")
