"""Where things stand in JSON, and on which lines of YAML."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from install.nad.document import read
from install.nad.positions import Path, positions_in

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner)),
    max_leaves=12,
)


def paths(value: Any, path: Path = ()) -> list[tuple[Path, Any, bool]]:
    """Return every path of a value, what is there, and whether it is an object's key."""
    pairs = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    found = []
    for key, inner in pairs:
        found.append(((*path, str(key)), inner, isinstance(value, dict)))
        found += paths(inner, (*path, str(key)))
    return found


@settings(deadline=None)
@given(VALUES, st.sampled_from([None, 0, 3]), st.booleans())
def test_every_key_and_every_item_is_where_it_is(
    value: Any, indent: int | None, escaped: bool  # noqa: FBT001
) -> None:  # fmt: skip
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)
    found = positions_in(text)
    decoder = json.JSONDecoder()
    assert found.twice == ()
    for path, inner, is_key in paths(value):
        there = decoder.raw_decode(text, found.of[path])[0]
        assert there == (path[-1] if is_key else inner)


def test_a_key_that_is_there_twice() -> None:
    found = positions_in('{"a": {"b": 1, "b": 2}, "a": 3}')
    assert found.twice == ((("a", "b"), 15), (("a",), 24))


STYLES = st.sampled_from(["|", ">", "'", '"', None])
WORDS = st.lists(st.from_regex(r"[a-z'\"{}:]{1,6}", fullmatch=True), min_size=1, max_size=8)


@settings(deadline=None, max_examples=200)
@given(st.lists(WORDS, min_size=1, max_size=6), STYLES, st.sampled_from([20, 1000]))
def test_the_line_of_each_word(words: list[list[str]], style: str | None, width: int) -> None:
    value = "\n".join(" ".join(f"w{row}x{at}" for at, _ in enumerate(line)) + f" {line[0]}"
                      for row, line in enumerate(words))  # fmt: skip
    document = {"kind": "NetworkAttachmentDefinition", "spec": {"config": value}}
    text = yaml.safe_dump(document, default_style=style, width=width)
    config = read(text).nads[0].config
    assert config
    assert config.text == value
    if style == '"':
        assert {config.line_at(at) for at, _ in enumerate(value)} == {config.line}
        return
    lines = text.splitlines()
    for row, line in enumerate(words):
        for at, _ in enumerate(line):
            word = f"w{row}x{at}"
            assert word in lines[config.line_at(value.index(word)) - 1]
