"""The way into a bundle that is not installed, on whatever host.

In dist/ the executable names the loader of the machine that it was frozen on.  A host may have
another one, or none; but it has a shell, which starts the bundle's own.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from install.bundle import EXECUTABLE, LIBRARIES, elf

NAME = "rail-install"
"""What makes a bundle at home on a host; every other program is started from there."""
_SCRIPT = """\
#!/bin/sh
# Starts {name} on any host, with the C library that the bundle brings.
bundle=$(cd "$(dirname "$(readlink -f "$0")")/../{bundle}" && pwd -P) || exit
LD_LIBRARY_PATH=$bundle/{libraries}:$bundle/{libraries.parent}${{LD_LIBRARY_PATH+:$LD_LIBRARY_PATH}}
export LD_LIBRARY_PATH
exec "$bundle/{libraries}/{loader}" "$bundle/{executable}" {name} "$@"
"""


def write(script: Path, bundle: Path) -> None:
    """Write a script that starts the program of its name from a bundle beside its folder."""
    loader = PurePosixPath(elf.interpreter(bundle / EXECUTABLE)).name
    script.write_text(
        _SCRIPT.format(
            bundle=bundle.name,
            libraries=LIBRARIES,
            loader=loader,
            executable=EXECUTABLE,
            name=script.name,
        ),
        encoding="utf-8",
    )
    script.chmod(0o755)
