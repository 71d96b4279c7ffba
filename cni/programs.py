"""Which program a process is: decided by its arguments and its environment alone.

One executable has many names, as busybox has.  A program is named by a literal `module:attribute`,
so that nothing is imported before it runs, and so that `cni` can name what `ipam` and `install`
hold without importing them.
"""

TYPE_CHECKING = False  # as `typing` has it; see `__main__` for why it is not imported
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

PLUGINS = {
    "rail-hostgw": "cni.hostgw.plugin:make_plugin",
    "rail-ipam": "ipam.plugin:make_plugin",
    "rail-sriov": "cni.rail.plugin:make_plugin",
}
"""What a container runtime calls: each a function from a request to its plugin."""
COMMANDS = {
    "rail-agent": "cni.agent.main:main",
    "rail-install": "install.installer.main:main",
    "rail-upkeep": "ipam.upkeep:main",
    "railctl": "install.railctl:main",
}
"""What a person or a program of ours calls: each a function from arguments to an exit code."""

IPAM_PART = "ipam.agent.part:IpamPart"
"""What rail-ipam does in the agent (`cni.agent.interface.Part`)."""
DOCTOR_PART = "install.doctor.part:DoctorPart"
"""What the doctor does there."""

_BOOTLOADER_PREFIX = "_PYI_"
_LIBRARY_PATH = "LD_LIBRARY_PATH"
_LIBRARY_PATH_BEFORE = "LD_LIBRARY_PATH_ORIG"


class UnknownProgramError(Exception):
    """Neither the name nor the first argument names a program."""


def choose(argv: "Sequence[str]") -> tuple[str, list[str]]:
    """Return the program's name and its arguments: `NAME …` or `anything NAME …`.

    Raises:
        UnknownProgramError: with a message that lists the programs.
    """
    for position in range(min(2, len(argv))):
        name = argv[position].rpartition("/")[2] if position == 0 else argv[position]
        if name in PLUGINS or name in COMMANDS:
            return name, list(argv[position + 1 :])
    known = ", ".join(sorted(PLUGINS | COMMANDS))
    called = " ".join(argv[:2]) or "an empty command line"
    raise UnknownProgramError(f"{called} names no program: call one of {known}")


def load(target: str) -> "Callable[..., Any]":
    """Import what `module:attribute` names."""
    from importlib import import_module

    module, _, attribute = target.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), attribute)
    return function


def original_environment(environ: "Mapping[str, str]") -> dict[str, str]:
    """Return the environment as the runtime set it.

    PyInstaller's bootloader puts its own libraries before the system's and says so in `_PYI_…`
    variables; so does `dist/bin/rail-install`, before that.  A program of the host that inherited
    it would load the bundle's libraries.
    """
    before = dict(environ)
    ours = [name for name in before if name.startswith(_BOOTLOADER_PREFIX)]
    if not ours:
        return before
    for name in ours:
        del before[name]
    bundled = before.pop(_LIBRARY_PATH, "").partition(":")[0]
    if _LIBRARY_PATH_BEFORE in before:
        folders = before.pop(_LIBRARY_PATH_BEFORE).split(":")
        kept = [folder for folder in folders if not _is_within(folder, bundled)]
        if kept:
            before[_LIBRARY_PATH] = ":".join(kept)
    return before


def _is_within(folder: str, other: str) -> bool:
    return bool(other) and f"{folder}/".startswith(f"{other}/")
