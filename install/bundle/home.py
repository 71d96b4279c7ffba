"""Where a bundle runs: with its own loader and C library, by their paths in its folder there."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from install.bundle import EXECUTABLE, LIBRARIES, elf, manifest


def settle(bundle: Path, home: PurePosixPath) -> None:
    """Make a copy of a bundle run in a folder of a host, whatever C library that has or lacks.

    It may be repeated, also for another folder.  Its list of files is written anew: until that is
    done, the executable is not as the list says.

    Args:
        bundle: the copy, in any place.  It must be one that nothing runs from.
        home: its folder as processes of the host see it, which it is renamed to or seen as.

    Raises:
        ElfError: the executable is not of our making, or the folder's path is too long.
        ManifestError: the copy holds what no bundle does.
        OSError: it cannot be read or written.
    """
    executable = bundle / EXECUTABLE
    loader = LIBRARIES / PurePosixPath(elf.interpreter(executable)).name
    if not (bundle / loader).is_file():
        raise elf.ElfError(f"{bundle} has no {loader}: it was frozen without a C library")
    elf.set_interpreter(executable, str(home / loader))
    manifest.write(bundle)
