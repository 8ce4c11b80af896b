"""What is held back of a growing text."""

from __future__ import annotations

import pytest

from stages.serve.rows import held_back


@pytest.mark.parametrize(
    ("text", "until", "held"),
    [
        ("abc", (), 0),
        ("abc", ("x",), 0),
        ("abc", ("cd",), 1),
        ("abc", ("bcd", "cx"), 2),
        ("aaa", ("aaaa",), 3),
        ("", ("stop",), 0),
        ("中", ("中文",), 1),
    ],
)
def test_the_longest_begin_of_a_stop_text_is_held_back(text: str, until: tuple[str, ...], held: int) -> None:
    assert held_back(text, until) == held
