"""Variables as a file that a shell or a container runtime reads."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from install.job.forms import VariableForm


def written(values: Mapping[str, str], form: VariableForm) -> str:
    """Return variables as lines, by name.

    Raises:
        ValueError: a value spans lines, which the form without quotes cannot say.
    """
    lines = []
    for name, value in sorted(values.items()):
        if form is VariableForm.SHELL:
            lines.append(f"export {name}={shlex.quote(value)}")
            continue
        if "\n" in value:
            raise ValueError(f"{name} spans lines, expected one")
        lines.append(f"{name}={value}")
    return "\n".join([*lines, ""])
