"""Turns of a published conversation, made a chat: one order of roles, no blank turns, nothing dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stages.formats.chat.chats import Message, text_message
from stages.formats.chat.rejects import Reject
from stages.formats.published.turns import Turn

NO_INPUT = ("<noinput>", "<no input>", "noinput", "no input")


def asked(instruction: str, given: str) -> str:
    """Return the question that an instruction and its input make."""
    given = without_mark(given)
    return f"{instruction.strip()}\n\n{given}" if given else instruction.strip()


def without_mark(given: str) -> str:
    """Return an input without white space around it; "" for a mark that says that there is none."""
    return "" if given.strip().lower() in NO_INPUT else given.strip()


def ordered(turns: Sequence[Turn], mended: Counter[str]) -> tuple[Message, ...]:
    """Return the messages: a system message or none, then question and answer in turn, an answer last.

    An answer before the first question and a question after the last answer are cut off, and counted in `mended`.
    Raises Reject for turns in another order, for a blank one, and for a conversation without an answer.
    """
    system = [turn for turn in turns[:1] if turn.role == "system" and turn.text.strip()]
    rest = list(turns[1:] if turns and turns[0].role == "system" else turns)
    if rest and rest[0].role == "assistant":
        del rest[0]
        mended["answer_before_the_first_question"] += 1
    if rest and rest[-1].role == "user" and len(rest) > 1:
        rest.pop()
        mended["question_without_an_answer"] += 1
    if len(rest) < 2:
        raise Reject("no_answer", _shown(turns))
    for place, turn in enumerate(rest):
        if turn.role != ("user", "assistant")[place % 2]:
            raise Reject("wrong_order", " ".join(each.role for each in turns))
        if not turn.text.strip():
            raise Reject("blank_turn", _shown(turns))
    return tuple(text_message(turn.role, turn.text.strip()) for turn in (*system, *rest))


def _shown(turns: Sequence[Turn]) -> str:
    return " | ".join(f"{turn.role}: {turn.text}" for turn in turns)
