"""The node file: what it may say, where an error is, and what never shows up in one."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from cni.host.toml.lines import lines_of
from cni.protocol.errors import CniError, Code
from ipam.node_file import NodeFile, load
from ipam.node_file.reading import read
from ipam.ranges import Span

ROOT = Path(__file__).parents[3]

ETCD = """\
[etcd]
endpoints = ["https://etcd-0:2379", "etcd-1.example.net:2379", "https://[fd00::2]:2379"]
ca = "/etc/railcni/ca.pem"
"""
BACKEND = """\
[fabrics.backend.rails.roce-a]
subnet = "10.60.0.0/24"
gateway = "10.60.0.1"
[fabrics.backend.rails.roce-b]
subnet = "10.61.0.0/24"
gateway = "10.61.0.1"
"""
PARTS = """\
[fabrics.backend]
blockSize = 32
prefixes = ["10.0.0.0/12"]
exclude = ["10.60.0.2", "10.61.0.8-10.61.0.9"]
static = "10.60.0.64/26"
"""


def problems(text: str) -> list[str]:
    """Return what is wrong with a node file, each with its line in front."""
    reading = read(text.encode())
    assert (reading.file is None) == bool(reading.errors)
    return [f"{problem.line}: {problem}" for problem in reading.errors]


def accepted(text: str) -> NodeFile:
    reading = read(text.encode())
    assert not reading.errors
    assert reading.file is not None
    return reading.file


def written(folder: Path, text: str, mode: int = 0o644) -> Path:
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_fabric_with_all_its_parts() -> None:
    file = accepted(ETCD + PARTS + BACKEND)
    fabric = file.definitions["backend"]
    assert [rail.name for rail in fabric.rails] == ["roce-a", "roce-b"]
    assert fabric.excluded == (Span(1, 2), Span(8, 9))  # gateways among them
    assert (fabric.static, fabric.block_size) == ((Span(64, 127),), 32)
    assert [str(net) for net in fabric.prefixes] == ["10.0.0.0/12"]
    assert file.is_shared("backend")


def test_what_the_client_gets() -> None:
    etcd = accepted(
        ETCD + 'certificate = "/c"\nkey = "/k"\nuserFile = "/u"\npasswordFile = "/p"'
    ).etcd
    assert etcd is not None
    assert [each.target for each in etcd.settings.parsed] == [
        "dns:///etcd-0:2379",
        "dns:///etcd-1.example.net:2379",
        "ipv6:[fd00::2]:2379",
    ]
    assert all(each.secure for each in etcd.settings.parsed)
    assert (etcd.settings.key, etcd.settings.password_file) == (Path("/k"), Path("/p"))
    assert (etcd.prefix, etcd.timeout) == ("/railcni/", 5.0)


def test_who_owns_a_fabric() -> None:
    assert not accepted(BACKEND).is_shared("backend")
    assert not accepted(ETCD + '[fabrics.backend]\nregistry = "local"\n' + BACKEND).is_shared(
        "backend"
    )


def test_the_hosts_name_is_the_nodes() -> None:
    assert NodeFile().node == os.uname().nodename
    assert accepted('node = "gpu-7"').node == "gpu-7"


def test_a_host_whose_name_cannot_be_a_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="gpu/7"))
    assert accepted(BACKEND).fabrics
    (found,) = problems(ETCD + BACKEND)
    assert found.startswith("None: node is missing, expected a name of letters")
    assert accepted('node = "gpu-7"\n' + ETCD).etcd


def test_the_example_in_deploy() -> None:
    reading = read((ROOT / "deploy/node.toml").read_bytes())
    assert (reading.errors, reading.warnings) == ((), ())
    assert reading.file is not None
    assert list(reading.file.definitions) == ["backend", "storage", "lab"]
    assert [name for name in reading.file.fabrics if reading.file.is_shared(name)] == [
        "backend",
        "storage",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("node = 'a b'", "1: node is 'a b', expected a name of letters"),
        ("nodeId = 7", "1: nodeId is 7, expected a name of letters"),
        ("etcd = 7", "1: etcd is 7, expected a table"),
        ("[etcd]", "1: etcd.endpoints is missing"),
        ("[etcd]\nendpoints = []", "2: etcd.endpoints is empty, expected one at least"),
        ("[etcd]\nendpoints = ['etcd']", "2: etcd.endpoints is ['etcd'], expected 'etcd' to be"),
        ("[etcd]\nendpoints = ['http://a:1', 'https://b:1']", "expected all with https or all"),
        ("[etcd]\nendpoints = ['https://b:1']", "1: etcd.ca is missing, expected the file of the"),
        (ETCD + "prefix = 'railcni'", "4: etcd.prefix is 'railcni', expected a text such as"),
        (ETCD + "timeout = 0.1", "4: etcd.timeout is 0.1, expected a number of seconds from 0.5"),
        (ETCD + "timeout = nan", "4: etcd.timeout is nan, expected a number of seconds"),
        (ETCD + "timeout = true", "4: etcd.timeout is True, expected a number of seconds"),
        (ETCD + "key = '/k'", "1: etcd.certificate is missing: it goes with etcd.key"),
        (ETCD + "userFile = '/u'", "1: etcd.passwordFile is missing: it goes with etcd.userFile"),
        ("[etcd]\nendpoints = ['http://a:1']\nca = '/c'", "3: etcd.ca is /c, expected none: no"),
        (BACKEND + "subnet = 1", "7: is not TOML: Cannot overwrite a value"),
        ("node = [", "1: is not TOML"),
        ("[fabrics.'a b'.rails.r]\nsubnet = '10.0.0.0/24'", "1: fabrics.a b is 'a b', expe"),
        ("[fabrics.b]", "1: fabrics.b.rails is missing"),
        ("[fabrics.b.rails]", "1: fabrics.b.rails is empty, expected one rail at least"),
        ("[fabrics.b.rails.r]", "1: fabrics.b.rails.r.subnet is missing"),
        (PARTS.replace("32", "24") + BACKEND, "2: fabrics.backend.blockSize is 24, expect"),
        (PARTS.replace("32", "'a'") + BACKEND, "2: fabrics.backend.blockSize is 'a', expected"),
        (ETCD + PARTS.replace("/12", "/2") + BACKEND, "6: fabrics.backend.prefixes is ["),
        (PARTS + BACKEND, "5: fabrics.backend.static is 10.60.0.64-10.60.0.127, expected none"),
        (ETCD + PARTS.replace("0.2", "9.2") + BACKEND, "7: fabrics.backend.exclude has 10.60.9"),
        ("[fabrics.backend]\nregistry = 'etcd'\n" + BACKEND, "2: fabrics.backend.registry is 'etc"),
        ("[fabrics.backend]\nregistry = 'x'\n" + BACKEND, "is 'x', expected 'etcd' or 'local'"),
        (
            "[fabrics.backend]\nexclude = '10.60.0.0/24'\n" + BACKEND,
            "2: fabrics.backend.exclude and static and the gateways leave no address",
        ),
        (BACKEND.replace("61.0.1", "60.0.1"), "6: fabrics.backend.rails.roce-b.gateway is 10.60"),
        (BACKEND.replace("60.0.1", "60.0.0"), "expected one that a host of 10.60.0.0/24 may have"),
        (BACKEND.replace("61", "60"), "5: fabrics.backend.rails.roce-b.subnet is 10.60.0.0/24"),
        (BACKEND.replace("61.0.0/24", "61.0.0/25"), "expected the families and prefix lengths"),
        (
            BACKEND + "[fabrics.other.rails.x]\nsubnet = '10.0.0.0/8'",
            "8: fabrics.other.rails.x.subnet is 10.0.0.0/8, expected no overlap with rail roce-a",
        ),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_its_line(text: str, words: str) -> None:
    assert any(words in problem for problem in problems(text)), problems(text)


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = (
        "node = 7\n[etcd]\nendpoints = []\ntimeout = 0\n"
        "[fabrics.a]\nblockSize = 3\n[fabrics.a.rails.r]\nsubnet = 'x'\n"
        + BACKEND.replace("10.61.0.1", "10.62.0.1")
    )
    assert [problem.partition(" is ")[0] for problem in problems(text)] == [
        "1: node",
        "4: etcd.timeout",
        "6: fabrics.a.blockSize",
        "8: fabrics.a.rails.r.subnet",
        "14: fabrics.backend.rails.roce-b.gateway",
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("password = 'hunter2'", "etcd.password is written here, expected etcd.passwordFile"),
        ("Token = 'hunter2'", "etcd.Token is written here, expected etcd.passwordFile"),
        ("user = 'hunter2'", "etcd.user is written here, expected etcd.userFile"),
        ("passwordFile = 'hunter2'", "etcd.passwordFile is no path, expected the absolute path"),
        ("key = '-----BEGIN hunter2'", "etcd.key is no path, expected the absolute path"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(line: str, words: str) -> None:
    found = " ".join(problems(ETCD + line))
    assert words in found
    assert "hunter2" not in found


def test_a_password_in_an_endpoint_is_not_repeated() -> None:
    (found,) = problems("[etcd]\nendpoints = ['https://root:hunter2@etcd:2379']")
    assert "without user and password" in found
    assert "hunter2" not in found


def test_unknown_keys_are_named_with_their_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "type = 'x'\n[etcd]\nendpoint = 'x'\nendpoints = 'a:1'\n" + BACKEND + "mtu = 1\n"
    with caplog.at_level(logging.WARNING):
        load(written(tmp_path, text))
    assert [record.getMessage().partition("node.toml: ")[2] for record in caplog.records] == [
        "type is unknown and has no effect",
        "etcd.endpoint is unknown and has no effect",
        "fabrics.backend.rails.roce-b.mtu is unknown and has no effect",
    ]


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "node.toml") == NodeFile()


def test_an_error_names_the_file_and_the_line(tmp_path: Path) -> None:
    path = written(tmp_path, "node = 7\n[etcd]\n")
    with pytest.raises(CniError) as caught:
        load(path)
    assert caught.value.code == Code.INVALID_CONFIG
    assert caught.value.msg.startswith(f"{path}:1: node is 7, expected")
    assert f"; {path}:2: etcd.endpoints is missing" in caught.value.msg


@pytest.mark.parametrize("content", [b"\xff\n", b"node = 'a'\n# \xff\n"])
def test_what_is_no_text(content: bytes) -> None:
    (problem,) = read(content).errors
    assert problem.line == content[: content.index(b"\xff")].count(b"\n") + 1
    assert "UTF-8" in str(problem)


def test_only_root_may_write_it(tmp_path: Path) -> None:
    path = written(tmp_path, BACKEND, mode=0o664)
    with pytest.raises(CniError, match="has mode 0664, expected nobody but root to write it"):
        load(path)
    path.chmod(0o600)
    assert load(path).fabrics
    os.chown(path, 65534, 0)
    with pytest.raises(CniError, match="belongs to user 65534, expected root") as caught:
        load(path)
    assert caught.value.details == f"chown root {path}"
    with pytest.raises(CniError, match="cannot be read: Is a directory"):
        load(tmp_path)


@pytest.mark.parametrize("key", ["key", "passwordFile"])
def test_secrets_are_not_for_everybody(tmp_path: Path, key: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2", encoding="ascii")
    secret.chmod(0o644)
    other = {"key": "certificate", "passwordFile": "userFile"}[key]
    path = written(tmp_path, f"{ETCD}{key} = '{secret}'\n{other} = '/absent'\n")
    with pytest.raises(CniError, match="secret has mode 0644, expected others not to read it"):
        load(path)
    secret.chmod(0o600)
    assert load(path).etcd


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("a",), 1),
        (("b",), 3),
        (("b", "1"), 3),
        (("t", "c"), 9),
        (("t", "c", "d"), 9),
        (("t", "text"), 10),
        (("u",), 13),
        (("u", "absent", "key"), 13),
        (("absent",), None),
    ],
)
def test_where_a_key_stands(key: tuple[str, ...], line: int | None) -> None:
    text = "a = 1  # \u2028\n\nb = [\n  1,\n  # b = 9\n  2,\n]\n"
    text += '[t]\nc.d = 1\ntext = """\nu = 1\n"""\n[u]\n'
    assert lines_of(text, [key, ()]) == {key: line, (): None}
