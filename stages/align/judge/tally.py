"""Tallies verdicts: win rates of policies, and rankings of their answers as preferences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from stages.align.answers import join_answers
from stages.align.judge.config import JudgeConfig
from stages.align.win_rates import combined, grouped, win_rates
from stages.formats.chat.judgements import (
    PLACES,
    JudgeKind,
    Judgement,
    Verdict,
    read_verdicts,
    write_judgement,
    write_verdicts,
)
from stages.formats.kinds import KINDS
from stages.formats.preferences import Preference, Response, dense_ranks, write_preferences
from stages.shared.files import read_json
from stages.shared.task import Task

ASKED = "asked.json"
"""Requests of a unit by rubric."""


def tally(task: Task[JudgeConfig]) -> dict[str, Any]:
    """Write the verdicts of all units, the preferences that they are, and the win rates."""
    folders, config = task.steps["judge"], task.config
    verdicts = [verdict for folder in folders for verdict in read_verdicts(folder / KINDS.verdicts.file)]
    write_verdicts(task.out / KINDS.verdicts.file, verdicts)
    rankings = list(preferences(verdicts, config.kind))
    write_preferences(task.out / KINDS.preferences.file, rankings)
    judgement = Judgement(
        kind=config.kind,
        judge=verdicts[0].judge,
        against=config.against,
        rates=win_rates(verdicts),
        alone=join_answers(task.inputs["answers"], task.inputs.get("prompts", ()), config.against).alone,
        requests=_requests(folders),
        unparsed=dict(Counter(sorted(unread(verdicts)))),
    )
    write_judgement(task.out / KINDS.judgement.file, judgement)
    rates = {rate.policy: rate.rate for rate in judgement.rates if not (rate.control or rate.rubric or rate.source)}
    return {"preferences": len(rankings), "win_rates": rates}


def _requests(folders: Iterable[Path]) -> dict[str, int]:
    """Return the requests of all units by rubric; none of a reward model."""
    found = Counter[str]()
    for folder in folders:
        if (folder / ASKED).exists():
            found.update(read_json(folder / ASKED))
    return dict(found)


def unread(verdicts: Iterable[Verdict]) -> Iterable[str]:
    """Return the reason of each answer or score that could not be read."""
    return (reading for reading in chain.from_iterable(each.readings for each in verdicts) if reading not in PLACES)


def preferences(verdicts: Iterable[Verdict], kind: JudgeKind) -> Iterable[Preference]:
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
        ranks = dense_ranks([0.5, *(each.value for each in verdicts if each.value is not None)])
    return Preference(prompt=first.prompt, responses=responses, ranks=ranks, ranked_by=first.judge, source=first.source)
