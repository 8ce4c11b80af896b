from collections import Counter

import pytest

from stages.formats.chat.rejects import Reject
from stages.formats.published.turns import Turn
from stages.synthesize.ready.turns import asked, ordered

Q, A, S, BLANK = Turn("user", " q "), Turn("assistant", "a"), Turn("system", "s"), Turn("assistant", " \n")


def roles(*turns: Turn) -> tuple[str, Counter[str]]:
    mended: Counter[str] = Counter()
    return "".join(message.role[0] for message in ordered(turns, mended)), mended


def test_a_chat_has_question_and_answer_in_turn() -> None:
    assert roles(Q, A) == ("ua", {})
    assert roles(S, Q, A, Q, A) == ("suaua", {})
    assert roles(Turn("system", " "), Q, A) == ("ua", {})
    assert roles(A, Q, A) == ("ua", {"answer_before_the_first_question": 1})
    assert roles(S, A, Q, A, Q) == (
        "sua", {"answer_before_the_first_question": 1, "question_without_an_answer": 1},
    )  # fmt: skip
    assert ordered((Q, A), Counter())[0].text == "q"


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ((), "no_answer"),
        ((Q,), "no_answer"),
        ((A,), "no_answer"),
        ((S,), "no_answer"),
        ((S, A, Q), "no_answer"),
        ((Q, Q, A), "wrong_order"),
        ((Q, A, A), "wrong_order"),
        ((Q, S, A), "wrong_order"),
        ((Q, BLANK), "blank_turn"),
        ((Turn("user", ""), A), "blank_turn"),
    ],
)
def test_another_order_is_rejected_with_its_reason(turns: tuple[Turn, ...], reason: str) -> None:
    with pytest.raises(Reject, match=reason):
        roles(*turns)


def test_an_input_stands_below_its_instruction() -> None:
    assert (asked(" Add. ", "1, 2\n"), asked("Sing", " \n")) == ("Add.\n\n1, 2", "Sing")
