"""Which file of a folder is the primary network's, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cni.delegate.network import Network, primary_file, read_network
from cni.protocol.errors import CniError, Code

BRIDGE, PORTMAP = {"type": "bridge"}, {"type": "portmap"}


def write(file: Path, document: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def listed(file: Path, *plugins: object, **keys: object) -> Path:
    return write(file, {"cniVersion": "1.0.0", "name": "cbr0", "plugins": plugins} | keys)


def types(network: Network) -> list[str]:
    return [str(plugin["type"]) for plugin in network.plugins]


def test_the_first_file_by_name_is_the_primary(tmp_path: Path) -> None:
    for name in ("10-b.conf", "10-a.conflist", "9-last.json", "00-readme.txt", "0.conf~"):
        (tmp_path / name).touch()
    (tmp_path / "00-folder.conf").mkdir()
    assert primary_file(tmp_path) == tmp_path / "10-a.conflist"


def test_names_are_compared_by_their_bytes(tmp_path: Path) -> None:
    for name in ("a.conf", "\u00e9.conf", "B.json"):
        (tmp_path / name).touch()
    assert primary_file(tmp_path) == tmp_path / "B.json"


def test_a_folder_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "00-readme.txt").touch()
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(CniError, match="has no network configuration") as caught:
            primary_file(folder)
        assert caught.value.code == Code.INVALID_CONFIG
    with pytest.raises(CniError, match="cannot be listed"):
        primary_file(tmp_path / "00-readme.txt")


def test_a_list(tmp_path: Path) -> None:
    file = listed(tmp_path / "10-x.conflist", BRIDGE | {"mtu": 1450}, PORTMAP, disableCheck=True)
    network = read_network(file)
    plugins = (BRIDGE | {"mtu": 1450}, PORTMAP)
    assert network == Network(file, "cbr0", "1.0.0", plugins, disable_check=True)


@pytest.mark.parametrize("name", ["10-x.conf", "10-x.json"])
def test_one_plugin_is_a_list_of_one(tmp_path: Path, name: str) -> None:
    document = {"name": "lone", "cniVersion": "0.3.1", **BRIDGE}
    listed(tmp_path / "lone/50-more.conf", PORTMAP)
    network = read_network(write(tmp_path / name, document))
    assert (network.name, network.version, network.plugins) == ("lone", "0.3.1", (document,))


def test_what_is_dropped_in_comes_last_in_order_of_name(tmp_path: Path) -> None:
    file = listed(tmp_path / "10-x.conflist", BRIDGE)
    write(tmp_path / "cbr0/20-b.conf", {"type": "tuning"})
    write(tmp_path / "cbr0/10-a.conf", PORTMAP)
    write(tmp_path / "cbr0/05-c.json", {"type": "sbr"})
    write(tmp_path / "other/00-d.conf", {"type": "vrf"})
    assert types(read_network(file)) == ["bridge", "portmap", "tuning"]
    listed(file, BRIDGE, loadOnlyInlinedPlugins="True")
    assert types(read_network(file)) == ["bridge"]
    write(file, {"name": "cbr0", "cniVersion": "1.0.0"})  # a list need not have any of its own
    assert types(read_network(file)) == ["portmap", "tuning"]


@pytest.mark.parametrize("content", ["", "{", '{"type": "../x"}', "[]", '{"plugins": []}'])
def test_what_is_malformed_and_dropped_in_fails_the_network(tmp_path: Path, content: str) -> None:
    file = listed(tmp_path / "10-x.conflist", BRIDGE)
    write(tmp_path / "cbr0/20-b.conf", {}).write_text(content)
    with pytest.raises(CniError, match=r"20-b\.conf") as caught:
        read_network(file)
    assert caught.value.code == Code.INVALID_CONFIG


@pytest.mark.parametrize(
    ("keys", "version"),
    [
        ({}, "0.1.0"),
        ({"cniVersion": ""}, "0.1.0"),
        ({"cniVersion": "0.4.0"}, "0.4.0"),
        ({"cniVersion": "0.4.0", "cniVersions": ["0.3.1", "1.0.0", "9.0.0"]}, "1.0.0"),
        ({"cniVersion": "1.1.0", "cniVersions": ["0.3.1"]}, "1.1.0"),
    ],
)
def test_its_version(tmp_path: Path, keys: Mapping[str, object], version: str) -> None:
    file = write(tmp_path / "10-x.conflist", {"name": "cbr0", "plugins": [BRIDGE], **keys})
    assert read_network(file).version == version


def test_a_version_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(CniError, match=r"9\.0\.0") as caught:
        read_network(listed(tmp_path / "10-x.conflist", BRIDGE, cniVersion="9.0.0"))
    assert caught.value.code == Code.INCOMPATIBLE_VERSION


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else 1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "has a JSON list"),
        ({"name": "a/b", "plugins": [BRIDGE]}, "name is 'a/b'"),
        ({"plugins": [BRIDGE]}, "name is None"),
        ({"name": "..", "plugins": [BRIDGE]}, "name is"),
        ({"name": "a"}, "lists no plugin"),
        ({"name": "a", "plugins": []}, r"plugins is \[\]"),
        ({"name": "a", "plugins": {}}, "plugins is {}"),
        ({"name": "a", "plugins": None}, "plugins is None"),
        ({"name": "a", "plugins": ["bridge"]}, r"plugins\.0 is 'bridge'"),
        ({"name": "a", "plugins": [BRIDGE, {}]}, r"plugins\.1\.type is None"),
        ({"name": "a", "plugins": [{"type": "/bin/sh"}]}, r"plugins\.0\.type is '/bin/sh'"),
        ({"name": "a", "plugins": [BRIDGE], "disableCheck": 1}, "disableCheck is 1"),
        ({"name": "a", "plugins": [BRIDGE], "cniVersions": "1"}, "cniVersions is '1'"),
        ({"name": "a", "plugins": [BRIDGE], "x": deep(70)}, "nested deeper"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, document: object, words: str) -> None:
    with pytest.raises(CniError, match=words) as caught:
        read_network(write(tmp_path / "10-x.conflist", document))
    assert caught.value.code == Code.INVALID_CONFIG
    assert "10-x.conflist" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff{}", b'{"a": ' * 5000, b'{"a": NaN}', '{"name": "a"}'.encode("utf-16")],
)
def test_what_is_no_json(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "10-x.conflist"
    file.write_bytes(content)
    with pytest.raises(CniError, match="is not JSON"):
        read_network(file)


def test_a_list_in_the_file_of_one_plugin(tmp_path: Path) -> None:
    with pytest.raises(CniError, match="type is None"):
        read_network(listed(tmp_path / "10-x.conf", BRIDGE))


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CniError, match="No such file") as caught:
        read_network(tmp_path / "absent.conflist")
    assert caught.value.code == Code.INVALID_CONFIG
