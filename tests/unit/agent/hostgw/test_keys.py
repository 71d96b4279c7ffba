"""The keys: whose file, how many, and that nobody ever reads one in a message."""

from __future__ import annotations

import os
import traceback
from dataclasses import FrozenInstanceError
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest

from cni.agent.hostgw import echo
from cni.agent.hostgw.echo import Echo, EchoError, Kind, Way
from cni.agent.hostgw.keys import Key, Keys, load
from cni.protocol.errors import CniError, Code

FIRST, SECOND, THIRD = ("0123456789abcdef" * 4, "fedcba9876543210" * 4, "correct horse " * 4)


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "hostgw.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def refusal(path: Path) -> CniError:
    with pytest.raises(CniError) as caught:
        load(path)
    assert caught.value.code == Code.INVALID_CONFIG
    assert str(path) in caught.value.msg
    assert caught.value.details, "it says what to do"
    return caught.value


def test_the_first_line_signs_and_both_are_known(tmp_path: Path) -> None:
    keys = load(written(tmp_path, f"\n {FIRST}\r\n\n{SECOND}"))
    one, other = Key.of(FIRST.encode()), Key.of(SECOND.encode())
    assert (keys.own, *keys.keys) == (one, one, other)
    assert keys.named(one.number) == one
    assert keys.named(other.number) == other
    assert keys.named(Key.of(THIRD.encode()).number) is None


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_only_root_may_read_it(tmp_path: Path, mode: int) -> None:
    assert len(load(written(tmp_path, FIRST, mode)).keys) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o440, 0o610, 0o601])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, FIRST, mode)
    error = refusal(path)
    assert "can be read by others than root" in error.msg
    assert error.details == f"chmod 600 {path}"


def test_so_is_somebody_elses(tmp_path: Path) -> None:
    path = written(tmp_path, FIRST)
    os.chown(path, 65534, 0)
    assert "belongs to user 65534, expected root" in refusal(path).msg


def test_a_missing_one_says_how_one_is_made(tmp_path: Path) -> None:
    error = refusal(tmp_path / "hostgw.key")
    assert "is missing" in error.msg
    assert "openssl rand -hex 32" in error.details
    assert "umask 077" in error.details


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has 0 keys, expected one or two"),
        (" \n\t\n", "has 0 keys, expected one or two"),
        (f"{FIRST}\n{SECOND}\n{THIRD}\n", "has 3 keys, expected one or two"),
        (FIRST[:31], "has 31 characters as key 1, expected 32 or more"),
        (f"{FIRST}\n{SECOND[:31]}", "has 31 characters as key 2, expected 32 or more"),
    ],
)
def test_how_many_and_how_long(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(written(tmp_path, text)).msg


def test_thirty_two_characters_are_enough(tmp_path: Path) -> None:
    assert load(written(tmp_path, FIRST[:32])).own == Key.of(FIRST[:32].encode())


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (FIRST, 0o644),
        (FIRST[:31], 0o600),
        (f"{FIRST}\n{SECOND[:31]}", 0o600),
        (f"{FIRST}\n{SECOND}\n{THIRD}", 0o600),
    ],
)
def test_no_error_repeats_a_key(tmp_path: Path, text: str, mode: int) -> None:
    error = refusal(written(tmp_path, text, mode))
    shown = "".join(traceback.format_exception(error)) + repr(error) + error.details
    for secret in text.splitlines():
        assert secret[:31] not in shown


def test_no_words_of_a_key_have_it_in_them() -> None:
    key = Key.of(FIRST.encode())
    keys = Keys((key, Key.of(SECOND.encode())))
    for shown in (repr(key), str(key), f"{key}", repr(keys), str(keys), repr([keys]), f"{keys!s}"):
        assert FIRST not in shown
        assert SECOND not in shown
        assert key.number.hex() in shown  # which key it is may be known
    with pytest.raises(FrozenInstanceError) as frozen:
        key.secret = b""  # type: ignore[misc]
    assert FIRST not in str(frozen.value)


def test_a_number_tells_keys_apart_and_is_no_part_of_one() -> None:
    numbers = {Key.of(text.encode()).number for text in (FIRST, SECOND, THIRD)}
    assert len(numbers) == 3
    assert {len(number) for number in numbers} == {4}
    assert all(number not in FIRST.encode() for number in numbers)


def test_a_rotation_never_leaves_nodes_that_do_not_know_each_other() -> None:
    old, new = Key.of(FIRST.encode()), Key.of(SECOND.encode())
    stages = [Keys((old,)), Keys((old, new)), Keys((new, old)), Keys((new,))]
    said = Echo(Kind.REQUEST, Way.NODE, bytes(16), ip_address("10.0.0.1"), ip_address("::1"))
    for before, after in pairwise(stages):  # some nodes are one step ahead
        for sender, receiver in ((before, after), (after, before), (after, after)):
            assert echo.unpack(echo.pack(said, sender.own), receiver) == said
    with pytest.raises(EchoError, match="unknown key"):
        echo.unpack(echo.pack(said, stages[0].own), stages[-1])
