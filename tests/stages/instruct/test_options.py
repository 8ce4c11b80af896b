from random import Random

import pytest

from stages.instruct.options import OptionFormat, read_formats
from stages.instruct.rejects import Reject

ROW = {"question": "Which?", "options": ["{red}", "blue"], "answer": "blue"}


@pytest.mark.parametrize(
    ("mark", "block", "answer"),
    [
        ("- ", "Options:\n- {red}\n- blue;", "blue"),
        ("({upper}) ", "Options:\n(A) {red}\n(B) blue;", "(B)"),
        ("[{lower}] ", "Options:\n[a] {red}\n[b] blue;", "[b]"),
        ("- {upper}) ", "Options:\n- A) {red}\n- B) blue;", "B"),
        (" {number}: ", "Options:\n 1: {red}\n 2: blue;", "2"),
    ],
)
def test_the_answer_is_the_mark_of_its_option(mark: str, block: str, answer: str) -> None:
    assert OptionFormat("Options:", mark, ";").lay_out(ROW) == {**ROW, "options_block": block, "answer": answer}


def test_rows_without_options_or_with_more_than_letters_are_rejected() -> None:
    for row, reason in (({}, "no_options"), ({"options": ["x"] * 27, "answer": "x"}, "too_many_options")):
        with pytest.raises(Reject, match=reason):
            OptionFormat("", "- ", "").lay_out(row)


def test_every_shipped_format_shows_each_option_on_its_line() -> None:
    formats = read_formats()
    drawn = {formats.draw(Random(seed)) for seed in range(2000)}
    assert {each.mark for each in drawn} == set(formats.marks)
    assert {each.intro for each in drawn} == set(formats.intros)
    assert len(formats.intros) == 16
    for each in drawn:
        row = each.lay_out(ROW)
        lines = row["options_block"].split("\n")
        assert len(lines) == 3
        assert lines[1].endswith("{red}")
        assert row["answer"] == "blue" or row["answer"] in lines[2]
