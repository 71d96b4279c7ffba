"""Which of the distributions that are found is the node's.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from install.platforms.distributions import Found, found
from install.platforms.platform import (
    DEFAULT_BIN,
    DEFAULT_CONF,
    OVERRIDE,
    Files,
    Name,
    Platform,
    PlatformError,
)

_PREFERENCES: tuple[tuple[str, Callable[[Found], bool]], ...] = (
    ("its runtime's socket is there", lambda one: one.signs.has_socket),
    ("its kubelet runs", lambda one: one.signs.has_program),
    ("it has a kubelet's files", lambda one: one.signs.has_kubelet),
)
"""What tells several apart, in this order; what none of them has tells nothing."""


def detect(
    files: Files, cni_bin: PurePosixPath | None = None, cni_conf: PurePosixPath | None = None
) -> Platform:
    """Return a node's container runtime.

    Args:
        files: the node's.
        cni_bin: the folder of the plugins, where a person says it (see `checked_folder`).
        cni_conf: the folder of the networks, where a person says it.

    Raises:
        PlatformError: there is none, there are several, or what one says cannot be understood.
            It is not raised where both folders are said.
    """
    if cni_bin is None and cni_conf is None:
        return choose(found(files), files)
    try:
        platform = choose(found(files), files)
    except PlatformError:
        if cni_bin is None or cni_conf is None:
            raise
        platform = Platform(Name.UNKNOWN, cni_bin, cni_conf)
    said = [f"--cni-bin {cni_bin}"] * bool(cni_bin) + [f"--cni-conf {cni_conf}"] * bool(cni_conf)
    return replace(
        platform,
        cni_bin=cni_bin or platform.cni_bin,
        cni_conf=cni_conf or platform.cni_conf,
        evidence=(*platform.evidence, " ".join(said)),
    )


def choose(candidates: Sequence[Found], files: Files) -> Platform:
    """Return the platform of those that are found which is the node's.

    Raises:
        PlatformError: see `detect`.
    """
    left, why = list(candidates), list[str]()
    for words, holds in _PREFERENCES:
        preferred = [one for one in left if holds(one)]
        if preferred and len(preferred) < len(left):
            left, why = preferred, [*why, f"of {_names(candidates)}, {words}"]
    if not left:
        return _by_folders(files)
    platforms = [one.platform for one in left if one.platform]
    folders = {(each.cni_bin, each.cni_conf) for each in platforms}
    if len(platforms) < len(left):
        problems = "; ".join(one.problem for one in left if one.problem)
        raise PlatformError(problems)
    if len(folders) > 1:
        each = "; ".join(f"{one.name} with {one.cni_bin} and {one.cni_conf}" for one in platforms)
        raise PlatformError(
            f"the node has several container runtimes, and nothing tells which is in use: {each}; "
            f"{OVERRIDE}"
        )
    return replace(platforms[0], evidence=(*platforms[0].evidence, *why))


def _names(candidates: Sequence[Found]) -> str:
    return " and ".join(one.name for one in candidates)


def _by_folders(files: Files) -> Platform:
    """Return what CNI's usual folders allow: a container may see nothing else of its node."""
    if files.has(DEFAULT_BIN) and files.has(DEFAULT_CONF):
        why = f"{DEFAULT_BIN} and {DEFAULT_CONF} are there, and no runtime's settings"
        return Platform(Name.UNKNOWN, DEFAULT_BIN, DEFAULT_CONF, evidence=(why,))
    raise PlatformError(
        "no container runtime is found, expected the settings of K3s, RKE2, MicroK8s, containerd "
        f"or CRI-O, or the folders {DEFAULT_BIN} and {DEFAULT_CONF}; {OVERRIDE}"
    )
