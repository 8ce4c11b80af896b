from random import Random

import pytest

from stages.formats.chat.rejects import Reject
from stages.instruct.options import OptionFormat, answered, read_formats

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


@pytest.mark.parametrize(
    ("options", "answer", "found"),
    [
        (["(A) DNA", "(B) bird"], "(B)", (["DNA", "bird"], "bird")),
        (["(A) DNA", "(B) bird"], "B", (["DNA", "bird"], "bird")),
        (["(A) DNA", "(B) bird"], "(A) DNA", (["DNA", "bird"], "DNA")),
        (["(A) DNA", "bird"], "bird", (["(A) DNA", "bird"], "bird")),
        (["yes", "no"], "no", (["yes", "no"], "no")),
        (["yes", "no"], 0, (["yes", "no"], "yes")),
        (["yes", "no"], -1, None),
        (["yes", "no"], True, None),
        (["red", "blue"], "B", (["red", "blue"], "blue")),
        (["red", "blue"], "C", None),
        (["yes", "no"], "", None),
        (["yes", "no"], "maybe", None),
        (["A", "B"], "B", (["A", "B"], "B")),
    ],
)
def test_an_answer_is_one_of_the_options_by_text_label_or_number(
    options: list[str], answer: object, found: tuple[list[str], str] | None
) -> None:
    row = {"options": options, "answer": answer}
    if found is None:
        with pytest.raises(Reject, match="answer_not_an_option"):
            answered(row)
    else:
        assert answered(row) == {"options": found[0], "answer": found[1]}


@pytest.mark.parametrize("row", [{"options": ["x"]}, {"options": [], "answer": "x"}, {"answer": "x"}])
def test_a_row_without_options_stays_as_it_is(row: dict[str, object]) -> None:
    assert answered(row) == row


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
