"""The node's configuration: from a folder such as a mounted ConfigMap, to /etc/railcni."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from cni.agent import config as agent_file
from cni.host.toml.problems import located
from cni.protocol.errors import CniError
from install.installer.errors import InstallError
from install.installer.facts import ConfigurationFacts, Item, digest_of
from install.installer.root import Root
from ipam.node_file import reading as node_file

FOLDER_MODE = 0o700
SECRETS = "tls"
"""The folder of secrets, in that of the configuration."""
_HOSTGW_KEY = "hostgw.key"
"""The secret that stands beside the agent's settings: where rail-agent looks for it."""
_LARGEST = 1 << 20
"""Bytes: Kubernetes takes no ConfigMap that is larger."""


def gather(
    root: Root, folder: PurePosixPath, config: Path | None, secrets: Path | None
) -> ConfigurationFacts:
    """Return what the configuration is to be, and what it is.

    A file that is malformed is refused: what is there stays.

    Args:
        root: the node's.
        folder: of the configuration, on the node.
        config: the folder that node.toml and agent.toml are taken from; None: from nowhere.
        secrets: the folder that secrets are taken from.
    """
    items: list[Item] = []
    refused: list[str] = []
    for source in _secrets(secrets):
        name = source.name
        path = folder / name if name == _HOSTGW_KEY else folder / SECRETS / name
        _take(source, path, _accept, items, refused)
    for name, check in _CHECKS.items():
        if config is not None and (config / name).exists():
            _take(config / name, folder / name, check, items, refused)
    return ConfigurationFacts(tuple(items), digests(root, items), tuple(refused))


def digests(root: Root, items: Iterable[Item]) -> dict[PurePosixPath, str]:
    """Return the digests of files that are there, root's, with the mode they should have."""
    found = {item.path: digest_there(root, item.path, item.mode) for item in items}
    return {path: digest for path, digest in found.items() if digest}


def _take(
    source: Path,
    path: PurePosixPath,
    check: Callable[[bytes, Path], None],
    items: list[Item],
    refused: list[str],
) -> None:
    try:
        content = _read(source)
        check(content, source)
    except (InstallError, CniError) as error:
        refused.append(f"{error}; {path} stays as it is")
    else:
        items.append(Item(path, content, digest_of(content), str(source)))


def _read(file: Path) -> bytes:
    """Return a file's content; of a mounted ConfigMap, each file is a link into `..data`."""
    try:
        content = _content(file)
    except OSError as error:
        raise InstallError(f"{file} cannot be read: {error.strerror}") from None
    if content is None:
        raise InstallError(f"{file} is no file")
    if len(content) > _LARGEST:
        raise InstallError(f"{file} is larger than {_LARGEST} bytes")
    return content


def _content(file: Path, flags: int = 0) -> bytes | None:
    """Return a file's content, as far as it may be long; None of what is no file."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(_LARGEST + 1)
    finally:
        os.close(descriptor)


def _secrets(folder: Path | None) -> Iterator[Path]:
    """Yield the files of a folder of secrets; what begins with a dot is the mount's own."""
    if folder is None or not folder.is_dir():
        return
    for each in sorted(folder.iterdir()):
        if not each.name.startswith(".") and each.is_file():
            yield each


def _accept(_content: bytes, _source: Path) -> None:
    """Take a secret as it is: whoever reads it knows what it should be."""


def _check_node_file(content: bytes, source: Path) -> None:
    reading = node_file.read(content)
    if reading.file is None:
        raise InstallError("; ".join(located(source, each) for each in reading.errors))


def _check_agent_file(content: bytes, source: Path) -> None:
    agent_file.read(content, source)


_CHECKS: Mapping[str, Callable[[bytes, Path], None]] = {
    "node.toml": _check_node_file,
    "agent.toml": _check_agent_file,
}


def digest_there(root: Root, path: PurePosixPath, mode: int) -> str:
    """Return the digest of what is there; empty for what is not to be left as it is."""
    file = root.see(path)
    try:
        status = file.lstat()
        if stat.S_IMODE(status.st_mode) != mode or status.st_uid != 0:
            return ""
        content = _content(file, os.O_NOFOLLOW)
    except OSError:
        return ""
    return "" if content is None else digest_of(content)
