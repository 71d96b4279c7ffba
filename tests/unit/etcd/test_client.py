"""What needs no server: an etcd that is not there, and when gRPC is imported."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ipam.etcd import watch
from ipam.etcd.client import EtcdClient
from ipam.etcd.errors import DeniedError, UnavailableError
from ipam.etcd.interface import Get, Keys
from ipam.etcd.settings import Settings

ASKED = Get(Keys("/a"))


@pytest.fixture
def nowhere() -> str:
    """Return an endpoint where nothing listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{reserved.getsockname()[1]}"


def test_every_endpoint_that_was_tried_is_named_with_its_reason(nowhere: str) -> None:
    client = EtcdClient(Settings((nowhere, "[::1]:1")))
    with closing(client), pytest.raises(UnavailableError, match="reading '/a'") as caught:
        client.get(ASKED, 1.0)
    assert set(caught.value.tried) == {nowhere, "[::1]:1"}
    assert f"{nowhere}: connection refused" in str(caught.value)


def test_without_time_nothing_is_tried(nowhere: str) -> None:
    client = EtcdClient(Settings((nowhere,)))
    with closing(client), pytest.raises(UnavailableError) as caught:
        client.get(ASKED, 0)
    assert caught.value.tried == ()


def test_a_watch_of_an_etcd_that_is_not_there_lets_its_caller_look_about(
    nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LOOK_ABOUT", 0.3)
    with closing(EtcdClient(Settings((nowhere,)))) as client, client.watch(Keys("/a"), 7) as seen:
        batch = next(seen)
    assert (batch.events, batch.revision) == ((), 7)


def test_a_file_that_cannot_be_read_is_named(nowhere: str, tmp_path: Path) -> None:
    missing = tmp_path / "password"
    user = tmp_path / "user"
    user.write_text("rail\n")
    with_user = Settings((nowhere,), user_file=user, password_file=missing)
    with_ca = Settings((nowhere,), ca=missing)
    for settings in (with_user, with_ca):
        client = EtcdClient(settings)
        with closing(client), pytest.raises(DeniedError, match=str(missing)):
            client.get(ASKED, 1.0)


def test_grpc_is_not_imported_before_the_first_call() -> None:
    program = (
        "import sys; from ipam.etcd.client import EtcdClient\n"
        "from ipam.etcd.settings import Settings\n"
        "EtcdClient(Settings(('a:1',))).close()\n"
        "print([name for name in ('grpc', 'google.protobuf') if name in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
