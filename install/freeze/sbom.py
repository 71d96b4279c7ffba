"""The bill of materials of a bundle, in CycloneDX (https://cyclonedx.org/docs/1.5/json/).

It has neither a serial number nor a time: the same bundle has the same bill.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from install.freeze.component import OURS, Component

NAME = "sbom.cdx.json"
"""In the bundle's folder."""


def write(file: Path, components: Iterable[Component]) -> None:
    """Write what is bundled, and where in the bundle it is.

    Args:
        file: where to.
        components: what is bundled, railcni itself among them.
    """
    file.write_text(json.dumps(_document(components), indent=1) + "\n", encoding="utf-8")


def _document(components: Iterable[Component]) -> dict[str, Any]:
    described = {component.name: _described(component) for component in components}
    ours = described.pop(OURS)
    others = list(described.values())
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": ours | {"type": "application"}},
        "components": others,
        "dependencies": [
            {"ref": ours["bom-ref"], "dependsOn": [other["bom-ref"] for other in others]},
        ],
    }


def _described(component: Component) -> dict[str, Any]:
    licence = (
        {"expression": component.licence}
        if component.is_expression
        else {"license": {"name": component.licence}}
    )
    return {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "licenses": [licence],
        "evidence": {"occurrences": [{"location": place} for place in component.places]},
    }
