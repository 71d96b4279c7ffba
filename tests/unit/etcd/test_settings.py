"""Endpoints as people write them, and settings that do not go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ipam.etcd.settings import Settings, parse_endpoint

CA = Path("ca.crt")


@pytest.mark.parametrize(
    ("text", "target", "authority"),
    [
        ("https://10.0.0.1:2379", "ipv4:10.0.0.1:2379", "10.0.0.1:2379"),
        ("http://etcd-0.example.org:2379/", "dns:///etcd-0.example.org:2379", None),
        ("localhost:02379", "dns:///localhost:2379", "localhost:2379"),
        ("[fd00::1]:2379", "ipv6:[fd00::1]:2379", "[fd00::1]:2379"),
        ("https://[FD00:0::1]:1", "ipv6:[fd00::1]:1", "[fd00::1]:1"),
    ],
)
def test_each_kind_of_host(text: str, target: str, authority: str | None) -> None:
    endpoint = parse_endpoint(text, secure=False)
    assert (endpoint.text, endpoint.target) == (text, target)
    assert endpoint.authority == (authority or "etcd-0.example.org:2379")


@pytest.mark.parametrize("default", [True, False])
def test_the_scheme_says_whether_it_is_tls_else_the_default_does(default: bool) -> None:  # noqa: FBT001
    assert parse_endpoint("https://a:1", secure=default).secure
    assert not parse_endpoint("http://a:1", secure=default).secure
    assert parse_endpoint("a:1", secure=default).secure is default


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a:", "a:0", "a:65536", "a:http", "fd00::1:2379", "[fd00::g]:1", "[10.0.0.1]:1",
        "10.0.0:1", "10.0.0.256:1", "unix:///run/etcd", "https://a:1/v3", "a b:1", "u:p@a:1",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_named_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected https://HOST:PORT") as caught:
        parse_endpoint(text, secure=False)
    assert repr(text) in str(caught.value)


def test_an_endpoint_that_is_given_twice_is_one() -> None:
    settings = Settings(("a:1", "http://a:1", "b:1"))
    assert [each.text for each in settings.parsed] == ["http://a:1", "b:1"]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"endpoints": ()}, "endpoints is empty"),
        ({"attempt": 0}, "attempt is 0"),
        ({"ca": CA, "certificate": Path("c")}, "certificate and key go together"),
        ({"user_file": Path("u")}, "user_file and password_file go together"),
        ({"endpoints": ("https://a:1",)}, "ca is missing"),
        ({"ca": CA, "key": Path("k"), "certificate": Path("c")}, "http://b:1 is not https"),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Settings(**{"endpoints": ("a:1", "http://b:1"), **given})
