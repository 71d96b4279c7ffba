"""A network's plugins, run in order as a runtime runs them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cni.delegate.chain import Chain, read_chain
from cni.delegate.program import Target
from cni.protocol.errors import CniError, Code

BEHAVE = """\
#!/bin/sh
name=${0##*/}
cat > "$LOG/$(ls "$LOG" | wc -l | xargs printf %03d)-$name-$CNI_COMMAND"
"""


class Bench:
    """A folder of plugins that write down what they are asked, and networks of them."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.conf, self.log = folder / "bin", folder / "net.d", folder / "log"
        for each in (self.bin, self.conf, self.log):
            each.mkdir()

    def plugin(self, name: str, script: str = "") -> dict[str, Any]:
        """Write one that succeeds, with a result that names it, after what a script does."""
        result = json.dumps({"cniVersion": "1.0.0", "by": name})
        program = self.bin / name
        program.write_text(f"{BEHAVE}{script}\n[ $CNI_COMMAND != ADD ] || echo '{result}'\n")
        program.chmod(0o755)
        return {"type": name, "of": name}

    def chain(self, *plugins: Mapping[str, Any], patience: float = 20, **keys: Any) -> Chain:
        document = {"cniVersion": "1.0.0", "name": "cbr0", "plugins": plugins, **keys}
        (self.conf / "10-x.conflist").write_text(json.dumps(document))
        return read_chain(self.conf, patience=patience)

    @property
    def target(self) -> Target:
        environ = {"PATH": os.environ["PATH"], "LOG": str(self.log), "CNI_ARGS": "A=1"}
        return Target("agent-1", "eth0", "/run/netns/a", ("/absent", str(self.bin)), environ)

    @property
    def calls(self) -> list[str]:
        """Who was asked what, in order."""
        return [
            file.name.partition("-")[2].replace("-", " ") for file in sorted(self.log.iterdir())
        ]

    def stdin(self, place: int) -> dict[str, Any]:
        """Return what one of the calls read."""
        read: dict[str, Any] = json.loads(sorted(self.log.iterdir())[place].read_text())
        return read


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_add_goes_forward_each_with_the_result_of_the_one_before(bench: Bench) -> None:
    chain = bench.chain(*map(bench.plugin, ("a", "b", "c")))
    assert chain.add(bench.target) == {"cniVersion": "1.0.0", "by": "c"}
    assert bench.calls == ["a ADD", "b ADD", "c ADD"]
    common = {"cniVersion": "1.0.0", "name": "cbr0"}
    assert bench.stdin(0) == {"type": "a", "of": "a", **common}
    assert bench.stdin(1) == {
        "type": "b", "of": "b", **common, "prevResult": {"cniVersion": "1.0.0", "by": "a"},
    }  # fmt: skip
    assert bench.stdin(2)["prevResult"]["by"] == "b"


def test_del_goes_backward_and_check_forward_with_the_last_result(bench: Bench) -> None:
    chain = bench.chain(*map(bench.plugin, ("a", "b")))
    result = {"cniVersion": "1.0.0", "by": "b"}
    chain.check(bench.target, result)
    chain.delete(bench.target, result)
    chain.delete(bench.target)
    assert bench.calls == ["a CHECK", "b CHECK", "b DEL", "a DEL", "b DEL", "a DEL"]
    assert [bench.stdin(n).get("prevResult") for n in range(6)] == [result] * 4 + [None] * 2


def test_what_the_plugins_see(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/bundle")
    chain = bench.chain(bench.plugin("a", f"env > {bench.bin}/env"))
    chain.add(bench.target)
    seen = dict(line.split("=", 1) for line in (bench.bin / "env").read_text().splitlines())
    assert {key: value for key, value in seen.items() if key.startswith("CNI_")} == {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "agent-1", "CNI_IFNAME": "eth0",
        "CNI_NETNS": "/run/netns/a", "CNI_PATH": f"/absent:{bench.bin}", "CNI_ARGS": "",
    }  # fmt: skip
    assert "LD_LIBRARY_PATH" not in seen


def test_what_the_protocol_owns_is_not_taken_from_the_file(bench: Bench) -> None:
    written = bench.plugin("a") | {
        "name": "other", "cniVersion": "0.1.0", "prevResult": {"by": "nobody"},
        "capabilities": {"portMappings": True}, "runtimeConfig": {"mac": "02::1"},
        "cni.dev/valid-attachments": [], "args": {"cni": {}}, "unknown": [1.5, None],
    }  # fmt: skip
    bench.chain(written).add(bench.target)
    assert bench.stdin(0) == {
        "type": "a", "of": "a", "name": "cbr0", "cniVersion": "1.0.0",
        "args": {"cni": {}}, "unknown": [1.5, None],
    }  # fmt: skip


def test_our_own_plugin_is_left_out(bench: Bench) -> None:
    chain = bench.chain(bench.plugin("a"), {"type": "rail-hostgw"})
    (bench.conf / "cbr0").mkdir()
    (bench.conf / "cbr0/50-b.conf").write_text(json.dumps(bench.plugin("b")))
    (bench.conf / "cbr0/90-rail-hostgw.conf").write_text('{"type": "rail-hostgw"}')
    assert [plugin["type"] for plugin in chain.plugins] == ["a"]
    assert [plugin["type"] for plugin in read_chain(bench.conf).plugins] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("rail-hostgw", "no plugin besides"), ("multus", "Multus"), ("multus-shim", "Multus")],
)
def test_a_network_that_can_attach_no_namespace(bench: Bench, name: str, words: str) -> None:
    with pytest.raises(CniError, match=words) as caught:
        bench.chain({"type": name})
    assert caught.value.code == Code.INVALID_CONFIG


