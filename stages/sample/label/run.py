"""The step of `sample.label`: preferences by the gold rule, and the mean score of each policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import fmean
from typing import Any

from stages.formats.chat.chats import Message, text_message
from stages.formats.kinds import KINDS
from stages.formats.preferences import Preference, Response, dense_ranks, write_preferences
from stages.formats.reinforcement.rollouts import read_rollouts
from stages.sample.label.config import LabelConfig
from stages.sample.preferences.gold import Gold
from stages.sample.world import make_world
from stages.shared.task import Task

Answers = dict[str, dict[str, str]]
"""By prompt: the policy of each different text, the first one that wrote it."""


def label(task: Task[LabelConfig]) -> dict[str, Any]:
    """Write a preference for each prompt with responses of two ranks; return counts and each policy's mean score."""
    gold, left_out = Gold(make_world(task.config.seed)), Counter[str]()
    found: Answers = {}
    scores: dict[str, list[float]] = {}
    for file in task.inputs["answers"]:
        for rollout in read_rollouts(file.path):
            question = _question(rollout.messages)
            try:
                score = gold.score(question, rollout.text)
            except ValueError:
                left_out["no question of the world"] += 1
                continue
            scores.setdefault(file.source, []).append(score)
            found.setdefault(question, {}).setdefault(rollout.text, file.source)
    preferences = [_ranked(gold, question, answers) for question, answers in found.items()]
    kept = [each for each in preferences if len(set(each.ranks)) > 1]
    left_out["of one rank"] = len(preferences) - len(kept)
    write_preferences(task.out / KINDS.preferences.file, kept)
    means = {source: round(fmean(each), 6) for source, each in scores.items()}
    return {"preferences": len(kept), "left_out": dict(left_out), "scores": means}


def _question(messages: Iterable[Message]) -> str:
    """Return the text of a prompt of one message; empty: it has several, which the world does not ask."""
    texts = [part.text for message in messages for part in message.parts]
    return texts[0] if len(texts) == 1 else ""


def _ranked(gold: Gold, question: str, answers: dict[str, str]) -> Preference:
    texts = [*answers]
    return Preference(
        prompt=(text_message("user", question),),
        responses=tuple(Response(text, answers[text]) for text in texts),
        ranks=dense_ranks([gold.score(question, text) for text in texts]),
        ranked_by="gold",
        source="online",
    )
