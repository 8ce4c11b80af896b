"""Judges pairs by a reward model: the answer with the higher reward wins."""

from __future__ import annotations

from collections.abc import Sequence

from stages.align.judge.config import JudgeConfig
from stages.align.judge.pairs import Pair
from stages.align.scoring import RewardModel
from stages.formats.chat.chats import Message
from stages.formats.chat.judgements import Outcome, Verdict
from stages.shared.task import Task

RUBRIC = "reward"
"""What answers are compared by."""
Answered = tuple[tuple[Message, ...], str]
"""A prompt and an answer."""


def by_reward(task: Task[JudgeConfig], pairs: Sequence[Pair]) -> list[Verdict]:
    """Return the verdicts on pairs.

    Raises DataError for a checkpoint that is no reward model, or of another tokenizer.
    """
    (checkpoint,), (tokenizer,) = task.inputs["reward"], task.inputs["tokenizer"]
    model = RewardModel(checkpoint.path, tokenizer.path, task.config.template)
    return verdicts_of(pairs, model, checkpoint.section or checkpoint.path.name, task.config.margin)


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
