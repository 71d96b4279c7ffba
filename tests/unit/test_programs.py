"""Which program a process is, and which environment it hands on."""

from __future__ import annotations

import pytest

from cni import programs


@pytest.mark.parametrize(
    ("argv", "chosen"),
    [
        (["rail-sriov"], ("rail-sriov", [])),
        (["/opt/cni/bin/rail-ipam"], ("rail-ipam", [])),
        (["../bin/railctl", "version"], ("railctl", ["version"])),
        (["railcni", "rail-sriov"], ("rail-sriov", [])),
        (["/x/cni/__main__.py", "railctl", "ipam", "-v"], ("railctl", ["ipam", "-v"])),
        (["rail-sriov", "rail-ipam"], ("rail-sriov", ["rail-ipam"])),
    ],
)
def test_a_name_or_the_first_argument_chooses_the_program(
    argv: list[str], chosen: tuple[str, list[str]]
) -> None:
    assert programs.choose(argv) == chosen


@pytest.mark.parametrize(
    "argv",
    [[], ["railcni"], ["railcni", "sriov"], ["railcni", "/bin/rail-sriov"], ["a", "b", "railctl"]],
)
def test_who_names_no_program_is_told_which_there_are(argv: list[str]) -> None:
    with pytest.raises(
        programs.UnknownProgramError, match="rail-ipam, rail-sriov, rail-upkeep, railctl"
    ):
        programs.choose(argv)


@pytest.mark.parametrize("target", (programs.PLUGINS | programs.COMMANDS).values())
def test_every_program_can_be_loaded(target: str) -> None:
    assert callable(programs.load(target))


PLAIN = {"PATH": "/bin", "CNI_COMMAND": "ADD"}


@pytest.mark.parametrize(
    "runtime",
    [PLAIN, PLAIN | {"LD_LIBRARY_PATH": "/usr/lib/gpu"}, PLAIN | {"LD_LIBRARY_PATH": ""}, {}],
)
def test_what_the_bootloader_added_is_taken_out(runtime: dict[str, str]) -> None:
    frozen = runtime | {
        "_PYI_ARCHIVE_FILE": "/opt/railcni/railcni",
        "_PYI_PARENT_PROCESS_LEVEL": "1",
        "LD_LIBRARY_PATH": "/opt/railcni/_internal",
    }
    if "LD_LIBRARY_PATH" in runtime:
        frozen["LD_LIBRARY_PATH_ORIG"] = runtime["LD_LIBRARY_PATH"]
    assert programs.original_environment(frozen) == runtime


@pytest.mark.parametrize("runtime", [{}, {"LD_LIBRARY_PATH": ""}, {"LD_LIBRARY_PATH": "/a:/opt/"}])
def test_what_the_way_in_added_is_taken_out(runtime: dict[str, str]) -> None:
    internal = "/opt/railcni/_internal"
    entered = f"{internal}/libc:{internal}" + "".join(f":{v}" for v in runtime.values())
    frozen = {
        "_PYI_ARCHIVE_FILE": "/opt/railcni/railcni",
        "LD_LIBRARY_PATH": f"{internal}:{entered}",
        "LD_LIBRARY_PATH_ORIG": entered,
    }
    assert programs.original_environment(frozen) == runtime


def test_an_environment_without_bootloader_is_handed_on_as_it_is() -> None:
    runtime = PLAIN | {"LD_LIBRARY_PATH": "/a", "LD_LIBRARY_PATH_ORIG": "/b"}
    assert programs.original_environment(runtime) == runtime
