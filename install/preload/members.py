"""A tar archive of images, read once and never unpacked: its documents and its files' digests."""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Self, cast

_BLOCK = 1 << 20
_DOCUMENT = 4 << 20
"""Bytes that a JSON document may have: containerd's own limit for a manifest."""
_DOCUMENTS = 64 << 20
"""Bytes of all of them: they are kept in memory."""
_HEADER = 1 << 20
"""Bytes of a header: a path, a link's target, extended attributes."""
GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_FOREIGN = {_ZSTD: "zstd -d", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz"}
"""How archives begin that Python or containerd cannot read, and what unpacks them."""
_SWOLLEN = 4
"""By how much a file of Zstandard's may grow; it cannot be told."""
_EXTENSIONS = frozenset(
    {
        tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
    }
)  # fmt: skip
"""Kinds of headers that say more of the next one."""
_MOST = 100_000
"""Members; no image has so many files of its own."""


class ArchiveError(Exception):
    """An archive is damaged, or not for this node; the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the archive."""

    size: int
    digest: str
    """`sha256:…`, or by the algorithm that its path names."""
    unpacked_size: int
    """Bytes of what gzip has packed in it; else its own."""
    unpacked_digest: str
    """SHA-256 of that; empty where it is packed in another way."""


@dataclass(frozen=True, slots=True)
class Members:
    """What an archive has."""

    files: Mapping[str, Member]
    documents: Mapping[str, bytes]
    """The content of those that may be JSON."""
    links: Mapping[str, str] = field(default_factory=dict)
    """What a link's path leads to, as a path in the archive."""

    def find(self, path: str) -> str:
        """Return the path of a file, through at most one link."""
        return self.links.get(path, path)


def read(stream: BinaryIO, name: str) -> Members:
    """Return what an archive has.

    Args:
        stream: at its beginning; it can be rewound.
        name: for errors.

    Raises:
        ArchiveError: it is no tar archive (plain, or of gzip), it ends early, has paths that lead
            out of it, or would fill the memory.
    """
    first = stream.read(6)
    stream.seek(0)
    for magic, program in _FOREIGN.items():
        if first.startswith(magic):
            raise ArchiveError(f"{name} is packed as containerd cannot read it: {program} it first")
    try:
        with (
            _unpacked(stream, is_packed=first.startswith(GZIP)) as content,
            tarfile.open(fileobj=content, mode="r|", bufsize=_BLOCK, tarinfo=_Header) as archive,
        ):
            return _members(archive, name)
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError, ValueError,
            gzip.BadGzipFile) as error:  # fmt: skip
        raise ArchiveError(
            f"{name} is damaged or no tar archive ({error}): copy it again"
        ) from None


@contextmanager
def _unpacked(stream: BinaryIO, *, is_packed: bool) -> Iterator[BinaryIO]:
    """Have what is in a stream; gzip's is read to its end, where its checksum is."""
    if not is_packed:
        yield stream
        return
    with gzip.GzipFile(fileobj=stream) as content:
        yield cast("BinaryIO", content)
        while content.read(_BLOCK):
            pass


class _Header(tarfile.TarInfo):
    """A header that may be kept in memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read it (TarError)."""
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENSIONS and header.size > _HEADER:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a file with holes, which no archive of images has")
        return header


def _members(archive: tarfile.TarFile, name: str) -> Members:
    files: dict[str, Member] = {}
    documents: dict[str, bytes] = {}
    links: dict[str, str] = {}
    kept = 0
    for entry in archive:
        path = _checked(entry.name, name)
        if entry.issparse():
            raise tarfile.ReadError("a file with holes, which no archive of images has")
        if entry.isfile():
            member, document = _digested(archive, entry, path)
            if files.setdefault(path, member) != member:
                raise ArchiveError(f"{name} has two different files {path}: do not trust it")
            if document:
                documents[path] = document
                kept += len(document)
        elif entry.issym() or entry.islnk():
            folder = posixpath.dirname(path) if entry.issym() else ""
            links[path] = _checked(posixpath.join(folder, entry.linkname), name)
        elif not entry.isdir():
            raise ArchiveError(f"{name} has {path}, which is neither file nor folder nor link")
        if kept > _DOCUMENTS:
            raise ArchiveError(
                f"{name} has more than {_DOCUMENTS:,} bytes of JSON: do not trust it"
            )
        if len(files) + len(links) > _MOST:
            raise ArchiveError(f"{name} has more than {_MOST} files: no archive of images has")
    return Members(files, documents, links)


def _checked(path: str, name: str) -> str:
    """Return a path without detours."""
    normal = posixpath.normpath(path)
    if normal.startswith(("/", "../")) or normal == ".." or not normal.isprintable():
        raise ArchiveError(f"{name} has the path {path!r}, which leads out of it: do not trust it")
    return normal


def _digested(
    archive: tarfile.TarFile, entry: tarfile.TarInfo, path: str
) -> tuple[Member, bytes | None]:
    """Return a file's digests, and its content where that may be JSON."""
    whole = hashlib.sha512() if path.startswith("blobs/sha512/") else hashlib.sha256()
    stream = archive.extractfile(entry)
    assert stream, path  # noqa: S101 - for mypy: it is a file
    first = block = stream.read(_BLOCK)
    inflated = _Inflated() if first.startswith(GZIP) else None
    kept = bytearray() if first[:1] in {b"{", b"["} and entry.size <= _DOCUMENT else None
    while block:
        whole.update(block)
        if inflated:
            inflated.add(block)
        if kept is not None:
            kept += block
        block = stream.read(_BLOCK)
    digest = f"{whole.name}:{whole.hexdigest()}"
    unpacked = entry.size, digest if whole.name == "sha256" else ""
    if inflated:
        unpacked = inflated.size, inflated.digest(path)
    elif first.startswith(_ZSTD):
        unpacked = entry.size * _SWOLLEN, ""
    return Member(entry.size, digest, *unpacked), bytes(kept) if kept is not None else None


class _Inflated:
    """What gzip has packed: its size and digest, without keeping it."""

    def __init__(self) -> None:
        self.size = 0
        self._sha = hashlib.sha256()
        self._state = zlib.decompressobj(wbits=31)

    def add(self, block: bytes) -> None:
        """Take the next bytes; what follows a stream of gzip's is the next stream."""
        while block:
            if self._state.eof:
                self._state = zlib.decompressobj(wbits=31)
            content = self._state.decompress(block, _BLOCK)
            self.size += len(content)
            self._sha.update(content)
            block = self._state.unused_data if self._state.eof else self._state.unconsumed_tail
            if self._state.eof:
                block = block.lstrip(b"\0")  # gzip may be padded

    def digest(self, path: str) -> str:
        """Return the digest of all.

        Raises:
            EOFError: the last stream is not whole.
        """
        while not self._state.eof and (content := self._state.decompress(b"", _BLOCK)):
            self.size += len(content)
            self._sha.update(content)
        if not self._state.eof:
            raise EOFError(f"{path} ends early")
        return f"sha256:{self._sha.hexdigest()}"
