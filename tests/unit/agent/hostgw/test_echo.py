"""The messages: what was packed is unpacked, and nothing else is."""

from __future__ import annotations

import json
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.agent.hostgw import echo
from cni.agent.hostgw.echo import LEAST, Echo, EchoError, Kind, Way, Word
from cni.agent.hostgw.keys import SIGNATURE, Key, Keys
from cni.agent.hostgw.peers import NODE_SIZE
from cni.kernel.types import Address
from tests.unit.agent.hostgw.cluster import KEY, KEYS, OTHER, OWN, PEER, PROBE, word


def _is_itself(address: Address) -> bool:
    """Return whether it is no other one in IPv6's clothes."""
    return isinstance(address, IPv4Address) or address.ipv4_mapped is None


_addresses = st.ip_addresses().filter(_is_itself)
_names = st.text(
    st.characters(min_codepoint=32, max_codepoint=126), min_size=0, max_size=64
)  # fmt: skip
_words = st.builds(Word, _names, st.booleans(), st.none() | _addresses, _names, st.booleans())
_echoes = st.builds(
    Echo,
    st.sampled_from(Kind),
    st.sampled_from(Way),
    st.binary(min_size=16, max_size=16),
    _addresses,
    _addresses,
    st.none() | _words,
)
REQUEST = Echo(Kind.REQUEST, Way.NODE, bytes(range(16)), OWN, PEER)
ANSWER = Echo(Kind.ANSWER, Way.NODE, bytes(range(16)), PEER, OWN, word())


def forged(header: bytes, words: bytes = b"", key: Key = KEY) -> bytes:
    """Return a message that is signed with the right key, whatever it says."""
    return header + words + key.sign(header + words)


def header(
    kind: int = 2, way: int = 1, length: int = 0, sender: bytes = bytes(16), magic: bytes = b"RHG1"
) -> bytes:
    ends = (sender, bytes(16))
    return struct.pack("!4sBBH4s16s16s16s", magic, kind, way, length, KEY.number, bytes(16), *ends)


def refusal(data: bytes, keys: Keys = KEYS) -> str:
    with pytest.raises(EchoError) as caught:
        echo.unpack(data, keys)
    return str(caught.value)


@given(_echoes, st.sampled_from([KEY, OTHER]), st.integers(0, 1500))
def test_what_is_packed_is_unpacked(said: Echo, key: Key, size: int) -> None:
    data = echo.pack(said, key, size)
    assert echo.unpack(data, KEYS) == said
    assert len(data) >= max(size, LEAST)
    assert len(data) == size or size < len(echo.pack(said, key))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("said", [None, word(), word(probe=None, leaving=True)])
