from __future__ import annotations

import pytest

from stages.formats.calls.scan import MAX_DEPTH, Brackets

WHOLE = [
    "()",
    "(a, (b), [c, {d}])",
    '("a) b")',
    "('it\\'s)')",
    '("a\\\\")',
    "(l'eau (de) vie)",
    "(x='a)b', y=\"c]d\")",
    "(r'a\\)b', 'c' 'd)')",
    '{"t": "</tool_call>", "u": "}"}',
    '("","a)")',
    "(\n   'x)')",
]


@pytest.mark.parametrize("text", WHOLE)
def test_the_end_is_the_bracket_that_closes_the_first_in_every_cut(text: str) -> None:
    assert Brackets().feed(text + ") tail") == len(text)
    for cut in range(1, len(text)):
        brackets = Brackets()
        assert brackets.feed(text[:cut]) is None
        assert brackets.feed(text[cut:] + " tail)") == len(text) - cut
        assert not brackets.problem


@pytest.mark.parametrize(
    ("text", "lack"),
    [
        ("(a", "unclosed_bracket"),
        ('("a)', "unclosed_string"),
        ('("a\\")', "unclosed_string"),
        ("(a]", "mismatched_bracket"),
        ("(" * (MAX_DEPTH + 1), "too_deep"),
    ],
)
def test_a_text_without_an_end_says_why(text: str, lack: str) -> None:
    brackets = Brackets()
    end = brackets.feed(text)
    assert (end is None) == (not brackets.problem)
    assert brackets.lack == lack
