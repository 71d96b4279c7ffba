"""The loader of the frozen executable, written in place.

An executable names its loader (PT_INTERP) by a path that has no meaning but an absolute one, and
may name folders that are searched for libraries before all others (DT_RPATH, which also holds for
what its libraries and Python's extension modules need).  The freeze makes room for both
(`install.freeze.room`); here the room is filled.

Sources: System V ABI, chapters 4 and 5; elf(5); ld.so(8).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

ROOM = 1024
"""Bytes for the path of the interpreter, the NUL at its end included."""
RPATH_ROOM = 2 * ROOM + len(":/..")
"""Bytes for the folders of libraries: the interpreter's and the one above it."""

_IDENT = b"\x7fELF\x02\x01"
"""The first bytes: 64 bits a word, the least significant byte first."""
_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ENTRY = struct.Struct("<qQ")
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3  # PT_…
_STRTAB, _STRSZ, _RPATH = 5, 10, 15  # DT_…


class ElfError(Exception):
    """A file is not an executable of ours, or a path cannot be written into it."""


def interpreter(executable: Path) -> str:
    """Return the path of the loader that an executable names.

    Raises:
        ElfError: it is no 64-bit little endian executable, or a static one.
        OSError: it cannot be read.
    """
    with executable.open("rb") as file:
        return _Executable(file, executable).interpreter()


def set_interpreter(
    executable: Path, interpreter: str, folders: Sequence[str] | None = None
) -> None:
    """Have an executable loaded by this loader, with the libraries of these folders.

    The file is changed in place: it must not be one that runs, or that others read meanwhile.

    Args:
        executable: what `install.freeze` made.
        interpreter: the absolute path of the loader, as a process sees it that executes the file.
        folders: what is searched for libraries first; by default the bundle's own, which are the
            interpreter's and the one above it.

    Raises:
        ElfError: the path cannot be used, or there is no room for it.
        OSError: the file cannot be read or written.
    """
    if folders is None:
        folder = str(PurePosixPath(interpreter).parent)
        folders = (folder, f"{folder}/..")
        _check(interpreter)
    with executable.open("r+b") as file:
        places = _Executable(file, executable)
        places.write(interpreter, ":".join(folders))


def _check(interpreter: str) -> None:
    """Refuse what a loader would not take as it stands."""
    if not interpreter.startswith("/"):
        raise ElfError(f"interpreter {interpreter!r} is not an absolute path: the kernel needs one")
    for character, reason in ((":", "separates folders"), ("$", "begins a variable")):
        if character in interpreter:
            raise ElfError(
                f"interpreter {interpreter!r} has a {character!r}, which {reason} in the loader's"
                " search path: install into a folder without it"
            )


class _Executable:
    """Where in an open file the loader and the library folders are named."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._end = file.seek(0, io.SEEK_END)
        header = self._read(0, 64)
        if not header.startswith(_IDENT):
            raise ElfError(f"{path} is no 64-bit little endian ELF file")
        (_, _, _, _, offset, _, _, _, size, count, *_) = _HEADER.unpack(header)
        if size != _SEGMENT.size:
            raise ElfError(f"{path} has program headers of {size} bytes, not {_SEGMENT.size}")
        self._segments = list(_SEGMENT.iter_unpack(self._read(offset, size * count)))

    def interpreter(self) -> str:
        """Return what PT_INTERP names."""
        offset, size = self._interp()
        return self._read(offset, size).partition(b"\0")[0].decode(errors="surrogateescape")

    def write(self, interpreter: str, rpath: str) -> None:
        """Fill the room for both; nothing is written unless both fit."""
        filled = [
            (place[0], self._fill(text, place[1], what))
            for text, place, what in (
                (interpreter, self._interp(), "interpreter"),
                (rpath, self._rpath(), "library path"),
            )
        ]
        for offset, content in filled:
            self._file.seek(offset)
            self._file.write(content)

    def _fill(self, text: str, room: int, what: str) -> bytes:
        content = text.encode(errors="surrogateescape")
        if b"\0" in content:
            raise ElfError(f"{what} {text!r} has a NUL in it")
        if len(content) >= room:
            raise ElfError(
                f"{what} {text!r} is {len(content)} bytes long, and {self._path} has room for"
                f" {room - 1}: install into a folder with a shorter path"
            )
        return content.ljust(room, b"\0")

    def _interp(self) -> tuple[int, int]:
        """Return offset and size of PT_INTERP."""
        for kind, _, offset, _, _, size, _, _ in self._segments:
            if kind == _INTERP:
                self._check_room(offset, size, "an interpreter")
                return offset, size
        raise ElfError(f"{self._path} names no interpreter: it is no dynamic executable")

    def _rpath(self) -> tuple[int, int]:
        """Return offset and size of what DT_RPATH names: the end of the string table."""
        entries = dict(self._dynamic())
        if not {_RPATH, _STRTAB, _STRSZ} <= entries.keys():
            raise ElfError(f"{self._path} has no room for a library path: make build makes it")
        start = entries[_RPATH]
        offset, room = self._offset(entries[_STRTAB]) + start, entries[_STRSZ] - start
        self._check_room(offset, room, "a library path")
        return offset, room

    def _check_room(self, offset: int, room: int, what: str) -> None:
        """Refuse what is more than a text and the NULs behind it."""
        if room < 0 or b"\0" in self._read(offset, room).rstrip(b"\0"):
            raise ElfError(f"{self._path} has no room for {what}: make build makes it")

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        """Yield tags and values of PT_DYNAMIC."""
        for kind, _, offset, _, _, size, _, _ in self._segments:
            if kind == _DYNAMIC:
                yield from _ENTRY.iter_unpack(self._read(offset, size - size % _ENTRY.size))

    def _offset(self, address: int) -> int:
        """Return where in the file an address of the loaded program is."""
        for kind, _, offset, start, _, size, _, _ in self._segments:
            if kind == _LOAD and start <= address < start + size:
                return int(offset + address - start)
        raise ElfError(f"{self._path} loads nothing at {address:#x}, where its strings should be")

    def _read(self, offset: int, size: int) -> bytes:
        if not 0 <= offset <= offset + size <= self._end:
            raise ElfError(f"{self._path} ends before byte {offset + size}: it is not whole")
        self._file.seek(offset)
        return self._file.read(size)
