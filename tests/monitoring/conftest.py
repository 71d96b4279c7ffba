"""What the tests of the monitoring are given."""

from __future__ import annotations

import os
import shutil

import pytest


def debians(program: str) -> str:
    """Return a program of Debian's `prometheus`; skip the test without it, but fail it in CI."""
    found = shutil.which(program)
    if found is None:
        missing = f"there is no {program} on PATH: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="session")
def promtool() -> str:
    """What tests rules without a server."""
    return debians("promtool")


@pytest.fixture(scope="session")
def prometheus_program() -> str:
    """The server."""
    return debians("prometheus")
