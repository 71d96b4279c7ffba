"""From a mounted ConfigMap and Secret to the node's files."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from install.installer import configuration
from install.installer.facts import ConfigurationFacts
from install.installer.root import Root

ETC = PurePosixPath("/etc/railcni")
NODE_FILE = '[fabrics.backend.rails]\n"roce-a" = { subnet = "10.60.0.0/16" }\n'


def mounted(folder: Path, **files: str) -> Path:
    """Write files as kubelet mounts them: links to a folder that is replaced as a whole."""
    version = folder / "..2026_11_26"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, content in files.items():
        (version / name.replace("_", ".")).write_text(content)
        (folder / name.replace("_", ".")).symlink_to(f"..data/{name.replace('_', '.')}")
    return folder


def gather(tmp_path: Path, config: Path | None, secrets: Path | None = None) -> ConfigurationFacts:
    (tmp_path / "root").mkdir(exist_ok=True)
    return configuration.gather(Root(tmp_path / "root"), ETC, config, secrets)


def test_what_is_mounted_is_wanted_each_in_its_place(tmp_path: Path) -> None:
    config = mounted(tmp_path / "config", node_toml=NODE_FILE, agent_toml='logLevel = "debug"\n')
    secrets = mounted(tmp_path / "secrets", ca_pem="CA", hostgw_key="00" * 32)
    facts = gather(tmp_path, config, secrets)
    assert [str(item.path) for item in facts.wanted] == [
        "/etc/railcni/tls/ca.pem",
        "/etc/railcni/hostgw.key",
        "/etc/railcni/node.toml",
        "/etc/railcni/agent.toml",
    ]
    assert {item.mode for item in facts.wanted} == {0o600}
    assert (facts.found, facts.refused) == ({}, ())


def test_no_secret_is_in_what_a_person_is_shown(tmp_path: Path) -> None:
    facts = gather(tmp_path, None, mounted(tmp_path / "secrets", etcd="s3cret"))
    assert "s3cret" not in repr(facts)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"node_toml": "x ="}, "config/node.toml:1: is not TOML"),
        ({"node_toml": NODE_FILE + "[etcd]\nendpoints = 7\n"}, "node.toml:4: etcd.endpoints is 7"),
        ({"agent_toml": '\nlogLevel = "loud"\n'}, "agent.toml:2: logLevel is 'loud', expected"),
    ],
)
def test_a_malformed_file_is_refused_and_the_former_one_stays(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    facts = gather(tmp_path, mounted(tmp_path / "config", **files))
    assert facts.wanted == ()
    assert words in facts.refused[0]
    assert facts.refused[0].endswith("stays as it is")


def test_a_malformed_file_does_not_keep_the_others_back(tmp_path: Path) -> None:
    config = mounted(tmp_path / "config", node_toml=NODE_FILE, agent_toml="x =")
    facts = gather(tmp_path, config)
    assert [item.path.name for item in facts.wanted] == ["node.toml"]
    assert len(facts.refused) == 1


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config/node.toml").mkdir(parents=True)
    assert "node.toml is no file" in gather(tmp_path, tmp_path / "config").refused[0]


@pytest.mark.parametrize(
    ("mode", "is_found"), [(0o600, True), (0o644, False), (0o400, False)], ids=oct
)
def test_a_file_counts_only_with_its_mode(tmp_path: Path, mode: int, *, is_found: bool) -> None:
    config = mounted(tmp_path / "config", node_toml=NODE_FILE)
    there = tmp_path / "root/etc/railcni/node.toml"
    there.parent.mkdir(parents=True)
    there.write_text(NODE_FILE)
    there.chmod(mode)
    facts = gather(tmp_path, config)
    assert (facts.found == {facts.wanted[0].path: facts.wanted[0].digest}) is is_found


def test_a_file_of_another_user_is_not_left_as_it_is(tmp_path: Path) -> None:
    config = mounted(tmp_path / "config", node_toml=NODE_FILE)
    there = tmp_path / "root/etc/railcni/node.toml"
    there.parent.mkdir(parents=True)
    there.write_text(NODE_FILE)
    there.chmod(0o600)
    os.chown(there, 1, 1)
    assert gather(tmp_path, config).found == {}


def test_a_link_in_its_place_is_no_file_of_ours(tmp_path: Path) -> None:
    config = mounted(tmp_path / "config", node_toml=NODE_FILE)
    there = tmp_path / "root/etc/railcni/node.toml"
    there.parent.mkdir(parents=True)
    there.symlink_to(config / "node.toml")
    assert gather(tmp_path, config).found == {}


def test_links_of_the_node_are_followed_on_the_node(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    (root / "etc").symlink_to("/data")
    assert Root(root).see(ETC / "node.toml") == root / "data/railcni/node.toml"
    assert Root(root).see(PurePosixPath("/etc")) == root / "etc", "the last part is what it is"
    assert os.path.commonpath([Root(root).see(PurePosixPath("/../../x/y")), root]) == str(root)


def test_brackets_without_end_are_a_malformed_file_as_well(tmp_path: Path) -> None:
    deep = f"x = {'[' * 100_000}"
    facts = gather(tmp_path, mounted(tmp_path / "config", node_toml=deep, agent_toml=deep))
    assert facts.wanted == ()
    assert all("is nested too deeply" in each for each in facts.refused)
    assert len(facts.refused) == 2


def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    os.mkfifo(tmp_path / "config/node.toml")
    assert "node.toml is no file" in gather(tmp_path, tmp_path / "config").refused[0]


def test_a_pipe_in_its_place_is_no_file_of_ours(tmp_path: Path) -> None:
    config = mounted(tmp_path / "config", node_toml=NODE_FILE)
    (tmp_path / "root/etc/railcni").mkdir(parents=True)
    os.mkfifo(tmp_path / "root/etc/railcni/node.toml", 0o600)
    assert gather(tmp_path, config).found == {}
