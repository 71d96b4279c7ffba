"""Measure how long pods are apart in each trouble, with the times that are the default.

    python -m tests.netns [WORD]

prints a table, of the troubles whose name has the word.  It takes twenty minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.netns.scene import Scene, streams
from tests.netns.troubles import TROUBLES, Trouble

_LASTS = 8.0
"""Seconds for which a trouble stays once it is seen."""
_ROW = "{:<32}{:>10}{:>14}{:>14}   {}\n"


def main(word: str) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder), {})
        try:
            scene.start()
            _write("trouble", "seen s", "control s", "direct s", "packets lost, control and direct")
            for trouble in TROUBLES:
                if word in trouble.name:
                    _measure(scene, trouble)
        finally:
            scene.delete()


def _measure(scene: Scene, trouble: Trouble) -> None:
    scene.stop()  # what is held against a path is forgotten
    scene.settle()
    one, two, *_ = scene.nodes
    with streams(scene) as end:
        began = time.monotonic()
        with trouble.strike(scene), trouble.strike(scene.control):
            scene.wait_for(one, two, *trouble.becomes)
            seen = time.monotonic() - began
            time.sleep(_LASTS)
        scene.settle()
        ours, control = end()
    lost = f"{control.lost}, {ours.lost} of {ours.sent}"
    _write(trouble.name, f"{seen:.1f}", f"{control.gap:.2f}", f"{ours.gap:.2f}", lost)


def _write(*cells: str) -> None:
    sys.stdout.write(_ROW.format(*cells))
    sys.stdout.flush()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]))
