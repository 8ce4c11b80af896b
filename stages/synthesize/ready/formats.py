"""Published formats of instruction data: a record's conversations as turns, before they are checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stages.formats.chat.rejects import Reject
from stages.formats.published.turns import Turn, role_of, text_of
from stages.synthesize.config import FIELDS, Format, ReadySettings
from stages.synthesize.ready.html import unwrapped
from stages.synthesize.ready.trees import threads
from stages.synthesize.ready.turns import asked

Record = Mapping[str, Any]
SPOKEN = re.compile(r"^[ \t]*(Human|Assistant)[ \t]*[:：]", re.MULTILINE)
"""Begins a turn within an instruction of BELLE's multi-turn data."""


def conversations(record: Any, settings: ReadySettings) -> Iterator[list[Turn]]:
    """Yield the conversations of a record. Raises Reject for one that the format does not allow."""
    if not isinstance(record, Mapping):
        raise Reject("not_an_object", repr(record))
    try:
        yield from _READERS[settings.format](record, settings)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Reject("other_format", f"{type(error).__name__}: {error}") from error


def _alpaca(record: Record, settings: ReadySettings) -> Iterator[list[Turn]]:
    instruction, given = (text_of(record.get(name), name) for name in ("instruction", "input"))
    yield [Turn("user", asked(instruction, given)), Turn("assistant", text_of(record["output"], "output"))]


def _belle(record: Record, settings: ReadySettings) -> Iterator[list[Turn]]:
    """Yield a conversation as Alpaca's, or the turns that the instruction spells out. The output ends both."""
    instruction = text_of(record["instruction"], "instruction")
    if not SPOKEN.match(instruction):
        yield from _alpaca(record, settings)
        return
    pieces = SPOKEN.split(instruction)[1:]
    turns = [Turn(role_of(role), text) for role, text in zip(pieces[::2], pieces[1::2], strict=True)]
    if turns[-1].role == "assistant" and not turns[-1].text.strip():
        turns.pop()
    yield [*turns, Turn("assistant", text_of(record["output"], "output"))]


def _dolly(record: Record, settings: ReadySettings) -> Iterator[list[Turn]]:
    instruction, context = (text_of(record.get(name), name) for name in ("instruction", "context"))
    yield [Turn("user", asked(instruction, context)), Turn("assistant", text_of(record["response"], "response"))]


def _sharegpt(record: Record, settings: ReadySettings) -> Iterator[list[Turn]]:
    field = next((name for (name,) in FIELDS["sharegpt"] if name in record), "conversations")
    yield [_shared_turn(turn) for turn in record[field]]


def _shared_turn(turn: Record) -> Turn:
    role = role_of(turn["from"] if "from" in turn else turn["role"])
    text = text_of(turn["value"] if "value" in turn else turn["content"], "value")
    return Turn(role, unwrapped(text) if role == "assistant" else text)


def _self_instruct(record: Record, settings: ReadySettings) -> Iterator[list[Turn]]:
    for instance in record["instances"]:
        question = asked(text_of(record["instruction"], "instruction"), text_of(instance.get("input"), "input"))
        yield [Turn("user", question), Turn("assistant", text_of(instance["output"], "output"))]


def _oasst(record: Record, settings: ReadySettings) -> Iterator[list[Turn]]:
    yield from threads(record.get("prompt", record), settings.threads)


_READERS: Mapping[Format, Callable[[Record, ReadySettings], Iterator[list[Turn]]]] = {
    "alpaca": _alpaca,
    "belle": _belle,
    "dolly": _dolly,
    "sharegpt": _sharegpt,
    "self_instruct": _self_instruct,
    "oasst": _oasst,
}
