"""Make the image of dist/railcni/: `python -m deploy.image`, from the root of the repository."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.image.errors import ImageError
from deploy.image.identity import identify
from deploy.image.recipe import build

DIST = Path("dist")


def main() -> int:
    """Build, and say what the image is called."""
    try:
        identity = identify(Path())
        built = build(DIST / "railcni", identity, DIST)
    except ImageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{identity.reference}@{built.digest}\n{built.archive}\n{built.materials}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
