"""Scores answers by the API that they call, in the published mode and in the strict one, with the reason of each
difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from stages.formats.calls.apis import Api
from stages.formats.calls.questions import Question
from stages.formats.calls.scores import MODES, VERDICTS, CallScores, CallVerdict, Hub, Verdict
from stages.tools.gorilla.published import MARK, Match, PublishedMatcher, answered_code
from stages.tools.gorilla.strict import Strict, StrictMatcher


class Scorer:
    """Scores answers to questions about the APIs of one hub."""

    def __init__(self, apis: Sequence[Api], hub: Hub) -> None:
        calls = [api.api_call for api in apis]
        self._apis, self._hub = apis, hub
        self._published, self._strict = PublishedMatcher(calls, hub), StrictMatcher(calls, hub)

    def score(self, question: Question, text: str) -> CallVerdict:
        """Return the verdicts on an answer. Raises ValueError for a question without an API: hubs publish none."""
        if question.api is None:
            raise ValueError(f"question {question.id} has no API")
        domain = question.api.domain
        code = answered_code(text, self._hub)
        match = Match(-1) if code is None else self._published.match(code)
        strict = self._strict.match(text)
        ours = self._strict_api(strict, domain)
        row = CallVerdict(
            question=question.id,
            published="noformat" if code is None else self._verdict(match.api, domain),
            published_api=match.api,
            strict=self._strict_verdict(text, strict, ours, domain),
            strict_api=ours,
        )
        is_same = (row.published, row.published_api) == (row.strict, row.strict_api)
        return row if is_same else replace(row, why=_why(row, match, strict))

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


def _why(row: CallVerdict, match: Match, strict: Strict) -> str:
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


def scores_of(answers: str, hub: Hub, rows: Sequence[CallVerdict]) -> CallScores:
    """Return the counts of rows."""
    modes = {mode: Counter(row.verdict(mode) for row in rows) for mode in MODES}
    return CallScores(
        answers=answers,
        hub=hub,
        modes={mode: {verdict: counts[verdict] for verdict in VERDICTS} for mode, counts in modes.items()},
        reasons=dict(Counter(row.why for row in rows if row.why).most_common()),
    )
