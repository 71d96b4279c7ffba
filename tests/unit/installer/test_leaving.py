"""What is to be done so that nothing of ours is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from install.installer.facts import Found, Kind, Ours, Remains
from install.installer.layout import Layout
from install.installer.leaving import uninstall
from install.installer.steps import (
    DisableUnits,
    Forget,
    TakeFile,
    TakeHome,
    TakeLink,
    Unchain,
    WithdrawRoutes,
)

LAYOUT = Layout(PurePosixPath("/opt/cni/bin"))
LINKS = {path: Found(Kind.LINK, target) for path, target in LAYOUT.links.items()}
SRIOV = LAYOUT.bin / "rail-sriov"
NODE_FILE, KEY = PurePosixPath("/etc/railcni/node.toml"), PurePosixPath("/etc/railcni/tls/key.pem")
CONF = PurePosixPath("/etc/cni/net.d")
ALL = Remains(
    (LAYOUT,), LINKS, {SRIOV: "/root/dist/railcni/railcni"},
    (Ours(NODE_FILE, is_as_written=True, before="kept"), Ours(KEY, is_as_written=True)),
    (CONF,), has_routes=True,
)  # fmt: skip


def test_the_networks_come_first_and_the_programs_last() -> None:
    made = uninstall(ALL, force=False)
    assert list(dict.fromkeys(map(type, made.steps))) == [
        Unchain, WithdrawRoutes, TakeFile, TakeLink, TakeHome, Forget,
    ]  # fmt: skip
    assert TakeFile(NODE_FILE, "kept") in made.steps
    assert TakeLink(SRIOV, "/root/dist/railcni/railcni") in made.steps
    assert (made.problems, made.remarks) == ((), ())


def test_while_a_pod_needs_them_the_programs_and_what_they_read_stay() -> None:
    made = uninstall(replace(ALL, holders=("net1 of pod a/b",)), force=False)
    assert made.steps == (Unchain(CONF), WithdrawRoutes())
    assert "net1 of pod a/b" in made.problems[0]
    assert "--force" in made.problems[0]


def test_forced_it_says_what_it_leaves_without_programs() -> None:
    made = uninstall(replace(ALL, holders=("net1 of pod a/b",)), force=True)
    assert TakeHome(LAYOUT) in made.steps
    assert made.problems == ()
    assert "net1 of pod a/b" in made.remarks[0]


def test_an_agent_ends_first_so_that_it_takes_its_paths_back() -> None:
    made = uninstall(replace(ALL, is_agent_running=True), force=False)
    assert made.steps == (Unchain(CONF),)
    assert "rail-agent runs" in made.problems[0]


def test_an_agent_of_systemds_is_ended() -> None:
    by_hand = replace(ALL, is_agent_running=True, units=("rail-agent.service",), has_systemd=True)
    made = uninstall(by_hand, force=False)
    assert made.problems == ()
    assert made.steps[1] == DisableUnits(("rail-agent.service",))
    assert WithdrawRoutes() in made.steps
    elsewhere = uninstall(replace(by_hand, has_systemd=False), force=False)
    assert "rail-agent runs" in elsewhere.problems[0]


def test_what_somebody_else_has_changed_since_is_left_to_him() -> None:
    changed = replace(ALL, files=(Ours(NODE_FILE, is_as_written=False, before="kept"),))
    made = uninstall(changed, force=False)
    assert TakeFile not in map(type, made.steps)
    assert str(NODE_FILE) in made.remarks[0]


def test_a_link_that_is_anothers_by_now_stays() -> None:
    others = {**LINKS, SRIOV: Found(Kind.FILE), LAYOUT.bin / "railctl": Found(Kind.LINK, "/x/y")}
    made = uninstall(replace(ALL, links=others), force=False)
    taken = [step.path.name for step in made.steps if isinstance(step, TakeLink)]
    assert sorted(taken) == ["rail-agent", "rail-hostgw", "rail-install", "rail-ipam", "railcni"]
