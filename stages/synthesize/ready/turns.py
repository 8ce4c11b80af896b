"""Turns of a published conversation, made a chat: one order of roles, no blank turns, nothing dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stages.formats.chat.chats import Message, Role, text_message
from stages.formats.chat.rejects import Reject

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("human", "user", "prompter"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bing", "bard", "claude", "assistant", "bot", "model"), "assistant"),
    "system": "system",
}
"""Roles by the names that published data has for them, in lower case."""


NO_INPUT = ("<noinput>", "<no input>", "noinput", "no input")


class Turn(NamedTuple):
    """One turn, before it is checked."""

    role: Role
    text: str


def role_of(name: Any) -> Role:
    """Return the role that a name stands for. Raises Reject for one that is not known."""
    role = ROLES.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        raise Reject("unknown_role", repr(name))
    return role


def text_of(value: Any, field: str) -> str:
    """Return a field's text; a null is an empty one. Raises Reject for another type."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Reject("not_a_text", f"{field}: {value!r}")
    return value


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
