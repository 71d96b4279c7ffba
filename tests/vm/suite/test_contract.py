"""The kernel layer's contract, which the fake keeps everywhere, holds on real functions."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

FILES = ("test_adapters.py", "test_functions.py", "test_function_addresses.py", "test_rdma.py")


@pytest.mark.parametrize("file", FILES)
def test_the_contract_of(file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header",
         f"tests/contract/kernel/{file}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
