"""What the agent tells rail-ipam of the pod's namespace."""

from __future__ import annotations

from pathlib import Path

from cni.agent.plugins import _identify


def test_a_namespace_and_what_is_none(tmp_path: Path) -> None:
    own = Path("/proc/self/ns/net").stat()
    with Path("/proc/self/ns/net").open("rb") as namespace:
        assert _identify(namespace.fileno()) == (own.st_dev, own.st_ino, 0)
    (tmp_path / "netns").touch()
    with (tmp_path / "netns").open("rb") as plain_file:  # a mount that has not propagated
        assert _identify(plain_file.fileno()) is None
    assert _identify(-1) is None
