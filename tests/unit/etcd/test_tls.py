"""The TLS files while somebody replaces them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ipam.etcd import tls
from ipam.etcd.errors import DeniedError
from ipam.etcd.members import Members
from ipam.etcd.settings import Settings
from tests.etcd.certificates import Authority, Pair


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs."""
    return Authority(tmp_path / "authority")


@pytest.fixture
def live(authority: Authority, tmp_path: Path) -> Settings:
    """Settings with files of their own."""
    files = {name: tmp_path / name for name in ("ca", "certificate", "key")}
    shutil.copyfile(authority.certificate, files["ca"])
    first = authority.client("first")
    shutil.copyfile(first.certificate, files["certificate"])
    shutil.copyfile(first.key, files["key"])
    return Settings(
        ("127.0.0.1:1",), ca=files["ca"], certificate=files["certificate"], key=files["key"]
    )


@pytest.fixture
def second(authority: Authority) -> Pair:
    """Another certificate."""
    return authority.client("second")


def replace(file: Path | None, by: Path) -> None:
    assert file is not None
    draft = file.with_suffix(".draft")
    shutil.copyfile(by, draft)
    draft.rename(file)


def test_a_pair_that_does_not_match_is_refused_with_its_files(live: Settings, second: Pair) -> None:
    replace(live.key, second.key)
    with pytest.raises(DeniedError, match=f"{live.certificate} and key {live.key}"):
        tls.read(live)


def test_a_file_that_is_no_pem_is_named(live: Settings) -> None:
    assert live.ca is not None
    live.ca.write_text("none")
    with pytest.raises(DeniedError, match=f"ca {live.ca} holds no certificate"):
        tls.read(live)


def test_no_file_is_read_where_no_endpoint_is_https(tmp_path: Path) -> None:
    assert tls.read(Settings(("http://a:1",), ca=tmp_path / "missing")) is None


def test_a_half_replaced_pair_leaves_the_connection_and_a_whole_one_makes_another(
    live: Settings, second: Pair
) -> None:
    members = Members(live)
    before = members.channel(0)
    assert members.channel(0) is before
    replace(live.certificate, second.certificate)
    assert members.channel(0) is before
    replace(live.key, second.key)
    after = members.channel(0)
    assert after is not before
    assert members.channel(0) is after
    assert live.key is not None
    live.key.unlink()
    assert members.channel(0) is after
    members.close()


def test_files_that_cannot_be_used_at_first_are_tried_again(live: Settings, second: Pair) -> None:
    replace(live.key, second.key)
    members = Members(live)
    with pytest.raises(DeniedError):
        members.channel(0)
    replace(live.certificate, second.certificate)
    members.channel(0)
    members.close()
