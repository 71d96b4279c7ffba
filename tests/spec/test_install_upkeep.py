"""What others do to what is installed: the rail-install that stays puts it right, or tells."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.spec.installation import Installation
from tests.spec.keeping import SOON, Keeper, keeping
from tests.spec.node import run, wait_until

pytestmark = pytest.mark.netns

FLANNEL = {
    "name": "cbr0",
    "cniVersion": "1.0.0",
    "plugins": [{"type": "flannel", "delegate": {"isDefaultGateway": True}}],
}
NODE_FILE = '[fabrics.backend.rails]\n"roce-a" = { subnet = "10.60.0.0/16" }\n'


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all of them: its CNI bin folder and its configuration are mounts of their own."""
    made = Installation(tmp_path_factory.mktemp("node"))
    for folder, size in ((made.bin, "300m"), (made.folder / "etc", "1m")):
        folder.mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder))
    (made.folder / "config").mkdir()
    (made.folder / "config/node.toml").write_text(NODE_FILE)
    write(made.conf / "10-flannel.conflist", FLANNEL)
    try:
        yield made
    finally:
        for folder in (made.bin, made.folder / "etc"):
            run("umount", "--lazy", str(folder))


@pytest.fixture(scope="module")
def kept(installation: Installation, bundle: Path) -> Iterator[Keeper]:
    config = str(installation.folder / "config")
    with keeping(installation, bundle, "--config", config, "--chain-hostgw") as keeper:
        yield keeper


def write(file: Path, document: object) -> None:
    file.write_text(json.dumps(document))


def chained(installation: Installation) -> list[str]:
    file = installation.conf / "00-rail-hostgw.conflist"
    try:
        return [plugin["type"] for plugin in json.loads(file.read_text())["plugins"]]
    except (FileNotFoundError, ValueError):
        return []


def _truncate(file: Path) -> None:
    file.write_bytes(b"")


def _overwrite(file: Path) -> None:
    shutil.copyfile(
        "/bin/true", file
    )  # as a plain `cp` does: through a link, into what it leads to


def _replace(file: Path) -> None:
    file.unlink()
    shutil.copyfile("/bin/true", file)


def _turn_away(file: Path) -> None:
    file.unlink()
    file.symlink_to("/bin/true")


def _forbid(file: Path) -> None:
    file.chmod(0)


Harms = dict[str, Callable[[Path], None]]
LINKS: Harms = {
    "rail-sriov": _overwrite, "rail-ipam": _replace, "railctl": Path.unlink,
    "rail-agent": _turn_away,
}  # fmt: skip
PROGRAM: Harms = {
    "railcni.d/current/railcni": _forbid, "railcni.d/current/MANIFEST": _truncate,
    "railcni.d/current": _turn_away,
}  # fmt: skip
GONE: Harms = {"railcni.d/current/railcni": Path.unlink, "railcni.d/current": Path.unlink}


@pytest.mark.parametrize("harms", [LINKS, PROGRAM, GONE], ids=["links", "program", "gone"])
def test_programs_are_put_right(
    kept: Keeper, installation: Installation, bundle: Path, harms: Harms
) -> None:
    for name, harm in harms.items():
        harm(installation.bin / name)
    wait_until(lambda: installation.status(bundle)["problems"] == [], "all as before", SOON)
    assert installation.answers()
    assert installation.answers("rail-ipam")
    assert kept.process.poll() is None


def test_a_library_that_is_damaged_is_put_right_at_the_next_thorough_look(
    kept: Keeper, installation: Installation
) -> None:
    library = next((installation.bin / "railcni.d/current/_internal").glob("libpython*"))
    before = library.read_bytes()
    _truncate(library)
    (installation.bin / "railctl").unlink()  # what is seen at once makes the look a thorough one
    wait_until(lambda: library.read_bytes() == before, "the library as before", SOON)
    assert kept.process.poll() is None


def test_the_primary_rewrites_its_network_and_rail_hostgw_is_in_it_again(
    kept: Keeper, installation: Installation
) -> None:
    assert chained(installation) == ["flannel", "rail-hostgw"]
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    write(
        installation.conf / "10-flannel.conflist",
        {**FLANNEL, "plugins": [*FLANNEL["plugins"], portmap]},
    )
    wait_until(lambda: chained(installation) == ["flannel", "portmap", "rail-hostgw"], "both", SOON)
    (installation.conf / "00-rail-hostgw.conflist").unlink()
    wait_until(lambda: "rail-hostgw" in chained(installation), "ours again", SOON)
    kept.wait_until_well()


def test_a_primary_that_is_gone_is_told_and_chained_when_it_is_back(
    kept: Keeper, installation: Installation
) -> None:
    (installation.conf / "10-flannel.conflist").unlink()
    kept.wait_for_problem("rail-hostgw is not chained")
    write(installation.conf / "10-flannel.conflist", FLANNEL)
    kept.wait_until_well()
    assert chained(installation) == ["flannel", "rail-hostgw"]


def test_a_new_configuration_is_taken_and_a_malformed_one_is_not(
    kept: Keeper, installation: Installation
) -> None:
    source, there = installation.folder / "config/node.toml", installation.folder / "etc/node.toml"
    source.write_text(NODE_FILE + "# changed\n")
    wait_until(lambda: there.read_text().endswith("# changed\n"), "the new one", SOON)
    assert there.stat().st_mode & 0o7777 == 0o600
    source.write_text("[fabrics\n")
    kept.wait_for_problem("config/node.toml:1: is not TOML")
    assert there.read_text().endswith("# changed\n")
    source.write_text(NODE_FILE)
    kept.wait_until_well()
    there.write_text("overwritten")
    wait_until(lambda: there.read_text() == NODE_FILE, "ours again", SOON)


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    run("mount", "-o", "remount,ro", str(folder))
    try:
        yield
    finally:
        run("mount", "-o", "remount,rw", str(folder))


def test_while_the_folder_is_read_only_it_is_told(kept: Keeper, installation: Installation) -> None:
    (installation.bin / "rail-ipam").unlink()
    with _read_only(installation.bin):
        kept.wait_for_problem("Read-only file system")
        assert installation.answers("rail-sriov")
    kept.wait_until_well()
    assert installation.answers("rail-ipam")


def test_while_the_disk_is_full_what_was_there_stays(
    kept: Keeper, installation: Installation
) -> None:
    etc = installation.folder / "etc"
    with pytest.raises(OSError, match="No space"):
        (etc / "filler").write_bytes(bytes(2 << 20))
    source = installation.folder / "config/node.toml"
    source.write_text(NODE_FILE + "# no room for this\n" * 400)
    kept.wait_for_problem("No space left on device")
    assert (etc / "node.toml").read_text() == NODE_FILE
    (etc / "filler").unlink()
    kept.wait_until_well()
    assert (etc / "node.toml").read_text() == source.read_text()


def test_who_writes_again_and_again_is_told_of(kept: Keeper, installation: Installation) -> None:
    script = "while [ -d . ]; do ln -sfn /bin/true rail-hostgw; sleep 0.05; done"
    fighter = subprocess.Popen(["sh", "-c", script], cwd=installation.bin)
    try:
        kept.wait_for_problem("find the other program that writes there")
    finally:
        fighter.kill()
        fighter.wait()
    assert any("rail-hostgw" in message for message in kept.messages())
