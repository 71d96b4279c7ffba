"""Get the etcd releases that the tests run; in CI (`CI=true`) none may be missing."""

from __future__ import annotations

import os
import sys

from rich.console import Console

from tests.etcd.releases import NAMES, fetch, find
from tests.vm.apt import UnavailableError


def main() -> int:
    """Get what is missing, and say what cannot be had."""
    console = Console()
    missing = 0
    for name in NAMES:
        if find(name):
            continue
        console.print(f"Getting etcd {name} …")
        try:
            fetch(name)
        except UnavailableError as error:
            missing += 1
            console.print(f"There will be no etcd {name}: {error}", markup=False)
    return int(bool(missing) and os.environ.get("CI") == "true")


if __name__ == "__main__":
    sys.exit(main())
