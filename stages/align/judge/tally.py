"""Preferences from verdicts, and counts of what could be read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from stages.align.win_rates import combined, grouped
from stages.formats.chat.judgements import PLACES, VALUES, JudgeKind, Verdict
from stages.formats.preferences import Preference, Response, dense_ranks


def readings(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Return the number of a judge's answers by rubric, those that could not be read among them."""
    found: Counter[str] = Counter()
    for each in verdicts:
        found[each.rubric] += len(each.readings)
    return dict(+found)


def unread(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Return the number of a judge's answers, or of scores, that could not be read, by reason."""
    found = chain.from_iterable(each.readings for each in verdicts)
    return dict(Counter(sorted(each for each in found if each not in PLACES)))


def preferences(verdicts: Iterable[Verdict], kind: JudgeKind) -> Iterator[Preference]:
    """Yield the ranking of the answers to each prompt, those of one sample number in one record.

    A reward model ranks them by reward. An endpoint has compared each with the answer of one policy: what beats that
    one is before it, what loses to it is behind it. Answers without a verdict are left out, and ties are kept.
    """
    pairs = combined(each for each in verdicts if not each.control)
    for own in grouped(pairs, lambda each: (each.prompt, each.sample)).values():
        parsed = [each for each in own if each.value is not None]
        if parsed:
            yield _preference(parsed, kind)


def _preference(verdicts: Sequence[Verdict], kind: JudgeKind) -> Preference:
    first = verdicts[0]
    own = Response(first.answers[1], first.against)
    responses = (own, *(Response(each.answers[0], each.policy) for each in verdicts))
    if kind == "reward":
        scores = [each.scores for each in verdicts if each.scores is not None]
        ranks = dense_ranks([scores[0][1], *(one for one, _ in scores)])
    else:
        ranks = dense_ranks([VALUES["tie"], *(each.value for each in verdicts if each.value is not None)])
    return Preference(prompt=first.prompt, responses=responses, ranks=ranks, ranked_by=first.judge, source=first.source)
