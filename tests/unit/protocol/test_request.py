"""A request with bad input never reaches a plugin."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni.protocol.errors import CniError, Code
from cni.protocol.request import Pod, Request, read
from cni.protocol.versions import RULES, Command

ENVIRON = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c1",
    "CNI_IFNAME": "net1",
    "CNI_NETNS": "/run/netns/c1",
    "CNI_PATH": "/opt/cni/bin:/usr/lib/cni",
}
CONFIG = {"cniVersion": "1.1.0", "name": "roce-a", "type": "rail-sriov"}


def request(config: Any = CONFIG, **environ: str) -> Request:
    return read(ENVIRON | environ, json.dumps(config).encode())


def refused(stdin: bytes = json.dumps(CONFIG).encode(), **environ: str) -> CniError:
    with pytest.raises(CniError) as caught:
        read({k: v for k, v in (ENVIRON | environ).items() if v != "-"}, stdin)
    return caught.value


def test_a_whole_request() -> None:
    read_request = request(CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=ai;K8S_POD_NAME=job-0")
    assert read_request.command is Command.ADD
    assert read_request.path == ("/opt/cni/bin", "/usr/lib/cni")
    assert read_request.pod == Pod("ai", "job-0", "")
    assert read_request.attachment.network == "roce-a"


@pytest.mark.parametrize(
    "name",
    ["", "-", "../x", "a/b", "-x", ".x", "a b", "c\n", "ä"],
)
def test_container_ids(name: str) -> None:
    error = refused(CNI_CONTAINERID=name)
    assert error.code == Code.INVALID_ENVIRONMENT
    assert "CNI_CONTAINERID" in error.msg


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-",
        "x" * 16,
        "ä" * 8,
        "a/b",
        "a:b",
        "a b",
        "a\tb",
        ".",
        "..",
        "a\x7fb",
        "net%d",
        "all",
        "default",
    ],
)
def test_interface_names_that_linux_would_not_take(name: str) -> None:
    error = refused(CNI_IFNAME=name)
    assert error.code == Code.INVALID_ENVIRONMENT
    assert "CNI_IFNAME" in error.msg


@pytest.mark.parametrize("name", ["x" * 15, "ä" * 7, "net1", "eth0.100", "a-b"])
def test_interface_names_that_linux_takes(name: str) -> None:
    assert request(CNI_IFNAME=name).ifname == name


@pytest.mark.parametrize("command", ["", "-", "add", "KILL"])
def test_unknown_commands(command: str) -> None:
    assert refused(CNI_COMMAND=command).code == Code.INVALID_ENVIRONMENT


def test_the_netns_is_needed_but_for_del() -> None:
    assert refused(CNI_NETNS="-").code == Code.INVALID_ENVIRONMENT
    assert refused(CNI_COMMAND="CHECK", CNI_NETNS="").code == Code.INVALID_ENVIRONMENT
    assert request(CNI_COMMAND="DEL", CNI_NETNS="").netns == ""
    for key in ("CNI_NETNS", "CNI_ARGS"):
        for value in ("/run/\0x", "A=\udcff"):
            with pytest.raises(CniError, match="UTF-8"):
                read(ENVIRON | {key: value}, json.dumps(CONFIG).encode())


@pytest.mark.parametrize("command", ["GC", "STATUS"])
def test_gc_and_status_need_no_container(command: str) -> None:
    environ = {"CNI_COMMAND": command, "CNI_PATH": "/opt/cni/bin"}
    assert read(environ, json.dumps(CONFIG).encode()).container_id == ""


@pytest.mark.parametrize(
    "stdin",
    [
        b'{"x": ' + b"[" * 70 + b"]" * 70 + b"}",
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'"text"',
        b"{'a': 1}",
    ],
)
def test_what_is_no_json_object(stdin: bytes) -> None:
    assert refused(stdin).code == Code.DECODE_FAILURE


@pytest.mark.parametrize("version", ["2.0.0", "1.1", 1, ["1.1.0"], {}, [], None, False, "v1.0.0"])
def test_unsupported_versions(version: object) -> None:
    error = refused(json.dumps(CONFIG | {"cniVersion": version}).encode())
    assert error.code == Code.INCOMPATIBLE_VERSION
    assert "1.1.0" in error.details


@pytest.mark.parametrize("version", RULES)
@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
def test_what_each_version_allows(version: str, command: str) -> None:
    config = CONFIG | {"cniVersion": version, "cni.dev/valid-attachments": []}
    stdin = json.dumps(config).encode()
    since = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}.get(command, "0.1.0")
    if list(RULES).index(version) < list(RULES).index(since):
        error = refused(stdin, CNI_COMMAND=command)
        assert error.code == Code.INCOMPATIBLE_VERSION
        assert since in error.details
    else:
        assert read(ENVIRON | {"CNI_COMMAND": command}, stdin).version == version


def test_a_configuration_without_a_version_is_of_the_first() -> None:
    assert request({"name": "roce-a"}).version == "0.1.0"


@pytest.mark.parametrize("name", [None, "", 7, "../x", "a b", ["a"]])
def test_network_names(name: object) -> None:
    error = refused(json.dumps(CONFIG | {"name": name}).encode())
    assert error.code == Code.INVALID_CONFIG
    assert error.msg.startswith("name is ")


@pytest.mark.parametrize("text", ["A", "=1", "A=1;B"])
def test_arguments_that_are_no_pairs(text: str) -> None:
    assert "CNI_ARGS" in refused(CNI_ARGS=text).msg


def test_unknown_arguments_are_refused_unless_that_is_meant() -> None:
    assert "FOO" in refused(CNI_ARGS="FOO=1").msg
    assert "FOO" in refused(CNI_ARGS="FOO=1;IgnoreUnknown=0").msg
    assert request(CNI_ARGS="FOO=a=b;IgnoreUnknown=true").args["FOO"] == "a=b"


def test_valid_attachments() -> None:
    key = "cni.dev/valid-attachments"
    valid = request(CONFIG | {key: [{"containerID": "c1", "ifname": "net1", "more": 1}]})
    assert valid.valid_attachments == {("c1", "net1")}


@pytest.mark.parametrize("listed", [{}, {"cni.dev/valid-attachments": None}])
def test_libcni_says_in_two_ways_that_no_attachment_is_valid(listed: dict[str, Any]) -> None:
    assert request(CONFIG | listed).valid_attachments == frozenset()


@pytest.mark.parametrize("listed", [{}, [1], [{"containerID": "c1"}], [{"ifname": 1}]])
def test_gc_guesses_nothing(listed: object) -> None:
    with pytest.raises(CniError, match="valid-attachments") as caught:
        _ = request(CONFIG | {"cni.dev/valid-attachments": listed}).valid_attachments
    assert caught.value.code == Code.INVALID_CONFIG
