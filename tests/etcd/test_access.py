"""Who may ask, over what: certificates, passwords, tokens, and how they are renewed."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ipam.etcd.errors import DeniedError, UnavailableError
from ipam.etcd.interface import Keys
from ipam.etcd.settings import Settings
from tests.etcd.certificates import Authority, Pair
from tests.etcd.cluster import PREFIX, USER, Cluster, Shape
from tests.etcd.conftest import Connect, Start
from tests.etcd.given import WITHIN, collect, put
from tests.etcd.releases import NAMES

pytestmark = pytest.mark.etcd
SHORT = 1.0
"""Seconds, where nothing is expected to answer."""

_ASKED = 4


def copy(source: Pair, target: Pair) -> None:
    """Replace a certificate and its key, one after the other."""
    for old, new in ((target.key, source.key), (target.certificate, source.certificate)):
        beside = old.with_suffix(".new")
        shutil.copy(new, beside)
        beside.rename(old)


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────────


def check_refusal(connect: Connect, settings: Settings, reason: str) -> None:
    """Check that a client which no endpoint accepts names the endpoint and the reason.

    A last attempt may have had no time to find the reason: then it is asked again.
    """
    client, said = connect(settings), ""
    for _ in range(_ASKED):
        with pytest.raises(UnavailableError) as caught:
            client.grant(10, SHORT)
        assert caught.value.tried == settings.endpoints
        said = str(caught.value)
        assert settings.endpoints[0] in said
        if reason in said:
            return
    pytest.fail(f"{reason!r} is not in {said!r}")


def test_a_server_of_a_strange_authority_is_named(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    cluster = start("3.5", Shape(tls=True))
    strange = Authority(tmp_path / "strange").certificate
    reason = f"not signed by an authority in {strange}"
    check_refusal(connect, replace(cluster.settings(), ca=strange), reason)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_server_of_another_name_is_named(host: str, start: Start, connect: Connect) -> None:
    cluster = start("3.5", Shape(tls=True))
    cluster.stop()  # etcd ends itself when it meets a key without its certificate
    other = cluster.authority.server(names="subjectAltName=DNS:other,IP:127.0.0.9")
    assert other == cluster.server_pair
    cluster.start()
    check_refusal(connect, cluster.settings(host), "does not name this host")


@pytest.mark.parametrize("name", NAMES)
def test_a_client_of_a_strange_authority_is_told(
    name: str, start: Start, connect: Connect, tmp_path: Path
) -> None:
    cluster = start(name, Shape(tls=True))
    strange = Authority(tmp_path / "strange").client()
    settings = replace(cluster.settings(), certificate=strange.certificate, key=strange.key)
    check_refusal(connect, settings, "TLS")


@pytest.mark.parametrize("name", NAMES)
def test_a_client_without_a_certificate_is_told(name: str, start: Start, connect: Connect) -> None:
    cluster = start(name, Shape(tls=True))
    check_refusal(connect, replace(cluster.settings(), certificate=None, key=None), "TLS")


def test_http_where_https_is_expected_is_told(start: Start, connect: Connect) -> None:
    cluster = start("3.5", Shape(tls=True))
    port = cluster.members[0].ports.client
    settings = Settings((f"http://127.0.0.1:{port}",), attempt=0.5)
    check_refusal(connect, settings, "it may be stopping, or speak https:// only")


@pytest.mark.parametrize("name", NAMES)
def test_a_certificate_is_replaced_while_the_client_runs(
    name: str, start: Start, connect: Connect, tmp_path: Path
) -> None:
    cluster = start(name, Shape(tls=True))
    own = cluster.client_pair
    good = Pair(tmp_path / "good.pem", tmp_path / "good.key")
    for old, new in ((own.certificate, good.certificate), (own.key, good.key)):
        shutil.copy(old, new)
    copy(Authority(tmp_path / "strange").client(), own)
    client = connect(cluster.settings())
    with pytest.raises(UnavailableError):
        client.grant(10, SHORT)
    copy(good, own)
    with client.watch(Keys(PREFIX), put(client, PREFIX) - 1) as batches:
        assert len(collect(batches, 1)) == 1
        copy(cluster.authority.client("renewed"), own)
        put(client, PREFIX)
        assert len(collect(batches, 1)) == 1


def test_a_server_renews_its_certificate_over_a_restart(start: Start, connect: Connect) -> None:
    cluster = start("3.5", Shape(tls=True))
    client = connect(cluster.settings())
    put(client, PREFIX)
    cluster.stop()
    cluster.authority.server()
    cluster.start()
    put(client, PREFIX)


# ── users ─────────────────────────────────────────────────────────────────────────────────────────


def change_password(cluster: Cluster, password: str) -> None:
    cluster.etcdctl("user", "delete", USER)
    cluster.etcdctl("user", "add", f"{USER}:{password}")
    cluster.etcdctl("user", "grant-role", USER, USER)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_password_is_denied_until_it_is_right(
    name: str, start: Start, connect: Connect
) -> None:
    cluster = start(name, Shape(auth=True))
    right = cluster.password_file.read_text(encoding="utf-8")
    cluster.password_file.write_text("wrong\n", encoding="utf-8")
    client = connect(cluster.settings())
    with pytest.raises(DeniedError, match="password"):
        put(client, PREFIX)
    cluster.password_file.write_text(right, encoding="utf-8")
    put(client, PREFIX)


def test_without_a_user_one_is_asked_for(start: Start, connect: Connect) -> None:
    cluster = start("3.5", Shape(auth=True))
    with pytest.raises(DeniedError, match="user_file"):
        put(connect(replace(cluster.settings(), user_file=None, password_file=None)), PREFIX)


@pytest.mark.parametrize("name", NAMES)
def test_a_password_is_changed_while_the_client_runs(
    name: str, start: Start, connect: Connect
) -> None:
    cluster = start(name, Shape(auth=True))
    client = connect(cluster.settings())
    put(client, PREFIX)
    change_password(cluster, "new")
    with pytest.raises(DeniedError, match="password"):
        put(client, PREFIX)
    cluster.password_file.write_text("new", encoding="utf-8")
    put(client, PREFIX)


@pytest.mark.parametrize("name", NAMES)
def test_a_token_that_has_expired_is_renewed(name: str, start: Start, connect: Connect) -> None:
    cluster = start(name, Shape(auth=True, token_seconds=1))
    client, idle = connect(cluster.settings()), connect(cluster.settings())
    lease = client.grant(60, WITHIN)
    with client.watch(Keys(PREFIX), put(client, PREFIX)) as batches:
        put(idle, PREFIX, b"1")
        time.sleep(2.2)  # the server looks for expired tokens once a second
        put(idle, PREFIX, b"2")
        assert [one.entry.value for one in collect(batches, 2)] == [b"1", b"2"]
    assert client.keep_alive(lease, WITHIN) == 60


@pytest.mark.parametrize("name", NAMES)
def test_a_restarted_server_has_forgotten_its_tokens(
    name: str, start: Start, connect: Connect
) -> None:
    cluster = start(name, Shape(auth=True))
    client = connect(cluster.settings())
    before = put(client, PREFIX, b"1")
    with client.watch(Keys(PREFIX), before) as batches:
        cluster.members[0].kill()
        cluster.start()
        put(client, PREFIX, b"2")
        assert [one.entry.value for one in collect(batches, 1)] == [b"2"]


@pytest.mark.parametrize("name", NAMES)
def test_a_token_that_a_restored_server_cannot_know_yet_is_given_up(
    name: str, start: Start, connect: Connect
) -> None:
    cluster = start(name, Shape(auth=True))
    backup = cluster.backup()
    late = connect(cluster.settings())
    for number in range(50):  # its token then names an index far beyond the backup's
        put(late, PREFIX, str(number).encode())
    client = connect(cluster.settings())
    put(client, PREFIX, b"before")
    cluster.restore(backup)
    assert put(client, PREFIX, b"after")


@pytest.mark.parametrize("name", NAMES)
def test_auth_enabled_later_asks_for_the_user(name: str, start: Start, connect: Connect) -> None:
    cluster = start(name, Shape(auth=True))
    client = connect(cluster.settings())
    put(client, PREFIX)
    cluster.etcdctl("auth", "disable")
    put(client, PREFIX)
    put(connect(cluster.settings()), PREFIX)
    cluster.etcdctl("auth", "enable", root=False)
    put(client, PREFIX)
