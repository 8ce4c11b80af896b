"""Scores calls of functions: the call must be that of the question, with its arguments.

Hubs publish models: their calls are complete, and the scorers look for an API of the question's domain. A function gets
its arguments from the request. The file of APIs says which functions there are: `hire_boat(place='place')` is known
with any place.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from stages.formats.calls.apis import Api
from stages.formats.calls.questions import Question
from stages.formats.calls.scores import CallVerdict, Hub, Verdict
from stages.tools.gorilla.published import MARK, Match, PublishedMatcher, answered_code
from stages.tools.gorilla.strict import Strict, StrictMatcher

_ALL: Hub = "huggingface"
"""The hub whose rule takes all arguments of a call as required."""


class FunctionScorer:
    """Scores answers to questions about functions. The published mode takes values that are parts of the answer's."""

    def __init__(self, apis: Sequence[Api]) -> None:
        self._known = StrictMatcher([api.api_call for api in apis], "functions")

    def score(self, question: Question, text: str) -> CallVerdict:
        """Return the verdicts on an answer."""
        known = self._known.match(text)
        api = known.apis[0] if known.apis else -1
        if question.api is None:
            verdict: Verdict = "called" if MARK in text else "refused"
            return CallVerdict(
                question=question.id, published=verdict, published_api=api, strict=verdict, strict_api=api
            )
        published, strict = _matchers(question.api.api_call)
        exact, match = strict.match(text), published.match(answered_code(text, _ALL) or "")
        other = _other(text, known)
        found: tuple[Verdict, Verdict] = (
            "correct" if MARK in text and match == Match(0, is_named=True) else other,
            "correct" if exact.apis else other,
        )
        return CallVerdict(
            question=question.id,
            published=found[0],
            published_api=api,
            strict=found[1],
            strict_api=api,
            why=exact.problem if found[0] != found[1] else "",
        )


@cache
def _matchers(call: str) -> tuple[PublishedMatcher, StrictMatcher]:
    return PublishedMatcher([call], _ALL), StrictMatcher([call], _ALL)


def _other(text: str, known: Strict) -> Verdict:
    """Return the verdict on an answer that does not call what was wanted."""
    if MARK not in text:
        return "noformat"
    if known.apis:
        return "wrong"
    return "unparsed" if known.problem == "unparsed" else "hallucination"
