"""What must not be in git: how it is made, and that it is not there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.etcd import certificates
from tests.unit.deploy.rendering import DEPLOY, ROOT, one, pod_of, rendered, rendered_at

MADE = {
    f"{name}{end}.pem"
    for name in ("ca", "peer-ca", "server", "node", "peer")
    for end in ("", "-key")
}


def openssl(*words: str | Path) -> str:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=True)
    return done.stdout


def test_no_secret_is_in_git() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "deploy"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is no clone")
    for name in listed.stdout.split():
        assert not name.endswith((".pem", ".key")), name
        assert "PRIVATE KEY-----" not in (ROOT / name).read_text("utf-8", errors="replace"), name


def test_what_is_made_beside_the_secrets_is_ignored() -> None:
    places = [*(f"deploy/secrets/etcd/{name}" for name in MADE), "deploy/secrets/hostgw/hostgw.key"]
    ignored = subprocess.run(
        ["git", "check-ignore", *places], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ignored.returncode == 128:
        pytest.skip("this is no clone")
    assert ignored.stdout.split() == places


def test_keys_are_made_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert certificates.main([str(tmp_path / "etcd")]) == 0
    finally:
        os.umask(before)
    assert (tmp_path / "etcd").stat().st_mode & 0o777 == 0o700


def test_certificates_are_what_the_manifests_need(tmp_path: Path) -> None:
    assert certificates.main([str(tmp_path)]) == 0
    assert {file.name for file in tmp_path.iterdir()} == MADE
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    for name, authority in {"server": "ca", "node": "ca", "peer": "peer-ca"}.items():
        openssl("verify", "-CAfile", tmp_path / f"{authority}.pem", tmp_path / f"{name}.pem")
        other = "peer-ca" if authority == "ca" else "ca"
        with pytest.raises(subprocess.CalledProcessError):
            openssl("verify", "-CAfile", tmp_path / f"{other}.pem", tmp_path / f"{name}.pem")
    subjects = openssl("x509", "-in", tmp_path / "server.pem", "-noout", "-ext", "subjectAltName")
    for folder in ("etcd/three", "etcd/single"):
        documents = rendered(folder)
        for service in (each for each in documents if each["kind"] == "Service"):
            address = service["spec"]["clusterIP"]
            assert address == "None" or f"IP Address:{address}" in re.split(
                r",?\s+(?=IP|DNS)", subjects.strip()
            )
        members = one(documents, "StatefulSet", "etcd")["spec"]["replicas"]
        for number in range(members):
            assert f"DNS:etcd-{number}.etcd.railcni.svc" in subjects


def test_made_again_the_authorities_stay(tmp_path: Path) -> None:
    certificates.main([str(tmp_path)])
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    (tmp_path / ".node.pem.draft").write_text("half of it")
    assert certificates.main([str(tmp_path), "--address", "192.0.2.7", "--days", "30"]) == 0
    after = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    same = {name for name in MADE if before[name] == after[name]}
    assert same == {"ca.pem", "ca-key.pem", "peer-ca.pem", "peer-ca-key.pem"}
    assert after.keys() == MADE
    said = openssl("x509", "-in", tmp_path / "server.pem", "-noout", "-ext", "subjectAltName")
    assert "192.0.2.7" in said
    assert "10.96.0.240" not in said


@pytest.mark.parametrize("lost", ["ca.pem", "peer-ca-key.pem"])
def test_half_an_authority_is_not_replaced(
    tmp_path: Path, lost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    certificates.main([str(tmp_path)])
    (tmp_path / lost).unlink()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert certificates.main([str(tmp_path)]) == 1
    assert f"{tmp_path / lost} is not" in capsys.readouterr().err
    assert before == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


@pytest.mark.parametrize("words", [["--address", "a,DNS:evil"], ["--name", "a.b,IP:1.2.3.4"]])
def test_an_address_is_no_way_to_say_more(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit):
        certificates.main([str(tmp_path), *words])
    assert not list(tmp_path.iterdir())


def test_without_openssl_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert certificates.main([str(tmp_path)]) == 1
    assert "no openssl on PATH" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["overlays/k3s-wifi", "overlays/k3s-wsl2/flannel"])
def test_the_key_of_direct_paths_is_the_one_that_is_mounted(folder: str, tmp_path: Path) -> None:
    source = tmp_path / "hostgw"
    shutil.copytree(DEPLOY / "secrets/hostgw", source, ignore=shutil.ignore_patterns("*.key"))
    (source / "hostgw.key").write_text("k" * 64 + "\n")
    made = one(rendered_at(source), "Secret", "railcni-hostgw")
    assert made["data"].keys() == {"hostgw.key"}
    assert made["metadata"]["namespace"] == "railcni"
    pod = pod_of(one(rendered(folder), "DaemonSet", "rail-agent"))
    assert pod
    sources = next(
        each["projected"]["sources"] for each in pod["volumes"] if each["name"] == "secrets"
    )
    assert {"secret": {"name": "railcni-hostgw"}} in sources
