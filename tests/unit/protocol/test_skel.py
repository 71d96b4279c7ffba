"""Every request ends in one JSON document, or none, and an exit code."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.results import Result
from cni.protocol.skel import Reply, serve
from cni.protocol.supported import SUPPORTED

ENVIRON = {
    "CNI_CONTAINERID": "c1",
    "CNI_IFNAME": "net1",
    "CNI_NETNS": "/run/netns/c1",
    "CNI_PATH": "/opt/cni/bin",
}


class Spy:
    """A plugin that notes its calls, and fails as it is told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.failure = failure

    def _called(self, verb: str) -> None:
        self.calls.append(verb)
        if self.failure:
            raise self.failure

    def add(self, request: Request) -> Result:
        self._called(f"add {request.container_id}")
        return Result()

    def delete(self, request: Request) -> None:
        self._called(f"delete {request.container_id}")

    def check(self, request: Request) -> None:
        self._called(f"check {request.container_id}")

    def collect(self, request: Request) -> None:
        self._called(f"collect {request.network}")

    def status(self, request: Request) -> None:
        self._called(f"status {request.network}")


def call(plugin: Spy, command: str, version: Any = "1.1.0", stdin: bytes | None = None) -> Reply:
    document = json.dumps({"cniVersion": version, "name": "roce-a"}).encode()
    environ = ENVIRON | {"CNI_COMMAND": command}
    return serve(lambda _: plugin, environ, document if stdin is None else stdin)


@pytest.mark.parametrize(
    ("command", "called", "document"),
    [
        ("ADD", "add c1", {"cniVersion": "1.1.0", "dns": {}}),
        ("DEL", "delete c1", None),
        ("CHECK", "check c1", None),
        ("GC", "collect roce-a", None),
        ("STATUS", "status roce-a", None),
    ],
)
def test_each_command_calls_its_verb(
    command: str, called: str, document: dict[str, Any] | None
) -> None:
    plugin = Spy()
    assert call(plugin, command) == Reply(document, 0)
    assert plugin.calls == [called]


def test_version_asks_no_plugin() -> None:
    plugin = Spy()
    for stdin in (b"", b"\n", b'{"cniVersion": "1.0.0"}'):
        reply = call(plugin, "VERSION", stdin=stdin)
        assert reply.document is not None
        assert reply.document["supportedVersions"] == list(SUPPORTED)
    assert plugin.calls == []


@pytest.mark.parametrize("version", SUPPORTED)
def test_errors_are_in_the_version_of_the_caller(version: str) -> None:
    failing = Spy(CniError(Code.TRY_AGAIN, "no slot left", "grow the subnet"))
    assert call(failing, "ADD", version) == Reply(
        {"cniVersion": version, "code": 11, "msg": "no slot left", "details": "grow the subnet"}, 1
    )


@pytest.mark.parametrize("stdin", [b"", b"{", b"[1]", b'{"cniVersion": ["1.0.0"]}'])
def test_an_error_needs_no_readable_request(stdin: bytes) -> None:
    reply = call(Spy(), "ADD", stdin=stdin)
    assert reply.exit_code == 1
    assert reply.document is not None
    assert reply.document["cniVersion"] == "1.1.0"


def test_what_the_system_refuses_is_an_io_failure() -> None:
    failure = PermissionError(13, "Permission denied", "/var/lib/railcni")
    failure.add_note("undoing it failed as well")
    reply = call(Spy(failure), "ADD")
    assert reply.document is not None
    assert reply.document["code"] == Code.IO_FAILURE
    assert "/var/lib/railcni" in reply.document["msg"]
    assert "undoing it failed as well" in reply.document["details"]


def test_a_bug_is_one_error_and_a_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    reply = call(Spy(ZeroDivisionError("division by zero")), "DEL")
    assert reply.document is not None
    assert reply.document["code"] == Code.INTERNAL
    assert "ZeroDivisionError" in reply.document["msg"]
    assert "Traceback" in caplog.text


def test_a_reply_is_one_line() -> None:
    stdout = io.StringIO()
    assert Reply({"cniVersion": "1.1.0"}, 1).write(stdout) == 1
    assert stdout.getvalue() == '{"cniVersion": "1.1.0"}\n'
    assert Reply(None, 0).write(stdout) == 0
    assert stdout.getvalue().count("\n") == 1
