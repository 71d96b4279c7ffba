"""Everything here runs as root in the laboratory's guest, with real drivers and frozen programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.spec.agent import running
from tests.spec.runtime import DEBIANS, PROGRAMS
from tests.vm.suite.devices import PF, VF
from tests.vm.suite.machine import Machine, MachineRuntime, Supply

LendVFs = Callable[[PF, int], list[VF]]

LAB = Path("/lab")
"""Shared by the guests and the machine."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Pass over the tests of a file that another guest has begun."""
    return None if _is_ours(item.path.name) else True


@cache
def _is_ours(file: str) -> bool:
    """Return whether this guest is the first that asks."""
    try:
        (LAB / "begun" / file).mkdir()
    except FileExistsError:
        return False
    except FileNotFoundError:
        return True  # this is no guest
    return True


@pytest.fixture(scope="session", autouse=True)
def _laboratory() -> None:
    """These tests make and remove VFs wherever they are: on no machine but the guest."""
    if not (LAB / "command").exists():
        pytest.fail("this runs in the laboratory only: make lab")


@pytest.fixture(scope="session")
def rails() -> tuple[PF, PF]:
    """The PFs of rail A and rail B, ready for pods."""
    rail_a, rail_b = PF.found()
    for pf in (rail_a, rail_b):
        pf.prepare()
    return rail_a, rail_b


@pytest.fixture
def rail_a(rails: tuple[PF, PF]) -> PF:
    """The PF of rail A."""
    return rails[0]


@pytest.fixture
def rail_b(rails: tuple[PF, PF]) -> PF:
    """The PF of rail B."""
    return rails[1]


@pytest.fixture(scope="session")
def supply() -> Supply:
    """All VFs; they go when the guest does."""
    return Supply()


@pytest.fixture
def vfs(supply: Supply, machine: Machine) -> Iterator[LendVFs]:
    """Lends VFs: `vfs(rail_a, 2)`.  They are like new, and are renewed after the test."""
    yield supply.lend
    machine.delete()  # what is in a pod comes home first
    supply.take_back()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """The guest as a node; its pods are removed after the test."""
    made = Machine()
    yield made
    made.delete()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to run all of it with an agent."""
    parser.addoption("--agent", action="store_true", help="an agent serves the plugins' requests")


@pytest.fixture
def plain_runtime(machine: Machine, tmp_path: Path) -> MachineRuntime:
    """A container runtime on it, with the frozen programs, each of which works by itself."""
    environ = {"RAILCNI_CONFIG_DIR": str(tmp_path / "config")}
    return MachineRuntime(machine, tmp_path / "state", (PROGRAMS, DEBIANS), environ=environ)


@pytest.fixture
def runtime(
    request: pytest.FixtureRequest, plain_runtime: MachineRuntime, tmp_path: Path
) -> Iterator[MachineRuntime]:
    """The same, with an agent if that is asked for."""
    if not request.config.getoption("--agent"):
        yield plain_runtime
        return
    with running(plain_runtime, tmp_path):
        yield plain_runtime
