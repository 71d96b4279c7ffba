"""What goes over the agent's socket, whole, cut short and bent."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni import wire

FIELDS = 5
NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & set(b"=\0"))
VALUES = st.binary(max_size=50).filter(lambda value: b"\0" not in value)


def body_of(call: bytes) -> bytes:
    assert wire.length_of(call[: wire.HEADER]) == len(call) - wire.HEADER
    return call[wire.HEADER :]


@given(st.dictionaries(NAMES, VALUES, max_size=8), st.binary(max_size=500))
def test_a_call_is_read_as_it_was_said(environ: dict[bytes, bytes], stdin: bytes) -> None:
    call = wire.Call(body_of(wire.call(b"1 2 3", 4026531840, "rail-sriov", environ, stdin)))
    assert (call.build, call.netns, call.program, call.stdin) == (
        b"1 2 3", 4026531840, "rail-sriov", stdin,
    )  # fmt: skip
    said = {key.encode(errors="surrogateescape"): value for key, value in call.environ.items()}
    assert {k: v.encode(errors="surrogateescape") for k, v in said.items()} == environ


@given(st.integers(0, 255), st.binary(max_size=500), st.binary(max_size=500), st.integers(0, 5))
def test_a_reply_is_read_as_it_was_said(
    code: int, stdout: bytes, stderr: bytes, beats: int
) -> None:
    said = wire.WORKING * beats + wire.reply(code, stdout, stderr)
    assert wire.read_reply(said) == (code, stdout, stderr)
    for end in range(len(said)):
        assert wire.read_reply(said[:end]) is None


@given(st.binary(max_size=200))
def test_rubbish_is_no_call(body: bytes) -> None:
    with suppress(wire.MalformedError):
        wire.Call(body)
        assert len(body) >= FIELDS * 4  # each field states its length


@pytest.mark.parametrize(
    "header",
    [b"GET / HTTP/1", b"railcni\x02\0\0\0\1", wire.MAGIC + b"\xff\xff\xff\xff", b"\0" * 12],
)
def test_another_protocol_is_told_from_ours(header: bytes) -> None:
    with pytest.raises(wire.MalformedError):
        wire.length_of(header)


@pytest.mark.parametrize("answer", [b"?", wire.READY, wire.DONE + b"\0\0\0\2ab"])
def test_another_answer_than_a_reply(answer: bytes) -> None:
    with pytest.raises(wire.MalformedError):
        wire.read_reply(answer)
