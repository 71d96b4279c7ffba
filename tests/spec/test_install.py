"""rail-install on the root of a node that has nothing, and what is left when it has gone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from install.installer.layout import OF_A_COPY
from tests.spec.installation import Installation, bundle_of
from tests.spec.node import Node
from tests.spec.runtime import DEBIANS, PROGRAMS, Runtime, Slot, rail

pytestmark = pytest.mark.netns

CONFLIST = {"name": "cbr0", "cniVersion": "1.0.0", "plugins": [{"type": "flannel"}]}


def rail_install(root: Path, *words: str, programs: Path = PROGRAMS) -> tuple[int, str, str]:
    """Run rail-install as in a DaemonSet; nothing of the machine's own environment is given."""
    done = subprocess.run(
        [programs / "rail-install", *words, "--root", str(root)], env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def tree(root: Path) -> dict[str, str | bytes]:
    """Return everything below a folder, but for what is ours by right: the state."""
    found: dict[str, str | bytes] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not name.startswith("var"):
            kind = str(path.readlink()) if path.is_symlink() else oct(path.lstat().st_mode)
            found[name] = kind if path.is_dir() or path.is_symlink() else path.read_bytes()
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a node with a runtime's two folders: not even a C library is there."""
    made = tmp_path / "host"
    for folder in ("opt/cni/bin", "etc/cni/net.d", "etc/railcni"):
        (made / folder).mkdir(parents=True)
    (made / "etc/railcni").chmod(0o700)
    (made / "etc/cni/net.d/10-flannel.conflist").write_text(json.dumps(CONFLIST))
    (made / "etc/railcni/agent.toml").write_text('logLevel = "error"\n')
    (made / "etc/railcni/agent.toml").chmod(0o600)
    return made


@pytest.fixture
def wishes(tmp_path: Path) -> tuple[str, ...]:
    """What a DaemonSet brings along."""
    for folder, name, content in (
        ("config", "agent.toml", 'logLevel = "debug"\n'),
        ("secrets", "ca.pem", "CA"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
    return (
        "--chain-hostgw", "--config", str(tmp_path / "config"),
        "--secrets", str(tmp_path / "secrets"),
    )  # fmt: skip


def test_it_comes_works_and_leaves_what_was_there(
    bundle: Path, root: Path, wishes: tuple[str, ...]
) -> None:
    del bundle
    before = tree(root)
    code, said, problems = rail_install(root, "--dry-run", *wishes)
    assert (code, problems, tree(root)) == (0, "", before)
    assert said.count("would ") == len(said.splitlines()) > 10

    code, _, problems = rail_install(root, "once", *wishes)
    assert (code, problems) == (0, "")
    answer = subprocess.run(
        ["chroot", root, "/opt/cni/bin/rail-sriov"],
        env={"PATH": os.environ["PATH"], "CNI_COMMAND": "VERSION"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "supportedVersions" in answer.stdout
    secret = root / "etc/railcni/tls/ca.pem"
    assert (secret.read_text(), secret.stat().st_mode & 0o7777) == ("CA", 0o600)
    assert secret.parent.stat().st_mode & 0o7777 == 0o700
    chained = json.loads((root / "etc/cni/net.d/00-rail-hostgw.conflist").read_text())
    assert [plugin["type"] for plugin in chained["plugins"]] == ["flannel", "rail-hostgw"]
    installed = tree(root)
    assert rail_install(root, "once", *wishes) == (0, "everything is as it should be\n", "")
    assert tree(root) == installed

    assert rail_install(root, "uninstall")[0] == 0
    assert tree(root) == before


def test_who_reads_its_words_no_more_ends_nothing(bundle: Path, root: Path) -> None:
    del bundle
    before = tree(root)
    for command in ("once", "uninstall"):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = subprocess.run(
                [PROGRAMS / "rail-install", command, "--root", root],
                stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")
        assert (root / "opt/cni/bin/rail-sriov").is_symlink() == (command == "once")
    assert tree(root) == before


def test_what_is_not_ours_stays_and_nothing_is_half_installed(bundle: Path, root: Path) -> None:
    del bundle
    (root / "opt/cni/bin/rail-sriov").write_text("another program's")
    before = tree(root)
    code, said, problems = rail_install(root)
    assert (code, said) == (1, "")
    assert "/opt/cni/bin/rail-sriov is a file that rail-install has not written" in problems
    assert tree(root) == before


def test_a_bundle_that_does_not_run_on_the_node_is_not_switched_to(
    bundle: Path, root: Path, tmp_path: Path
) -> None:
    assert rail_install(root)[0] == 0
    current = (root / "opt/cni/bin/railcni.d/current").readlink()
    broken = bundle_of(bundle.parent, tmp_path / "broken", "b" * 16)
    entry = broken.parent / "railcni/_internal/cni/protocol/supported.pyc"
    digest = _digest(entry)
    entry.unlink()
    entry.write_bytes(b"no code")
    manifest = broken.parent / "railcni/MANIFEST"
    manifest.write_text(manifest.read_text().replace(digest, _digest(entry)))
    code, _, problems = rail_install(root, programs=broken)
    assert code == 1, problems
    assert (root / "opt/cni/bin/railcni.d/current").readlink() == current


def _digest(file: Path) -> str:
    return subprocess.run(
        ["sha256sum", file], capture_output=True, text=True, check=True
    ).stdout.partition(" ")[0]


def test_a_bundle_copied_by_hand_as_the_readme_had_it_is_taken_over(
    bundle: Path, tmp_path: Path
) -> None:
    installation = Installation(tmp_path / "node")
    run = subprocess.run
    run(["cp", "-r", bundle.parent / "railcni", installation.bin / "railcni.d"], check=True)
    for name in ("rail-sriov", "rail-ipam"):
        (installation.bin / name).symlink_to("railcni.d/railcni")
    assert installation.answers()
    installation.install(bundle)
    assert installation.answers()
    installation.install(bundle)
    of_the_copy = set(OF_A_COPY)
    left = {each.name for each in (installation.bin / "railcni.d").iterdir()}
    assert left - of_the_copy == {"current", "railcni", "versions"}
    sees_all = Path("/proc/self/ns/pid").readlink() == Path("pid:[4026531836]")
    assert bool(left & of_the_copy) is not sees_all, "it goes when nobody can run from it"
    assert installation.status(bundle)["problems"] == []


def test_the_programs_stay_until_the_last_pod_has_gone(
    node: Node, bundle: Path, tmp_path: Path
) -> None:
    installation = Installation(tmp_path / "node")
    installation.install(bundle)
    environ = installation.environment()
    state = Path(environ.pop("RAILCNI_STATE_DIR"))
    runtime = Runtime(node, state, (installation.bin, DEBIANS), environ=environ)
    config, slot = rail(node.device()), Slot(node.pod().path)
    assert runtime.add(config, slot).exit_code == 0

    code, _, problems = installation.run(bundle, "uninstall")
    assert code == 1
    assert "container c1" in problems
    assert "--force" in problems
    assert runtime.delete(config, slot).exit_code == 0
    code, _, problems = installation.run(bundle, "uninstall")
    assert (code, problems) == (0, "")
    assert list(installation.bin.iterdir()) == []
