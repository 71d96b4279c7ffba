"""The words of etcd 3.4 to 3.6, of gRPC and of BoringSSL, and what is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipam.etcd.errors import CompactedError, DeniedError, EtcdError, LeaseGoneError, RefusedError
from ipam.etcd.failures import Remedy, StatusError, explain, judge
from ipam.etcd.settings import Settings

SETTINGS = Settings(("a:1",), ca=Path("our-ca.crt"))
REFUSED = "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:1: "
TLS = REFUSED + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1: "


@pytest.mark.parametrize(
    ("status", "details"),
    [
        ("UNAVAILABLE", "etcdserver: request timed out, possibly due to previous leader failure"),
        ("UNAVAILABLE", "etcdserver: no leader"),
        ("UNAVAILABLE", "etcdserver: leader changed"),
        ("UNAVAILABLE", "etcdserver: server stopped"),
        ("UNAVAILABLE", REFUSED + "Failed to connect to remote host: Connection refused"),
        ("RESOURCE_EXHAUSTED", "etcdserver: too many requests"),
        ("FAILED_PRECONDITION", "etcdserver: not leader"),
        ("FAILED_PRECONDITION", "etcdserver: rpc not supported for learner"),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded"),
        ("CANCELLED", "context canceled"),
        ("UNKNOWN", "raft: stopped"),
        ("INTERNAL", "Received RST_STREAM with error code 2"),
        ("UNIMPLEMENTED", "unknown service etcdserverpb.KV"),
    ],
)
def test_what_is_one_members_or_passes_is_asked_of_the_next(status: str, details: str) -> None:
    assert judge(StatusError(status, details), "x") is Remedy.NEXT


@pytest.mark.parametrize(
    ("status", "details"),
    [
        ("UNAUTHENTICATED", "etcdserver: invalid auth token"),
        ("INVALID_ARGUMENT", "etcdserver: revision of auth store is old"),
        ("UNKNOWN", "auth: revision in header is old"),
        ("INVALID_ARGUMENT", "etcdserver: user name is empty"),
    ],
)
def test_what_a_new_login_may_help(status: str, details: str) -> None:
    assert judge(StatusError(status, details), "x") is Remedy.LOGIN


def test_a_login_where_none_is_wanted() -> None:
    error = StatusError("FAILED_PRECONDITION", "etcdserver: authentication is not enabled")
    assert judge(error, "the login") is Remedy.NO_TOKEN


@pytest.mark.parametrize(
    ("status", "details", "kind", "words"),
    [
        ("PERMISSION_DENIED", "etcdserver: permission denied", DeniedError, "reading '/a'"),
        (
            "INVALID_ARGUMENT",
            "etcdserver: authentication failed, invalid user ID or password",
            DeniedError,
            "password_file",
        ),
        (
            "OUT_OF_RANGE",
            "etcdserver: mvcc: required revision has been compacted",
            CompactedError,
            "reading '/a'",
        ),
        ("NOT_FOUND", "etcdserver: requested lease not found", LeaseGoneError, "lease"),
        (
            "RESOURCE_EXHAUSTED",
            "etcdserver: mvcc: database space exceeded",
            RefusedError,
            "etcdctl alarm disarm",
        ),
        (
            "INVALID_ARGUMENT",
            "etcdserver: too many operations in txn request",
            RefusedError,
            "--max-txn-ops",
        ),
        (
            "INVALID_ARGUMENT",
            "etcdserver: request is too large",
            RefusedError,
            "--max-request-bytes",
        ),
        ("DATA_LOSS", "etcdserver: corrupt cluster", RefusedError, "CORRUPT alarm"),
        ("OUT_OF_RANGE", "etcdserver: too large lease TTL", RefusedError, "too large lease TTL"),
    ],
)
def test_what_no_other_member_would_answer_otherwise(
    status: str, details: str, kind: type[EtcdError], words: str
) -> None:
    verdict = judge(StatusError(status, details), "reading '/a'")
    assert type(verdict) is kind
    assert words in str(verdict)


@pytest.mark.parametrize(
    ("status", "details", "words"),
    [
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", "no answer within 1.5 s"),
        ("UNIMPLEMENTED", "Method not found!", "no etcd of API v3"),
        ("UNAVAILABLE", REFUSED + "Failed to connect: Connection refused", "connection refused"),
        ("UNAVAILABLE", REFUSED + "Failed to connect: No route to host", "No route to host"),
        ("UNAVAILABLE", TLS + "SSLV3_ALERT_BAD_CERTIFICATE: OK", "configure certificate and key"),
        ("UNAVAILABLE", TLS + "CERTIFICATE_VERIFY_FAILED: unable to get: OK", "our-ca.crt"),
        ("UNAVAILABLE", TLS + "CERTIFICATE_VERIFY_FAILED: certificate has expired", "expired"),
        ("UNAVAILABLE", "Hostname Verification Check failed.", "subjectAltName"),
        ("UNAVAILABLE", "errors resolving a.invalid:1: [field:hostname]", "does not resolve"),
        ("UNAVAILABLE", "etcdserver: no leader", "etcdserver: no leader"),
        ("CANCELLED", "", "CANCELLED"),
    ],
)
def test_why_an_endpoint_was_left(status: str, details: str, words: str) -> None:
    assert words in explain(StatusError(status, details), SETTINGS, 1.5)


def test_a_certificate_that_is_refused_is_named() -> None:
    settings = Settings(("a:1",), ca=Path("ca"), certificate=Path("me.crt"), key=Path("me.key"))
    error = StatusError("UNAVAILABLE", TLS + "TLSV1_ALERT_UNKNOWN_CA: OK")
    assert "it refuses me.crt" in explain(error, settings, 1.0)
