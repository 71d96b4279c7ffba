"""What the runtime is answered, whatever goes wrong on our side."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cni.hostgw import refresh
from cni.kernel.types import KernelError, Route
from cni.protocol.errors import Code
from cni.protocol.supported import SUPPORTED
from tests.scenario.hostgw.worlds import OVERLAY, PEERS, RESULT, UPLINK, MemoryWorld, World

CHAINED = [version for version in SUPPORTED if version not in {"0.1.0", "0.2.0"}]

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("version", CHAINED)
@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), _values, max_size=4))
def test_the_result_is_handed_on_to_the_letter(version: str, result: dict[str, Any]) -> None:
    from cni.hostgw.plugin import RailHostgw
    from cni.protocol.skel import serve

    class Idle(RailHostgw):
        def __init__(self) -> None:
            """Without a node."""

        def _attempt(self, *_: object, **__: object) -> None:
            """Do nothing."""

    config = {"cniVersion": version, "name": "cbr0", "type": "rail-hostgw", "prevResult": result}
    environ = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_NETNS": "/n", "CNI_IFNAME": "eth0",
        "CNI_PATH": "/b",
    }  # fmt: skip
    reply = serve(lambda _: Idle(), environ, json.dumps(config).encode())
    assert reply.exit_code == 0
    assert reply.text() == json.dumps(result) + "\n"


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("command", ["ADD", "CHECK"])
def test_it_must_be_chained(memory: MemoryWorld, version: str, command: str) -> None:
    if command == "CHECK" and version < "0.4.0":
        pytest.skip("has no CHECK")
    reply = memory.call(command, cniVersion=version, prevResult=None)
    code = Code.INVALID_CONFIG if version in CHAINED else Code.INCOMPATIBLE_VERSION
    assert reply.document is not None
    assert (reply.exit_code, reply.document["code"]) == (1, code)
    assert memory.direct() == {}


@pytest.mark.parametrize("document", ["text", [], 7])
def test_a_result_that_is_none(memory: MemoryWorld, document: object) -> None:
    reply = memory.call(prevResult=document)
    assert reply.document is not None
    assert reply.document["code"] == Code.INVALID_CONFIG


def test_an_end_needs_neither_a_result_nor_a_valid_configuration(memory: MemoryWorld) -> None:
    for keys in ({"prevResult": None}, {"mode": "faster"}, {"cniVersion": "0.1.0"}):
        assert memory.call("DEL", **keys).exit_code == 0
    assert memory.call("ADD", mode="faster").exit_code == 1


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [("cilium_host", "veth", "native routing"), ("vxlan.calico", "vxlan", "CrossSubnet")],
)
def test_other_backends_are_refused_in_words(
    radio: World, caplog: pytest.LogCaptureFixture, name: str, kind: str, words: str
) -> None:
    assert radio.call().document == RESULT
    radio.make_link(name, kind)
    assert radio.call().document == RESULT
    assert (radio.direct(), radio.rules()) == ({}, set())
    assert words in caplog.text
    assert "failure 1 since the boot" in caplog.text
    for command, code in (("ADD", Code.INVALID_CONFIG), ("STATUS", Code.NOT_AVAILABLE)):
        document = radio.call(command, strict=True).document
        assert document is not None
        assert (document["code"], words in document["msg"]) == (code, True)


def test_check_compares_only_when_it_is_strict(radio: World) -> None:
    radio.call()
    assert radio.call("CHECK", strict=True).exit_code == 0
    for rule in [rule for rule in radio.host.rules() if rule.protocol == 142]:
        radio.host.remove_rule(rule)
    assert radio.call("CHECK").exit_code == 0
    document = radio.call("CHECK", strict=True).document
    assert document is not None
    assert document["code"] == Code.CHECK_FAILED
    assert "the rule to 10.42.0.0/22 lookup 142 priority 5000 is missing" in document["msg"]
    assert radio.rules() == set()  # it has changed nothing
    radio.call()
    assert radio.call("CHECK", strict=True, agentless=False).exit_code == 1


def refusing(memory: MemoryWorld, verb: str) -> None:
    def refuse(words: str) -> None:
        if verb in words:
            raise KernelError(words, errno.EPERM, "not today")

    memory.kernel.machine.before_change = refuse


@pytest.mark.parametrize("verb", ["route add 10.42.1.0/24", "rule add", "rp_filter"])
@pytest.mark.parametrize("strict", [False, True])
def test_a_kernel_that_refuses_fails_no_pod(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture, verb: str, *, strict: bool
) -> None:
    refusing(memory, verb)
    reply = memory.call(strict=strict)
    assert reply.exit_code == int(strict)
    if not strict:
        assert reply.document == RESULT
        assert "not today" in caplog.text
    assert "10.42.1.0/24" not in memory.direct() or verb == "rule add"


def test_when_nothing_can_be_known_nothing_stands(
    memory: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.call()
    assert memory.direct() == PEERS

    def defect(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(refresh, "look_around", defect)
        assert memory.call().document == RESULT
    assert (memory.direct(), memory.rules()) == ({}, set())
    memory.call()
    assert memory.direct() == PEERS


def test_a_wide_span_needs_a_stated_network(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    memory.join("172.20.1.0/24", "192.168.1.12")
    memory.call()
    assert memory.direct().keys() == {"fd00:42:1::/64"}
    assert "podNetworks" in caplog.text
    memory.call(podNetworks=["10.42.0.0/16"])
    assert memory.direct() == PEERS


def test_who_waited_while_another_proved_asks_nobody_again(memory: MemoryWorld) -> None:
    memory.call()
    kept = memory.node.notes.read(memory.kernel.boot_id())
    memory.node.notes.write(kept.model_copy(update={"proved": memory.kernel.uptime() + 1}))
    memory.vanish("192.168.1.11")
    memory.call()
    assert memory.direct() == PEERS
    memory.call(priority=4000)  # by another configuration
    assert "10.42.1.0/24" not in memory.direct()


def test_obstacles_are_reported_with_a_new_route(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    memory.kernel.drop_forwarded("ip filter FORWARD")
    memory.call()
    assert "net/ipv4/ip_forward is 0" in caplog.text
    assert "chain ip filter FORWARD drops" in caplog.text
    caplog.clear()
    memory.call()
    assert caplog.text == ""


def test_an_unknown_key_is_named(memory: MemoryWorld, caplog: pytest.LogCaptureFixture) -> None:
    memory.call(agentles=True, uplink={"nam": UPLINK})
    assert "'agentles'" in caplog.text
    assert "'uplink.nam'" in caplog.text


def test_notes_of_another_boot_or_of_nobody(memory: MemoryWorld) -> None:
    memory.call()
    file = memory.paths.hostgw
    for content in ("{", json.dumps({**json.loads(file.read_text()), "boot_id": "another"})):
        file.write_text(content)
        assert memory.node.notes.read("this").rp_filter == {}
        assert memory.call().document == RESULT
    assert all(isinstance(route, Route) for route in memory.host.table(142))


def test_what_was_before_is_noted_before_it_is_changed(memory: MemoryWorld) -> None:
    refusing(memory, f"{UPLINK}/rp_filter")  # the second one
    memory.call()
    memory.kernel.machine.before_change = lambda _: None
    assert [memory.filter(name) for name in (UPLINK, OVERLAY)] == ["0", "2"]
    memory.call()
    memory.call(mode="off")
    assert [memory.filter(name) for name in (UPLINK, OVERLAY)] == ["0", "0"]
