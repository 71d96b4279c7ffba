"""What is to be done on a node, told from what is found there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from install.conflist.folder import Change
from install.installer import plan
from install.installer.facts import (
    BinFacts,
    ChainFacts,
    ConfigurationFacts,
    Facts,
    Found,
    Item,
    Kind,
    UnitFacts,
    digest_of,
)
from install.installer.layout import BY_HAND, Layout
from install.installer.steps import (
    Chain,
    EnableUnits,
    Flip,
    MendVersion,
    PutFile,
    PutLink,
    PutVersion,
    RemoveCopy,
    RemoveVersion,
    Step,
    Sweep,
)

LAYOUT = Layout(PurePosixPath("/opt/cni/bin"))
OLD, NEW = "0.1.0-aaaaaaaaaaaaaaaa", "0.2.0-bbbbbbbbbbbbbbbb"
LINKS = {path: Found(Kind.LINK, target) for path, target in LAYOUT.links.items()}
SRIOV = LAYOUT.bin / "rail-sriov"
EMPTY = BinFacts(LAYOUT)
INSTALLED = BinFacts(LAYOUT, (OLD,), OLD, links=LINKS, used=frozenset())
CHANGE = Change("00-rail-hostgw.conflist", None, b"{}")
CHAIN = ChainFacts(PurePosixPath("/etc/cni/net.d"), (CHANGE,))


def item(content: bytes = b"x") -> Item:
    path = PurePosixPath("/etc/railcni/node.toml")
    return Item(path, content, digest_of(content), "/config/node.toml")


def on(found: BinFacts, **more: object) -> Facts:
    """Return the facts of a node with the old version, whose installer brings it again."""
    facts = Facts(OLD, (found,), wanted=OLD, history=(OLD,), ours=frozenset(LAYOUT.links))
    return replace(facts, **more)  # type: ignore[arg-type]  # a test's own keys


def kinds(steps: tuple[Step, ...]) -> list[type]:
    return list(dict.fromkeys(map(type, steps)))


def test_a_node_without_ours_gets_configuration_programs_and_chain_in_this_order() -> None:
    facts = Facts(NEW, (EMPTY,), ConfigurationFacts((item(),)), CHAIN)
    made = plan.install(facts, arriving=True)
    assert kinds(made.steps) == [PutFile, PutVersion, Flip, PutLink, Chain]
    assert len(made.stages) == 2, "programs and chain need each other, the configuration nothing"
    assert [step.path for step in made.steps if isinstance(step, PutLink)] == list(LAYOUT.links)
    assert made.problems == ()


def test_a_node_that_is_as_it_should_be_is_left_alone() -> None:
    facts = on(INSTALLED, configuration=ConfigurationFacts((item(),), {item().path: item().digest}))
    assert plan.install(facts, arriving=True).stages == ()
    assert plan.install(facts, arriving=False).stages == ()


def test_an_upgrade_touches_no_link_but_one() -> None:
    made = plan.install(on(INSTALLED, source=NEW), arriving=True)
    assert made.steps == (PutVersion(LAYOUT, NEW), Flip(LAYOUT, NEW))


def test_an_upgrade_that_was_killed_goes_on_where_it_was() -> None:
    draft = LAYOUT.versions / f"{NEW}.draft"
    found = replace(INSTALLED, drafts=(draft,), present=(OLD, NEW))
    made = plan.install(on(found, source=NEW), arriving=True)
    assert made.steps == (Sweep(draft), Flip(LAYOUT, NEW))


def test_who_stays_follows_what_another_installer_or_a_rollback_has_chosen() -> None:
    found = replace(INSTALLED, present=(OLD, NEW))
    assert plan.install(on(found, source=NEW), arriving=False).stages == ()


def test_a_version_that_was_gone_back_from_does_not_come_again_by_itself() -> None:
    found = replace(INSTALLED, present=(OLD, NEW))
    made = plan.install(on(found, source=NEW, rejected=NEW), arriving=True)
    assert made.stages == ()
    assert f"rail-install rollback {NEW}" in made.remarks[0]


@pytest.mark.parametrize("arriving", [True, False])
def test_a_wanted_version_that_is_damaged_and_cannot_be_mended_is_replaced(
    *, arriving: bool
) -> None:
    found = replace(INSTALLED, present=(OLD, NEW), damaged={OLD: ("railcni",)})
    made = plan.install(on(found, source=NEW), arriving=arriving)
    assert made.steps == (Flip(LAYOUT, NEW),)


def test_what_is_damaged_is_written_anew_from_the_same_version() -> None:
    found = replace(INSTALLED, damaged={OLD: ("_internal/x.so",)})
    made = plan.install(on(found), arriving=False)
    assert made.steps == (MendVersion(LAYOUT, OLD, ("_internal/x.so",)),)


@pytest.mark.parametrize(
    "there",
    [Found(Kind.NOTHING), Found(Kind.FILE), Found(Kind.LINK, "/elsewhere")],
)
def test_whatever_takes_the_place_of_a_link_of_ours_is_replaced(there: Found) -> None:
    found = replace(INSTALLED, links={**LINKS, SRIOV: there})
    made = plan.install(on(found), arriving=False)
    assert made.steps == (PutLink(SRIOV, LAYOUT.links[SRIOV], there.target),)
    assert made.problems == ()


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (Found(Kind.FILE), "/opt/cni/bin/rail-sriov is a file that rail-install has not written"),
        (Found(Kind.LINK, "/usr/bin/other"), "is a link to /usr/bin/other"),
        (Found(Kind.FOLDER), "is a folder"),
    ],
)
def test_what_was_never_ours_is_not_lost(there: Found, words: str) -> None:
    found = replace(EMPTY, links={SRIOV: there})
    made = plan.install(Facts(NEW, (found,), chain=CHAIN), arriving=True)
    assert words in made.problems[0]
    assert "move it away" in made.problems[0]
    assert made.stages == (), "and nothing is half installed"


def test_a_folder_in_the_place_of_a_link_of_ours_is_not_removed() -> None:
    found = replace(INSTALLED, links={**LINKS, SRIOV: Found(Kind.FOLDER)})
    made = plan.install(on(found), arriving=False)
    assert made.steps == ()
    assert "/opt/cni/bin/rail-sriov is a folder" in made.problems[0]


def test_a_copy_that_was_made_by_hand_is_taken_over_and_removed_when_nobody_uses_it() -> None:
    by_hand = {
        LAYOUT.home / "railcni": Found(Kind.FILE),
        SRIOV: Found(Kind.LINK, "railcni.d/railcni"),
    }
    found = replace(EMPTY, links=by_hand, is_copied=True, used=frozenset({BY_HAND}))
    made = plan.install(Facts(NEW, (found,)), arriving=True)
    assert made.problems == ()
    assert kinds(made.steps) == [PutVersion, Flip, PutLink]
    over = replace(INSTALLED, is_copied=True)
    assert plan.install(on(over), arriving=False).steps == (RemoveCopy(LAYOUT),)
    assert plan.install(on(replace(over, used=None)), arriving=False).steps == ()


def test_the_last_two_versions_stay_and_those_that_processes_run_from() -> None:
    names = [f"0.{n}.0-{str(n) * 16}" for n in range(6)]
    found = replace(INSTALLED, present=tuple(names), current=names[5], used=frozenset({names[1]}))
    facts = on(found, source=names[5], wanted=names[5], history=tuple(names))
    made = plan.install(facts, arriving=True)
    assert made.steps == (RemoveVersion(LAYOUT, names[0]), RemoveVersion(LAYOUT, names[2]))
    unseen = on(replace(found, used=None), source=names[5], wanted=names[5], history=tuple(names))
    assert plan.install(unseen, arriving=True).steps == (), "nobody can tell who runs from them"


def test_a_version_is_not_removed_while_it_is_current() -> None:
    names = [f"0.{n}.0-{str(n) * 16}" for n in range(5)]
    found = replace(INSTALLED, present=tuple(names), current=names[0])
    facts = on(found, source=names[4], wanted=names[3], history=tuple(names[:4]))
    removed = [s for s in plan.install(facts, arriving=True).steps if isinstance(s, RemoveVersion)]
    assert removed == [RemoveVersion(LAYOUT, names[1])]


def test_a_refused_configuration_stops_nothing() -> None:
    refused = ConfigurationFacts(refused=("node.toml:3: …",))
    made = plan.install(Facts(NEW, (EMPTY,), refused), arriving=True)
    assert made.warnings == ("node.toml:3: …",)
    assert PutVersion in kinds(made.steps)


def test_a_chain_that_is_not_yet_fails_nothing() -> None:
    made = plan.install(
        on(INSTALLED, chain=replace(CHAIN, changes=(), problem="why")), arriving=True
    )
    assert (made.stages, made.problems, made.warnings) == ((), (), ("why",))


def test_what_waits_for_k3s_holds_up_no_rollout() -> None:
    made = plan.install(
        on(INSTALLED, chain=replace(CHAIN, awaited="until K3s starts")), arriving=True
    )
    assert kinds(made.steps) == [Chain]
    assert (made.problems, made.warnings, made.remarks) == ((), (), ("until K3s starts",))


def test_a_moved_folder_gets_its_own_and_the_former_one_keeps_what_it_has() -> None:
    moved = Layout(PurePosixPath("/var/lib/rancher/k3s/data/cni"))
    facts = replace(on(INSTALLED, chain=CHAIN), bins=(BinFacts(moved), INSTALLED))
    made = plan.install(facts, arriving=False)
    assert [each for each in made.stages if Chain in map(type, each)] == [made.stages[0]]
    assert made.steps[:2] == (PutVersion(moved, OLD), Flip(moved, OLD))
    assert {step.path.parent for step in made.steps if isinstance(step, PutLink)} == {
        moved.bin, moved.home,
    }  # fmt: skip


def test_units_are_enabled_once_or_when_they_are_written() -> None:
    unit = replace(item(), path=PurePosixPath("/etc/systemd/system/rail-agent.service"))
    units = UnitFacts((unit,), {}, (), has_systemd=True)
    name = (unit.path.name,)
    steps = plan.install(on(INSTALLED, units=units), arriving=True).steps
    assert steps == (PutFile(unit), EnableUnits(name))
    killed = replace(units, found={unit.path: unit.digest})
    assert plan.install(on(INSTALLED, units=killed), arriving=True).steps == (EnableUnits(name),)
    done = replace(killed, enabled=name)
    assert plan.install(on(INSTALLED, units=done), arriving=True).steps == ()


def test_without_systemd_it_is_said_what_is_to_be_kept_running() -> None:
    units = UnitFacts((item(),), {}, (), has_systemd=False)
    made = plan.install(on(INSTALLED, units=units), arriving=True)
    assert made.steps == ()
    assert "/opt/cni/bin/rail-agent --make-way" in made.remarks[0]