@pytest.mark.parametrize(
    "ends", [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2"), ("10.0.0.1", "fd00::2")]
)
def test_every_kind_way_and_family(
    kind: Kind, way: Way, said: Word | None, ends: tuple[str, str]
) -> None:
    one, other = map(ip_address, ends)
    message = Echo(kind, way, bytes(16), one, other, said)
    found = echo.unpack(echo.pack(message, KEY), KEYS)
    assert found == message
    assert [type(a) for a in (found.sender, found.receiver)] == [
        IPv6Address if ":" in end else IPv4Address for end in ends
    ]


@given(_echoes, st.integers(0, 400), st.data())
def test_each_bit_counts(said: Echo, size: int, data: st.DataObject) -> None:
    packed = bytearray(echo.pack(said, KEY, size))
    place = data.draw(st.integers(0, 8 * len(packed) - 1))
    packed[place // 8] ^= 1 << place % 8
    assert refusal(bytes(packed)) in {"foreign", "unknown key", "forged"}


def test_each_bit_of_one_message_counts() -> None:
    packed = echo.pack(ANSWER, KEY)
    for place in range(8 * len(packed)):
        changed = bytearray(packed)
        changed[place // 8] ^= 1 << place % 8
        refusal(bytes(changed))


@given(_echoes, st.integers(0, 400), st.data())
def test_a_part_of_a_message_is_none(said: Echo, size: int, data: st.DataObject) -> None:
    packed = echo.pack(said, KEY, size)
    first = data.draw(st.integers(0, len(packed)))
    last = data.draw(st.integers(first, len(packed)))
    if (first, last) != (0, len(packed)):
        refusal(packed[first:last])
    refusal(packed + b"\0")


@given(st.binary(max_size=300))
def test_what_anybody_sends_is_refused(data: bytes) -> None:
    refusal(data)
    refusal(b"RHG1" + data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "foreign"),
        (echo.pack(REQUEST, KEY)[: LEAST - 1], "foreign"),
        (forged(header(magic=b"RHG2")), "foreign"),
        (echo.pack(REQUEST, Key.of(b"x" * 32)), "unknown key"),
        (header() + bytes(SIGNATURE), "forged"),
        (header() + OTHER.sign(header()), "forged"),  # by a valid key, but not the one it names
    ],
)
def test_why_one_is_refused(data: bytes, why: str) -> None:
    assert refusal(data) == why


@pytest.mark.parametrize(
    "data",
    [
        forged(header(kind=0)),
        forged(header(kind=3)),
        forged(header(way=0)),
        forged(header(way=4)),
        forged(header(length=1)),  # and there is nothing
        forged(header(length=65535)),
        forged(header(length=2), b"[]"),
        forged(header(length=2), b"{}"),
        forged(header(length=4), b"null"),
        forged(header(length=1), b"7"),
        forged(header(length=4), b"\xff\xfe\xfd\xfc"),
        forged(header(length=60000), b"[" * 60000),
        forged(header(length=5000), b"9" * 5000),
    ],
)
def test_who_has_the_key_may_talk_nonsense(data: bytes) -> None:
    assert refusal(data) == "malformed"


@pytest.mark.parametrize(
    "said",
    [
        {"mode": 3},
        {"mode": None},
        {"mode": "x" * 65},
        {"mode": "wifi\x1b[2J"},
        {"mode": "a\nb"},
        {"version": "v" * 65},
        {"version": "\x7f"},
        {"version": ["1"]},
        {"probe": "10.42.1"},
        {"probe": "10.42.1.0/24"},
        {"probe": ["10.42.1.9"]},
        {"probe": {"a": 1}},
        {"probe": 1.5},
    ],
)
def test_a_word_that_is_none(said: dict[str, object]) -> None:
    good = {"mode": "wifi", "wireless": True, "probe": "", "version": "1", "leaving": False}
    text = json.dumps(good).encode()
    assert echo.unpack(forged(header(length=len(text)), text), KEYS).word is not None
    text = json.dumps(good | said).encode()
    assert refusal(forged(header(length=len(text)), text)) == "malformed"
    for key in good:
        text = json.dumps({k: v for k, v in good.items() if k != key}).encode()
        assert refusal(forged(header(length=len(text)), text)) == "malformed"


@pytest.mark.parametrize("value", [1, "true", "yes", None, [], 0])
def test_what_is_not_true_is_false(value: object) -> None:
    said = {"mode": "w", "wireless": value, "probe": "", "version": "1", "leaving": value}
    text = json.dumps(said).encode()
    found = echo.unpack(forged(header(length=len(text)), text), KEYS).word
    assert found
    assert (found.wireless, found.leaving) == (False, False)


def test_what_a_newer_agent_adds_is_no_obstacle() -> None:
    text = json.dumps({
        "mode": "later", "wireless": True, "probe": "10.42.1.9", "version": "9", "leaving": False,
        "colour": {"red": 1},
    }).encode()  # fmt: skip
    found = echo.unpack(forged(header(length=len(text)), text), KEYS).word
    assert found == Word("later", wireless=True, probe=PROBE, version="9")


@pytest.mark.parametrize("version", ["1.2.3", "10.20.30rc4.dev5+g0123456789abcdef.dirty"])
def test_an_answer_fits_into_its_request(version: str) -> None:
    longest = ip_address("fd42:1234:5678:9abc:def0:1234:5678:9abc")
    said = Word("observe", wireless=False, probe=longest, version=version)
    answer = Echo(Kind.ANSWER, Way.NODE, bytes(16), OWN, PEER, said)
    assert len(echo.pack(answer, KEY, NODE_SIZE)) == NODE_SIZE
