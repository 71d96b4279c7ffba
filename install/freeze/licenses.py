"""The licences of everything in the bundle, gathered into one folder with an index."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from install.freeze.component import Component


def write(folder: Path, components: Iterable[Component]) -> None:
    """Write the licences of what is bundled, and `INDEX.md`.

    Args:
        folder: where to; made anew.
        components: what is bundled.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rows = ["| component | version | licence | text |", "|---|---|---|---|"]
    for component in components:
        names = [f"{component.name}-{text.name}" for text in component.texts]
        for text, name in zip(component.texts, names, strict=True):
            shutil.copyfile(text, folder / name)
        links = ", ".join(f"[{name}]({name})" for name in names) or "none in its package"
        rows.append(f"| {component.name} | {component.version} | {component.licence} | {links} |")
    (folder / "INDEX.md").write_text("\n".join(["# Licences", "", *rows, ""]), encoding="utf-8")
