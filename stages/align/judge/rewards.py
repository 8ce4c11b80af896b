"""Judges pairs by a reward model: the answer with the higher reward wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.align.judge.config import JudgeConfig
from stages.align.judge.pairs import Pair, pairs_of_task
from stages.align.scoring import RewardModel
from stages.formats.chat.chats import Message
from stages.formats.chat.judgements import Outcome, Verdict, write_verdicts
from stages.formats.kinds import KINDS
from stages.shared.task import Task

RUBRIC = "reward"
"""What answers are compared by."""
Answered = tuple[tuple[Message, ...], str]
"""A prompt and an answer."""


def judge(task: Task[JudgeConfig]) -> dict[str, Any]:
    """Write the verdicts on this unit's pairs.

    Raises DataError for a checkpoint that is no reward model, or of another tokenizer.
    """
    (checkpoint,), (tokenizer,) = task.inputs["reward"], task.inputs["tokenizer"]
    model = RewardModel(checkpoint.path, tokenizer.path, task.config.template)
    name = checkpoint.section or checkpoint.path.name
    verdicts = verdicts_of(pairs_of_task(task), model, name, task.config.margin)
    write_verdicts(task.out / KINDS.verdicts.file, verdicts)
    return {"verdicts": len(verdicts), "unparsed": sum(each.outcome == "unparsed" for each in verdicts)}


def verdicts_of(pairs: Sequence[Pair], model: RewardModel, name: str, margin: float) -> list[Verdict]:
    """Return the verdict on each pair. Rewards that differ by `margin` at most are a tie."""
    wanted = dict.fromkeys((pair.prompt.messages, answer) for pair in pairs for answer in pair.answers)
    inputs: dict[Answered, list[int]] = {}
    reasons: dict[Answered, str] = {}
    for prompt, answer in wanted:
        try:
            ids = model.encoder.encode(prompt, answer).ids
        except ValueError:
            reasons[prompt, answer] = "not_in_template"
            continue
        if len(ids) > model.model.seq_len:
            reasons[prompt, answer] = "too_long"
        else:
            inputs[prompt, answer] = ids
    rewards = dict(zip(inputs, model.score_ids([*inputs.values()]), strict=True))
    return [_verdict(pair, name, margin, rewards, reasons) for pair in pairs]


def _verdict(
    pair: Pair, name: str, margin: float, rewards: dict[Answered, float], reasons: dict[Answered, str]
) -> Verdict:
    places = [(pair.prompt.messages, answer) for answer in pair.answers]
    if unscored := [reasons[place] for place in places if place in reasons]:
        return pair.verdict(name, RUBRIC, "unparsed", readings=tuple(unscored))
    one, other = (rewards[place] for place in places)
    gap = one - other
    outcome: Outcome = "tie" if abs(gap) <= margin else "win" if gap > 0 else "loss"
    return pair.verdict(name, RUBRIC, outcome, scores=(one, other))
