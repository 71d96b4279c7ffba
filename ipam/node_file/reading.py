"""From the file to the model, with all that is wrong at once."""

from __future__ import annotations

import logging
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cni.host.toml.problems import Problem, located, placed, unknown_keys
from cni.host.toml.reading import content_of, decode, refused
from cni.protocol.errors import CniError, Code
from ipam.node_file import checks
from ipam.node_file.model import NodeFile
from ipam.node_file.problems import of_validation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says, or why it says nothing."""

    file: NodeFile | None
    errors: tuple[Problem, ...] = ()
    """Each with its line."""
    warnings: tuple[Problem, ...] = ()
    """Without lines, which take their time to find: `placed` does."""
    text: str = ""


def load(path: Path) -> NodeFile:
    """Return the node file; one that says nothing when there is none.

    Raises:
        CniError: code 7, naming file, line, key, value and accepted form; or whose the file is and
            whose it should be.
    """
    content = content_of(path)
    if content is None:
        return NodeFile()
    reading = read(content)
    for warning in reading.warnings:
        log.warning("%s", located(path, warning))
    if reading.file is None:
        raise CniError(
            Code.INVALID_CONFIG,
            "; ".join(located(path, error) for error in reading.errors),
            f"`railctl fabric check {path}` names all that is wrong with it",
        )
    _refuse_open_secrets(reading.file)
    return reading.file


def read(content: bytes) -> Reading:
    """Return what a node file says, and all that is wrong with it."""
    decoded = decode(content)
    if decoded.error:
        return Reading(None, (decoded.error,))
    file, errors = _validated(decoded.data)
    errors += checks.problems(file, cluster="etcd" in decoded.data)
    wrong = {each.key for each in errors}
    unknown = [Problem(key, "is unknown and has no effect") for key in unknown_keys(file)]
    return Reading(
        None if errors else file,
        placed(decoded.text, errors),
        tuple(each for each in unknown if each.key not in wrong),
        decoded.text,
    )


def _validated(data: dict[str, Any]) -> tuple[NodeFile, list[Problem]]:
    """Return what can be read, and why the rest, whole tables, cannot."""
    try:
        return NodeFile.model_validate(data), []
    except ValidationError as error:
        errors = [of_validation(each) for each in error.errors(include_url=False)]
    rest = dict(data)
    for table, *names in (each.key for each in errors):
        if table == "fabrics" and names and isinstance(rest.get(table), dict):
            rest[table] = {name: value for name, value in rest[table].items() if name != names[0]}
        else:
            rest.pop(table, None)
    return NodeFile.model_validate(rest), errors


def _refuse_open_secrets(file: NodeFile) -> None:
    """Refuse secrets that everybody on the node can read; one that is missing the client names."""
    etcd = file.etcd
    for path in (etcd.password_file, etcd.key) if etcd else ():
        try:
            mode = stat.S_IMODE(path.stat().st_mode) if path else 0
        except OSError:
            continue
        if path and mode & stat.S_IROTH:
            raise refused(
                path, f"has mode {mode:04o}, expected others not to read it", f"chmod o-r {path}"
            )
