"""The entry of every program, as the process that a runtime or a person starts."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.protocol import skel
from cni.protocol.supported import CURRENT, SUPPORTED, usual_answer
from cni.protocol.versions import RULES

VERSION = {"CNI_COMMAND": "VERSION"}


def start(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m cni`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CNI_")}
    return subprocess.run(
        [sys.executable, "-m", "cni", *arguments],
        input=stdin,
        env=clean | dict(env or {}),
        capture_output=True,
        check=False,
    )


def skel_answer(stdin: bytes) -> object:
    def unneeded(_: object) -> None:
        pytest.fail("VERSION asked for the plugin")

    return skel.serve(unneeded, VERSION, stdin).document  # type: ignore[arg-type]


def test_the_versions_that_are_spoken_are_those_that_have_rules() -> None:
    assert tuple(RULES) == SUPPORTED


@pytest.mark.parametrize(
    "stdin", [b"", b"\n", *(b'{"cniVersion":"%s"}\n' % version.encode() for version in SUPPORTED)]
)
def test_the_usual_answer_to_version_is_the_one_of_the_long_way(stdin: bytes) -> None:
    answer = usual_answer(stdin)
    assert answer is not None
    assert json.loads(answer) == skel_answer(stdin)


@given(
    st.one_of(
        st.binary(max_size=30),
        st.dictionaries(
            st.sampled_from(["cniVersion", "name", "prevResult"]),
            st.sampled_from([*SUPPORTED, None, {"cniVersion": CURRENT}]),
        ).map(lambda config: json.dumps(config, separators=(",", ":")).encode()),
    )
)
def test_whatever_the_input_both_ways_agree(stdin: bytes) -> None:
    answer = usual_answer(stdin)
    assert answer is None or json.loads(answer) == skel_answer(stdin)


@pytest.mark.parametrize(
    ("stdin", "version"),
    [
        (b"", CURRENT),
        (b'{"cniVersion":"0.4.0"}', "0.4.0"),
        (b'{"name": "n", "prevResult": {"cniVersion": "0.2.0"}, "cniVersion": "1.0.0"}', "1.0.0"),
    ],
)
def test_version(stdin: bytes, version: str) -> None:
    done = start("rail-sriov", env=VERSION, stdin=stdin)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "cniVersion": version,
        "supportedVersions": list(SUPPORTED),
    }
    assert done.stderr == b""


def test_a_failure_is_one_error_document() -> None:
    done = start("rail-sriov", env={"CNI_COMMAND": "ADD"}, stdin=b"{")
    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == 6


def test_without_a_command_and_without_a_terminal_it_is_an_error_document() -> None:
    done = start("rail-ipam", stdin=b"{}")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, 4)


def test_an_unknown_program_is_code_4_for_a_runtime() -> None:
    done = start("rail-nothing", env=VERSION)
    document = json.loads(done.stdout)
    assert (done.returncode, document["code"], document["cniVersion"]) == (1, 4, CURRENT)
    assert "rail-sriov" in document["msg"]


def test_an_unknown_program_is_words_for_a_person() -> None:
    done = start("rail-nothing")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"rail-sriov" in done.stderr


def test_a_person_at_a_terminal_gets_help() -> None:
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "CNI_COMMAND"}
    command = [sys.executable, "-m", "cni", "rail-sriov"]
    try:
        done = subprocess.run(command, stdin=theirs, env=env, capture_output=True, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"CNI_COMMAND=VERSION rail-sriov" in done.stderr


def test_arguments_get_help_too() -> None:
    assert b"is a CNI plugin" in start("rail-ipam", "--help").stderr


def test_a_command_gets_its_arguments() -> None:
    done = start("railctl", "version", "--output", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["cni"] == list(SUPPORTED)


def test_nobody_reads_the_reply() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cni", "rail-sriov"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        env=os.environ | VERSION,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(("closed", "code"), [("<&-", 0), (">&-", 1)])
def test_a_standard_stream_is_closed(closed: str, code: int) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m cni rail-sriov {closed}', sys.executable],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=os.environ | VERSION,
        check=False,
    )
    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)
