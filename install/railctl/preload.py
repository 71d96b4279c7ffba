"""`railctl preload`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cni.host.paths import Paths, private_folder
from install.railctl.output import Output, say, write

if TYPE_CHECKING:
    from install.preload.listed import ImageList
    from install.preload.loading import Row
    from install.preload.target import Target

_STDIN = "-"


def preload(  # noqa: PLR0913 - a command's options
    files: Annotated[
        list[str] | None, typer.Argument(help="Archives of images; - for stdin.")
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="FILES are manifests: say what defeats preloading.")
    ] = False,
    listed: Annotated[
        Path | None, typer.Option("--list", help="The images that are needed, one a line.")
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="containerd's config.toml; else the node's is looked for.")
    ] = None,
    images_dir: Annotated[
        Path | None, typer.Option(help="K3s's folder of images, before its first start.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Put images on this node, for K3s and containerd; say what would make it ask a registry.

    Archives are proven first: whole, for this machine, with room for them.  With --list, what the
    node lacks in the end is said, with exit code 1.
    """
    wanted = _wanted(listed)
    if check:
        _check(files or [], wanted, output)
        return
    if not files and wanted is None:
        raise typer.BadParameter("name an archive, or a list with --list")
    if files and files.count(_STDIN) > 1:
        raise typer.BadParameter("stdin can be read once")
    _bring(files or [], wanted, _target(settings, images_dir), output, dry_run=dry_run)


def _wanted(listed: Path | None) -> ImageList | None:
    from install.preload.listed import ListError, read

    if listed is None:
        return None
    try:
        return read(_text(str(listed)), str(listed))
    except ListError as error:
        _give_up(str(error))


def _target(settings: Path | None, images_dir: Path | None) -> Target:
    from install.platforms.platform import PlatformError
    from install.platforms.root import Root
    from install.preload.target import find

    try:
        return find(Root(Path("/")), settings, images_dir)
    except PlatformError as error:
        _give_up(str(error))


def _bring(
    files: Sequence[str], wanted: ImageList | None, target: Target, output: Output, *, dry_run: bool
) -> None:
    from install.preload import loading, placing
    from install.preload.members import ArchiveError
    from install.preload.runtime import Containerd, RuntimeFailedError

    rows: list[Row] = []
    lacking: list[str] = []
    try:
        if files:
            with _folder(target, dry_run=dry_run) as folder, \
                 loading.given(files, sys.stdin.buffer, folder) as archives:  # fmt: skip
                steps = loading.steps(archives, target)
                for warning in loading.check_room(loading.needs(steps, target)):
                    say(f"railctl: {warning}", err=True)
                done = loading.planned(steps) if dry_run else loading.load(steps, target, folder)
                rows.extend(done)
        if wanted and not dry_run:
            lacking = wanted.lacking(Containerd(target).images())
    except (ArchiveError, RuntimeFailedError, placing.PlacingError, loading.NoRoomError,
            loading.MissingError) as error:  # fmt: skip
        _give_up(str(error))
    except OSError as error:
        _give_up(f"{error.filename or 'an archive'}: {error.strerror}")
    _tell(rows, lacking, target, output)


@contextmanager
def _folder(target: Target, *, dry_run: bool) -> Iterator[Path]:
    """Have a folder for files on their way."""
    from install.preload.placing import stage

    if dry_run:
        with TemporaryDirectory() as folder:
            yield Path(folder)
        return
    own = private_folder(Paths.of(os.environ).state) / "preload"
    with stage(target.images or own) as folder_there:
        yield folder_there


def _tell(rows: Sequence[Row], lacking: Sequence[str], target: Target, output: Output) -> None:
    if output is Output.JSON:
        document = {"images": [asdict(row) for row in rows], "lacking": list(lacking)}
        say(json.dumps(document))
    else:
        if rows:
            write(target.name, [asdict(row) for row in rows], output, empty="")
        if rows and target.images and not target.is_up:
            say("containerd is not running: K3s imports them when it starts")
        for image in lacking:
            say(f"lacking: {image}")
        if not rows and not lacking:
            say("nothing is lacking")
    if lacking:
        raise typer.Exit(1)


def _check(files: Sequence[str], wanted: ImageList | None, output: Output) -> None:
    from install.preload.manifests import Source, check

    if not files:
        raise typer.BadParameter("name a manifest")
    found = check([Source("stdin" if one == _STDIN else one, _text(one)) for one in files], wanted)
    if output is Output.JSON:
        rows = [
            {"file": one.file, "line": one.line, "severity": one.finding.severity.word,
             "check": one.finding.check, "what": one.finding.what, "why": one.finding.why,
             "mend": list(one.finding.mend)}
            for one in found
        ]  # fmt: skip
        say(json.dumps(rows))
    else:
        for one in found:
            mend = "".join(f"\n  → {each}" for each in one.finding.mend)
            why = f"\n  {one.finding.why}" if one.finding.why else ""
            say(f"{one.file}:{one.line}: error: {one.finding.what}{why}{mend}")
        if not found:
            say("every image is pinned, and none is always pulled")
    if found:
        raise typer.Exit(1)


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not UTF-8") from None


def _give_up(message: str) -> NoReturn:
    say(f"railctl: {message}", err=True)
    raise typer.Exit(1)
