"""The mirror of Debian that the machine has configured is found, however it is written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm.sources import Source, deb822, find, one_line

DEB822 = """\
# The machine's own.
Types: deb deb-src
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /etc/keys/debian.gpg

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


MIRROR = "https://mirror.example/debian"


def test_a_deb822_file_is_read() -> None:
    assert list(deb822(DEB822)) == [Source(MIRROR, "/etc/keys/debian.gpg")]


def test_a_key_inside_a_stanza_is_handed_on_as_it_is() -> None:
    key = (
        "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n -----END PGP PUBLIC KEY BLOCK-----"
    )
    stanza = f"Types: deb\nURIs: http://a/debian\nSuites: sid\nComponents: main\nSigned-By:{key}\n"
    (source,) = deb822(stanza)
    assert source.signed_by == key
    (again,) = deb822(source.stanza("sid"))
    assert again == source


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb http://a/debian bookworm main", Source("http://a/debian")),
        (
            "deb [arch=amd64 signed-by=/k.gpg] http://a/debian trixie main # ours",
            Source("http://a/debian", "/k.gpg"),
        ),
        (
            "deb mirror+file:/etc/apt/mirrors.list bookworm-backports contrib main",
            Source("mirror+file:/etc/apt/mirrors.list"),
        ),
    ],
)
def test_a_line_is_read(line: str, expected: Source) -> None:
    assert list(one_line(line)) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "# deb http://a/debian bookworm main",
        "deb-src http://a/debian bookworm main",
        "deb http://a/debian-security bookworm-security main",
        "deb http://a/ubuntu jammy main",
        "deb https://packages.example/apt example-bookworm main",
        "deb http://a/debian bookworm contrib",
        "deb cdrom:[Debian]/ bookworm main",
        "deb http://a/debian",
    ],
)
def test_what_is_no_mirror_of_debian_is_passed_over(line: str) -> None:
    assert list(one_line(line)) == []


def test_a_stanza_that_is_switched_off_is_passed_over() -> None:
    assert list(deb822("Enabled: no\n" + DEB822)) == []


def test_the_machines_mirrors_are_found_each_once(tmp_path: Path) -> None:
    assert find(tmp_path) == []
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "debian.sources").write_text(DEB822)
    (folder / "debian.sources.save").write_text("deb http://old/debian bookworm main")
    assert [source.uri for source in find(tmp_path)] == [MIRROR]
    (tmp_path / "sources.list").write_text("deb http://first/debian bookworm main\n")
    assert [source.uri for source in find(tmp_path)] == ["http://first/debian", MIRROR]
