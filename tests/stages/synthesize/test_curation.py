"""Rules of the curation: sentences that stand twice, in English and Chinese."""

from __future__ import annotations

import pytest

from stages.synthesize.curation import repeated


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("A fox runs. A hare sits. a  fox RUNS!", "a fox RUNS!"),
        ("A fox runs. A fox sits.", ""),
        ("一只狐狸在跑。天很蓝。一只狐狸在跑", "一只狐狸在跑"),
        ("一只狐狸在跑。两只狐狸在跑。", ""),
        ("They look left. ### They look left.", "### They look left."),
        ("", ""),
        ("... ... ...", ""),
    ],
)
def test_the_first_sentence_that_stands_twice_is_found(text: str, again: str) -> None:
    assert repeated(text) == again
