"""The format of call scores: how often answers call the right API. `tools.score` writes it; the report reads it.

    call_scores.json   {"answers", "hub", "modes": {mode: {verdict: n}}, "reasons": {reason: n}, "samples": []}
verdicts.jsonl     the fields of CallVerdict, an answer a line
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json

Hub = Literal["torchhub", "tensorflow", "huggingface", "functions"]
Verdict = Literal["correct", "wrong", "hallucination", "noformat", "unparsed", "refused", "called"]
"""`wrong`: an API of another domain; of functions another API, or other arguments. `hallucination`: no API of the file.
`noformat`: no `api_call`. `unparsed`: no call that parses (strict mode alone). On a request that no API serves the
verdict is `refused` or `called`."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
UNSERVED: tuple[Verdict, ...] = ("refused", "called")
Mode = Literal["published", "strict"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, kw_only=True)
class CallVerdict:
    """The verdicts on one answer."""

    question: str
    published: Verdict
    published_api: int
    """Place of the API in its file; -1: none."""
    strict: Verdict
    strict_api: int
    why: str = ""
    """Reason why the modes differ in verdict or API; empty: they agree."""

    def verdict(self, mode: Mode) -> Verdict:
        """Return the verdict of a mode."""
        return self.published if mode == "published" else self.strict


@dataclass(frozen=True, kw_only=True)
class CallScores:
    """Counts over the answers of one file."""

    answers: str
    """Name of the answers."""
    hub: Hub
    modes: Mapping[str, Mapping[str, int]]
    """Answers by mode and verdict."""
    reasons: Mapping[str, int]
    """Answers on which the modes differ, by reason."""
    samples: Sequence[Mapping[str, Any]] = ()
    """Some of those, to read: verdicts, the answer, and the API of each mode."""

    def share(self, mode: Mode, verdict: Verdict) -> float:
        """Return the share of a verdict, from 0 to 1: `correct` is the accuracy. 0 without answers.

        `refused` and `called` are shares of the requests that no API serves, the others of those that one serves.
        """
        counts = self.modes[mode]
        total = sum(count for each, count in counts.items() if (each in UNSERVED) == (verdict in UNSERVED))
        return counts.get(verdict, 0) / total if total else 0.0


def write_call_scores(path: Path, scores: CallScores) -> None:
    """Write scores, atomically."""
    write_json(path, asdict(scores))


def read_call_scores(path: Path) -> CallScores:
    """Return the scores of a file. Raises DataError if it holds none."""
    try:
        return CallScores(**read_json(path))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not call scores ({error!r})", "Run the unit that wrote it again") from error
