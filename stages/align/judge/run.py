"""The steps of `align.judge`: the verdicts of a share of the prompts, and the tally of all."""

from __future__ import annotations

from typing import Any

from stages.align.answers import join_answers
from stages.align.judge.config import SHARE, JudgeConfig
from stages.align.judge.endpoint import by_endpoint
from stages.align.judge.pairs import pairs_of
from stages.align.judge.tally import preferences, readings, unread
from stages.align.win_rates import win_rates
from stages.formats.chat.judgements import Judgement, Verdict, read_verdicts, write_judgement, write_verdicts
from stages.formats.kinds import KINDS
from stages.formats.preferences import write_preferences
from stages.shared.contract import part_of
from stages.shared.task import Task


def share(task: Task[JudgeConfig]) -> dict[str, Any]:
    """Write the verdicts of a share of the prompts; return their numbers."""
    verdicts = _judged(task, *part_of(task.unit))
    write_verdicts(task.out / KINDS.verdicts.file, verdicts)
    return {"verdicts": len(verdicts), "unparsed": sum(each.outcome == "unparsed" for each in verdicts)}


def judge(task: Task[JudgeConfig]) -> dict[str, Any]:
    """Write all verdicts, those of the shares or judged here, with the preferences and the win rates that they are."""
    folders, config = task.steps.get(SHARE, ()), task.config
    parts = [read_verdicts(folder / KINDS.verdicts.file) for folder in folders]
    verdicts = [verdict for part in parts for verdict in part] if folders else _judged(task, 0, 1)
    write_verdicts(task.out / KINDS.verdicts.file, verdicts)
    rankings = list(preferences(verdicts, config.kind))
    write_preferences(task.out / KINDS.preferences.file, rankings)
    judgement = Judgement(
        kind=config.kind,
        judge=verdicts[0].judge,
        against=config.against,
        rates=win_rates(verdicts),
        alone=join_answers(task.inputs["answers"], config.against).alone,
        readings=readings(verdicts),
        unparsed=unread(verdicts),
    )
    write_judgement(task.out / KINDS.judgement.file, judgement)
    rates = {rate.policy: rate.rate for rate in judgement.rates if not (rate.control or rate.rubric or rate.source)}
    return {"preferences": len(rankings), "win_rates": rates}


def _judged(task: Task[JudgeConfig], part: int, parts: int) -> list[Verdict]:
    """Return the verdicts on a part of the prompts."""
    answers = join_answers(task.inputs["answers"], task.config.against).answers
    pairs = list(pairs_of(answers, part, parts, task.config.controls))
    if task.config.teacher is not None:
        return by_endpoint(task, pairs)
    from stages.align.judge.rewards import by_reward  # noqa: PLC0415  brings torch: for reward models alone

    return by_reward(task, pairs)
