"""What each way makes of networks as they are found on nodes, file by file."""

from __future__ import annotations

import pytest

from install.conflist.document import ConflistError
from install.conflist.ways import Way, chain, unchain
from tests.unit.conflist.folders import GOLDEN, KEYS, after, files_of, given

CASES = [
    (case.name, way) for case in sorted(GOLDEN.iterdir()) for way in Way if (case / way).is_dir()
]
REFUSED = [
    (file.parent.name, Way(file.stem), file.read_text("utf-8").strip())
    for file in sorted(GOLDEN.glob("*/*.refused"))
]


def test_every_case_has_an_outcome_for_every_way() -> None:
    outcomes = {*CASES, *((case, way) for case, way, _ in REFUSED)}
    assert outcomes == {(case.name, way) for case in GOLDEN.iterdir() for way in Way}


@pytest.mark.parametrize(("case", "way"), CASES)
def test_the_folder_afterwards(case: str, way: Way) -> None:
    files = given(case)
    assert after(files, chain(files, KEYS, way)) == files | files_of(GOLDEN / case / way)


@pytest.mark.parametrize(("case", "way"), CASES)
def test_the_way_out_leaves_what_was_there(case: str, way: Way) -> None:
    files = given(case)
    chained = after(files, chain(files, KEYS, way))
    assert after(chained, unchain(chained, is_copied=False)) == files


@pytest.mark.parametrize(("case", "way", "words"), REFUSED)
def test_what_is_refused(case: str, way: Way, words: str) -> None:
    with pytest.raises(ConflistError) as refusal:
        chain(given(case), KEYS, way)
    assert str(refusal.value) == words
