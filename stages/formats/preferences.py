"""The format of preferences, JSONL: a prompt a line, with responses and their ranking. Candidates lack the ranking.

    {"prompt": [{"role": "user", "content": "..."}], "responses": [{"text": "...", "source": "..."}, ...],
     "ranks": [1, 2, 2, 3], "ranked_by": "...", "source": "...", "reasons": ["..."]}

1 is the best rank; equal ranks are a tie. The messages of a prompt are those of chats (stages/formats/chat/chats.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from stages.formats.chat.chats import Message, message_record, parse_message
from stages.formats.jsonl import Item, parse_lines
from stages.shared.files import write_atomic

_FIELDS = "{prompt: [{role, content}, ...], responses: [{text, source}, ...]"


@dataclass(frozen=True)
class Response:
    """One answer to a prompt."""

    text: str
    source: str = ""
    """Writer of the text, such as the policy's name; labellers do not see it."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """A prompt and the responses that somebody may rank: at least two."""

    prompt: tuple[Message, ...]
    """Ends with the message that the responses answer."""
    responses: tuple[Response, ...]
    source: str = ""
    """Origin of the prompt, such as a data set or a part of it."""

    @property
    def key(self) -> str:
        """Digest of the prompt and the responses' texts in their order: the name of what is ranked."""
        record = [[message_record(each) for each in self.prompt], [each.text for each in self.responses]]
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Preference(Candidates):
    """Responses with their ranking by one judge: a person, a model or a rule."""

    ranks: tuple[int, ...]
    """Rank of each response from 1, the best; equal ranks are a tie."""
    ranked_by: str = ""
    reasons: tuple[str, ...] = ()

    def pairs(self) -> list[tuple[int, int]]:
        """Return the indices (better, worse) of all pairs of responses without the ties, in order of the responses."""
        ranks = self.ranks
        ordered = ((a, b) if ranks[a] < ranks[b] else (b, a) for a, b in combinations(range(len(ranks)), 2))
        return [(better, worse) for better, worse in ordered if ranks[better] != ranks[worse]]


def dense_ranks(scores: Sequence[float]) -> tuple[int, ...]:
    """Return the rank of each score, the highest first; equal scores share a rank and no rank is left out."""
    order = sorted(set(scores), reverse=True)
    return tuple(1 + order.index(score) for score in scores)


def parse_candidates(record: Mapping[str, Any]) -> Candidates:
    """Return the candidates of a record, whatever else it holds. Raises ValueError, KeyError or TypeError if none."""
    prompt = tuple(parse_message(each) for each in record["prompt"])
    if not prompt:
        raise ValueError("no messages in the prompt")
    responses = tuple(_response(**each) for each in record["responses"])
    if len(responses) < 2:
        raise ValueError(f"{len(responses)} responses: must be at least 2")
    return Candidates(prompt=prompt, responses=responses, source=_text(record.get("source", ""), "source"))


def parse_preference(record: Mapping[str, Any]) -> Preference:
    """Return the preference of a record. Raises ValueError, KeyError or TypeError for a record that is none."""
    candidates, ranks = parse_candidates(record), tuple(record["ranks"])
    if len(ranks) != len(candidates.responses):
        raise ValueError(f"{len(ranks)} ranks for {len(candidates.responses)} responses")
    for rank in ranks:
        if type(rank) is not int or rank < 1:
            raise ValueError(f"rank {rank!r}: must be a whole number from 1")
    reasons = record.get("reasons", [])
    if not isinstance(reasons, list):
        raise TypeError(f"reasons {reasons!r}: must be a list of texts")
    return Preference(
        **vars(candidates),
        ranks=ranks,
        ranked_by=_text(record.get("ranked_by", ""), "ranked_by"),
        reasons=tuple(_text(reason, "reasons") for reason in reasons),
    )


def _response(text: str, source: str = "") -> Response:
    return Response(_text(text, "text"), _text(source, "source"))


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{field} {value!r}: must be a text")
    return value


def to_record(item: Candidates) -> dict[str, Any]:
    """Return the JSON value of candidates or of a preference, without empty fields."""
    record: dict[str, Any] = {
        "prompt": [message_record(each) for each in item.prompt],
        "responses": [
            {name: value for name, value in vars(each).items() if value or name == "text"} for each in item.responses
        ],
    }
    others = {name: value for name, value in vars(item).items() if name not in record and value}
    return {**record, **others}


def to_line(item: Candidates) -> str:
    """Return the line of candidates or of a preference, with its line feed."""
    return json.dumps(to_record(item), ensure_ascii=False, sort_keys=True) + "\n"


def write_candidates(path: Path, items: Iterable[Candidates]) -> None:
    """Write candidates, or preferences, one a line, in order, atomically."""
    write_atomic(path, (to_line(item).encode("utf-8", "replace") for item in items))


def write_preferences(path: Path, preferences: Iterable[Preference]) -> None:
    """Write one preference a line, in order, atomically."""
    write_candidates(path, preferences)


def read_candidates(path: Path) -> Iterator[Candidates]:
    """Yield the candidates of a file in order. Raises DataError, naming file and line, for a line that is none."""
    return _read(path, parse_candidates, "not candidates", f"{_FIELDS}}}")


def read_preferences(path: Path) -> Iterator[Preference]:
    """Yield the preferences of a file in order. Raises DataError, naming file and line, for a line that is none."""
    return _read(path, parse_preference, "not a preference", f"{_FIELDS}, ranks: [1, 2]}}")


def _read(path: Path, parse: Callable[[Mapping[str, Any]], Item], problem: str, fields: str) -> Iterator[Item]:
    return parse_lines(path, lambda record, _number: parse(record), problem, f"Write one JSON object a line: {fields}")
