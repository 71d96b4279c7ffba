"""Make the pictures of docs/monitoring.md anew: `python -m tests.monitoring`, ten minutes.

With a file's name it only draws what an earlier run has left there, or leaves there what it sees.
"""

from __future__ import annotations

import pickle
import shutil
import sys
import tempfile
from pathlib import Path

from tests.monitoring.picture import pictures
from tests.monitoring.recording import Recording, record

_PICTURES = Path(__file__).parents[2] / "docs/pictures"


def main(kept: Path | None) -> None:
    """Write the pictures."""
    _PICTURES.mkdir(exist_ok=True)
    for name, picture in pictures(_recorded(kept)):
        (_PICTURES / f"{name}.svg").write_text(picture, encoding="utf-8")


def _recorded(kept: Path | None) -> Recording:
    if kept and kept.exists():
        found: Recording = pickle.loads(kept.read_bytes())  # noqa: S301 - of our own making
        return found
    program = shutil.which("prometheus")
    if program is None:
        sys.exit("there is no prometheus on PATH: apt-get install prometheus")
    with tempfile.TemporaryDirectory() as folder:
        seen = record(program, Path(folder))
    if kept:
        kept.write_bytes(pickle.dumps(seen))
    return seen


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
