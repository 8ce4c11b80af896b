"""Scores answers by the API that they call, in the published mode and in the strict one, with the reason of each
difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from stages.formats.calls.apis import Api
from stages.tools.gorilla.published import MARK, Hub, Match, PublishedMatcher, answered_code
from stages.tools.gorilla.strict import Strict, StrictMatcher

Verdict = Literal["correct", "wrong", "hallucination", "noformat", "unparsed"]
"""`wrong`: an API of another domain. `noformat`: no `api_call`. `unparsed`: no call that parses (strict mode alone)."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Mode = Literal["published", "strict"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """The verdicts on one answer."""

    question: str
    published: Verdict
    published_api: int
    """Place of the API in the file; -1: none."""
    strict: Verdict
    strict_api: int
    why: str = ""
    """Reason why the modes differ in verdict or API; empty: they agree."""

    def verdict(self, mode: Mode) -> Verdict:
        """Return the verdict of a mode."""
        return self.published if mode == "published" else self.strict


@dataclass(frozen=True, kw_only=True)
class Score:
    """Counts over the answers of one hub and one mode."""

    hub: Hub
    mode: Mode
    verdicts: Mapping[Verdict, int]

    @property
    def answers(self) -> int:
        """Number of answers."""
        return sum(self.verdicts.values())

    @property
    def accuracy(self) -> float:
        """Share of correct answers, from 0 to 1; 0 without answers."""
        return self._share("correct")

    @property
    def hallucination(self) -> float:
        """Share of answers that call no API of the file, from 0 to 1."""
        return self._share("hallucination")

    def _share(self, verdict: Verdict) -> float:
        return self.verdicts.get(verdict, 0) / self.answers if self.answers else 0.0


class Scorer:
    """Scores answers to questions about the APIs of one hub."""

    def __init__(self, apis: Sequence[Api], hub: Hub) -> None:
        calls = [api.api_call for api in apis]
        self._apis, self._hub = apis, hub
        self._published, self._strict = PublishedMatcher(calls, hub), StrictMatcher(calls, hub)

    def score(self, question: str, text: str, domain: str) -> Row:
        """Return the verdicts on an answer; `domain` is that of the question's API."""
        code = answered_code(text, self._hub)
        match = Match(-1) if code is None else self._published.match(code)
        strict = self._strict.match(text)
        ours = self._strict_api(strict, domain)
        row = Row(
            question=question,
            published="noformat" if code is None else self._verdict(match.api, domain),
            published_api=match.api,
            strict=self._strict_verdict(text, strict, ours, domain),
            strict_api=ours,
        )
        is_same = (row.published, row.published_api) == (row.strict, row.strict_api)
        return row if is_same else Row(**{**vars(row), "why": _why(row, match, strict)})

    def _verdict(self, api: int, domain: str) -> Verdict:
        if api < 0:
            return "hallucination"
        return "correct" if self._apis[api].domain == domain else "wrong"

    def _strict_api(self, strict: Strict, domain: str) -> int:
        """Return the API of the question's domain among those that match, else the first."""
        right = (api for api in strict.apis if self._apis[api].domain == domain)
        return next(right, strict.apis[0] if strict.apis else -1)

    def _strict_verdict(self, text: str, strict: Strict, api: int, domain: str) -> Verdict:
        if MARK not in text:
            return "noformat"
        return "unparsed" if strict.problem == "unparsed" else self._verdict(api, domain)


def _why(row: Row, match: Match, strict: Strict) -> str:
    """Return the reason why the modes differ.

    `no_mark`: the answer has no `api_call`, and the hub reads it as code. `name_not_called`: the published mode took
    the last sub-tree. `first_in_file`: the value is part of another API's. `only_strict`: quotes, case or order hide
    the values from the published mode. Else the strict mode's problem: the text has the values, the call has not.
    """
    if row.strict == "noformat":
        return "no_mark"
    if match.api >= 0 and not match.is_named:
        return "name_not_called"
    if strict.apis:
        return "first_in_file" if match.api >= 0 else "only_strict"
    return strict.problem


def tally(hub: Hub, mode: Mode, rows: Iterable[Row]) -> Score:
    """Return the counts of a mode."""
    counts = Counter(row.verdict(mode) for row in rows)
    return Score(hub=hub, mode=mode, verdicts={verdict: counts[verdict] for verdict in VERDICTS})


def reasons(rows: Iterable[Row]) -> dict[str, int]:
    """Return how often the modes differ, by reason, the most frequent first."""
    return dict(Counter(row.why for row in rows if row.why).most_common())


def answer_of(record: Any) -> tuple[str, str]:
    """Return question and text of a record {question_id, text}. Raises ValueError, KeyError or TypeError for others."""
    text = record["text"]
    if not isinstance(text, str):
        raise TypeError(f"text {text!r}: must be a text")
    return str(record["question_id"]), text
