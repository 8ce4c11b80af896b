"""The format of a judgement: verdicts on pairs of answers, and win rates of policies. People, models and rules judge.

verdicts.jsonl    a verdict a line: the fields of Verdict
judgement.json    the fields of Judgement

`align.judge` and `align.label` write them; the report reads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from stages.formats.chat.chats import Message, message_record, parse_message
from stages.formats.jsonl import parse_lines
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_atomic, write_json

Outcome = Literal["win", "tie", "loss", "unparsed"]
"""Of a policy's answer against the other one. `unparsed`: the judge gave no verdict that can be read."""
Control = Literal["", "same", "shuffled"]
"""`same`: a policy against itself. `shuffled`: its answers to other prompts against its own. Empty: no control."""
Place = Literal["first", "second", "tie"]
"""The better answer of two as an endpoint saw them."""
PLACES: tuple[Place, ...] = get_args(Place)
JudgeKind = Literal["endpoint", "reward", "people"]
VALUES: Mapping[Outcome, float] = {"win": 1.0, "tie": 0.5, "loss": 0.0}
"""What an outcome counts in a win rate; `unparsed` counts for no side."""
_REMEDY = "Run the unit that wrote it again"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A judge's verdict on two answers to one prompt."""

    prompt: tuple[Message, ...]
    source: str
    """Origin of the prompt."""
    sample: int
    """Number of the answers among those of their policies to the prompt."""
    policy: str
    against: str
    answers: tuple[str, str]
    """Of `policy` and of `against`."""
    judge: str
    """Name of the model, or of the person."""
    rubric: str
    """Name of what the answers were compared by; empty: as a whole."""
    outcome: Outcome
    control: Control = ""
    scores: tuple[float, float] | None = None
    """Scores of both answers; None: there are none."""
    readings: tuple[str, ...] = ()
    """For each order in which an endpoint saw the answers, the policy's first: `first`, `second` or `tie`; else the
    reason why nothing could be read."""

    @property
    def value(self) -> float | None:
        """1 for a win, 1/2 for a tie, 0 for a loss; None for a verdict that could not be read."""
        return VALUES.get(self.outcome)


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """How often a policy's answers are better than those of another one; a tie counts half."""

    policy: str
    rubric: str
    """Empty: all rubrics of a pair together."""
    source: str
    """Origin of the prompts; empty: all."""
    control: Control
    prompts: int
    """Prompts with a verdict that could be read."""
    wins: int
    ties: int
    losses: int
    unparsed: int
    rate: float | None
    """Mean over prompts, from 0 to 1; None without verdicts."""
    low: float | None
    high: float | None
    """The 95 % interval of `rate`."""
    length_controlled: float | None
    """Rate at equal lengths."""
    longer: float | None
    """Share of decided pairs that the longer answer won; None without any."""
    first: int
    """Pairs in which the answer that was shown first won in both orders."""
    second: int
    """Pairs in which the answer that was shown second won in both orders."""
    scores: tuple[float, float] | None
    """Mean scores of the policy's answers and of the others; None: there are none."""

    @property
    def relative(self) -> float | None:
        """Mean score of the policy's answers over that of the others, as LLaVA has it (arXiv:2304.08485, section 5).

        None without scores, and for rewards, which may be negative.
        """
        return self.scores[0] / self.scores[1] if self.scores and min(self.scores) > 0 else None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Win rates by one judge."""

    kind: JudgeKind
    judge: str
    """Name of the model; of people empty."""
    against: str
    """The policy that all others are compared with."""
    rates: Sequence[WinRate]
    alone: Mapping[str, int] = field(default_factory=dict)
    """Answers without a counterpart, by policy."""
    readings: Mapping[str, int] = field(default_factory=dict)
    """Answers of an endpoint by rubric, those that could not be read among them."""
    unparsed: Mapping[str, int] = field(default_factory=dict)
    """Answers of an endpoint, or scores, that could not be read, by reason."""


def _verdict_record(verdict: Verdict) -> dict[str, Any]:
    return {**vars(verdict), "prompt": [message_record(each) for each in verdict.prompt]}


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> None:
    """Write one verdict a line, in order, atomically."""
    lines = (json.dumps(_verdict_record(each), ensure_ascii=False, sort_keys=True) + "\n" for each in verdicts)
    write_atomic(path, "".join(lines).encode("utf-8", "replace"))


def read_verdicts(path: Path) -> list[Verdict]:
    """Return the verdicts of a file in order. Raises DataError, naming file and line, for a line that is none."""
    return list(parse_lines(path, _verdict, "not a verdict", _REMEDY))


def _verdict(record: dict[str, Any], _number: int) -> Verdict:
    one, other = record["answers"]
    return Verdict(
        **{
            **record,
            "prompt": tuple(parse_message(each) for each in record["prompt"]),
            "answers": (one, other),
            "scores": _pair(record["scores"]),
            "readings": tuple(record["readings"]),
        }
    )


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return None if values is None else (values[0], values[1])


def write_judgement(path: Path, judgement: Judgement) -> None:
    """Write a judgement, atomically."""
    write_json(path, asdict(judgement))


def read_judgement(path: Path) -> Judgement:
    """Return the judgement of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        rates = [WinRate(**{**each, "scores": _pair(each["scores"])}) for each in value["rates"]]
        return Judgement(**{**value, "rates": rates})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a judgement ({error!r})", _REMEDY) from error
