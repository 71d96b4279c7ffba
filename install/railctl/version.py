"""`railctl version`."""

from __future__ import annotations

import json
import platform
from typing import Annotated

import typer

import cni
from cni.protocol.supported import SUPPORTED
from install.railctl.output import Output, say


def version(
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Show the versions of railcni, of its Python, and of the CNI specification that it speaks."""
    if output is Output.JSON:
        document = {
            "railcni": cni.__version__,
            "python": platform.python_version(),
            "cni": list(SUPPORTED),
        }
        say(json.dumps(document))
        return
    say(f"railcni  {cni.__version__}")
    say(f"python   {platform.python_version()}")
    say(f"cni      {', '.join(SUPPORTED)}")