def test_the_file_can_be_named(bench: Bench) -> None:
    (bench.conf / "00-multus.conf").write_text('{"name": "m", "type": "multus"}')
    other = bench.conf / "99-behind.conf"
    other.write_text('{"name": "behind", "type": "a", "cniVersion": "0.3.1"}')
    chain = read_chain(bench.conf, other)
    assert (chain.name, chain.version) == ("behind", "0.3.1")


@pytest.mark.parametrize(
    ("answer", "version"),
    [({}, "1.0.0"), ({"cniVersion": ""}, "1.0.0"), ({"cniVersion": "0.4.0"}, "0.4.0")],
)
def test_a_result_without_a_version_has_the_configurations(
    bench: Bench, answer: Mapping[str, str], version: str
) -> None:
    plugin = bench.plugin("a", f"echo '{json.dumps(answer)}'; exit 0")
    bench.chain(plugin, bench.plugin("b")).add(bench.target)
    assert bench.stdin(1)["prevResult"] == {"cniVersion": version}


def test_before_0_4_0_there_is_no_check_and_del_gets_no_result(bench: Bench) -> None:
    chain = bench.chain(bench.plugin("a"), cniVersion="0.3.1")
    chain.check(bench.target, {"by": "a"})
    chain.delete(bench.target, {"by": "a"})
    assert bench.calls == ["a DEL"]
    assert "prevResult" not in bench.stdin(0)


def test_check_can_be_disabled(bench: Bench) -> None:
    bench.chain(bench.plugin("a"), disableCheck=True).check(bench.target, {"by": "a"})
    assert bench.calls == []


REFUSE = '[ $CNI_COMMAND != {} ] || {{ echo \'{{"code": 11, "msg": "{} is busy"}}\'; exit 1; }}'


def test_check_ends_at_the_first_that_finds_something_wrong(bench: Bench) -> None:
    broken = bench.plugin("b", REFUSE.format("CHECK", "b"))
    chain = bench.chain(bench.plugin("a"), broken, bench.plugin("c"))
    with pytest.raises(CniError, match="b CHECK: b is busy"):
        chain.check(bench.target, {"by": "c"})
    assert bench.calls == ["a CHECK", "b CHECK"]


def test_a_failed_add_takes_back_what_was_made(bench: Bench) -> None:
    broken = bench.plugin("b", REFUSE.format("ADD", "b"))
    chain = bench.chain(bench.plugin("a"), broken, bench.plugin("c"))
    with pytest.raises(CniError, match="b ADD: b is busy") as caught:
        chain.add(bench.target)
    assert caught.value.code == Code.TRY_AGAIN
    assert bench.calls == ["a ADD", "b ADD", "b DEL", "a DEL"]
    assert bench.stdin(2)["prevResult"]["by"] == "a"


def test_what_could_not_be_taken_back_is_noted(bench: Bench) -> None:
    kept = bench.plugin("a", REFUSE.format("DEL", "a"))
    chain = bench.chain(kept, bench.plugin("b", "exit 3"))
    with pytest.raises(CniError, match="b ADD exited with 3") as caught:
        chain.add(bench.target)
    assert bench.calls == ["a ADD", "b ADD", "b DEL", "a DEL"]
    assert [note.partition(": ")[2] for note in caught.value.__notes__] == [
        f"{bench.bin}/b DEL exited with 3 and no CNI answer", "a DEL: a is busy",
    ]  # fmt: skip


def test_del_tries_every_plugin_and_raises_the_first_failure(bench: Bench) -> None:
    names = ("a", "b", "c")
    plugins = [bench.plugin(name, REFUSE.format("DEL", name)) for name in names]
    (bench.bin / "b").unlink()
    with pytest.raises(CniError, match="c DEL: c is busy") as caught:
        bench.chain(*plugins).delete(bench.target)
    assert bench.calls == ["c DEL", "a DEL"]
    assert "no such plugin" in caught.value.__notes__[0]
    assert "a is busy" in caught.value.__notes__[1]


def test_nothing_is_run_when_a_plugin_is_missing(bench: Bench) -> None:
    chain = bench.chain(bench.plugin("a"), {"type": "absent"})
    with pytest.raises(CniError, match=f"'absent': no such plugin in CNI_PATH.*{bench.bin}"):
        chain.add(bench.target)
    assert bench.calls == []


def test_a_plugin_that_hangs_is_ended_with_what_it_has_started(bench: Bench) -> None:
    late = f"[ $CNI_COMMAND = DEL ] || {{ (sleep 2; touch {bench.bin}/late) & wait; }}"
    chain = bench.chain(bench.plugin("a"), bench.plugin("b", late), patience=0.3)
    begun = time.monotonic()
    with pytest.raises(CniError, match=r"b ADD has not answered within 0\.3 s") as caught:
        chain.add(bench.target)
    assert time.monotonic() - begun < 1.8
    assert caught.value.code == Code.TRY_AGAIN
    assert bench.calls == ["a ADD", "b ADD", "b DEL", "a DEL"]
    time.sleep(max(0.0, begun + 2.6 - time.monotonic()))
    assert not (bench.bin / "late").exists()


def test_a_program_that_the_kernel_cannot_execute(bench: Bench) -> None:
    plugin = bench.plugin("a")
    (bench.bin / "a").write_text("no program")
    with pytest.raises(CniError, match="a cannot be executed: Exec format error") as caught:
        bench.chain(plugin).add(bench.target)
    assert caught.value.code == Code.IO_FAILURE
