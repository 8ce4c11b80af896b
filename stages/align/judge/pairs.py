"""Pairs of answers to judge: each policy against the one that all are compared with, and controls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stages.align.answers import Answers, Prompt
from stages.formats.chat.judgements import Control, Outcome, Verdict


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two answers to one prompt."""

    prompt: Prompt
    sample: int
    policy: str
    against: str
    answers: tuple[str, str]
    control: Control = ""

    def verdict(
        self,
        judge: str,
        rubric: str,
        outcome: Outcome,
        scores: tuple[float, float] | None = None,
        readings: tuple[str, ...] = (),
    ) -> Verdict:
        """Return a verdict on the pair."""
        return Verdict(
            prompt=self.prompt.messages,
            source=self.prompt.source,
            sample=self.sample,
            policy=self.policy,
            against=self.against,
            answers=self.answers,
            control=self.control,
            judge=judge,
            rubric=rubric,
            outcome=outcome,
            scores=scores,
            readings=readings,
        )


def pairs_of(answers: Sequence[Answers], place: int, shards: int, controls: int) -> Iterator[Pair]:
    """Yield the pairs of a shard, and after those of each prompt its controls.

    The first policy of each prompt is the one that all others are compared with. `controls` prompts at equal distances
    over all shards have controls.
    """
    number = len(answers)
    controlled = {each * number // min(controls, number) for each in range(min(controls, number))}
    for index in range(number * place // shards, number * (place + 1) // shards):
        found = answers[index]
        against, *policies = found.texts
        yield from (_pair(found, policy, found.texts[policy]) for policy in policies)
        if index in controlled:
            own = found.texts[against]
            yield _pair(found, against, own, "same")
            other = next((each for each in _after(answers, index) if each.prompt != found.prompt), None)
            if other is not None:
                yield _pair(found, against, next(iter(other.texts.values())), "shuffled")


def _pair(found: Answers, policy: str, text: str, control: Control = "") -> Pair:
    against, own = next(iter(found.texts.items()))
    return Pair(
        prompt=found.prompt,
        sample=found.sample,
        policy=policy,
        against=against,
        answers=(text, own),
        control=control,
    )


def _after(answers: Sequence[Answers], index: int) -> Iterator[Answers]:
    """Yield all other answers, the next ones first."""
    for distance in range(1, len(answers)):
        yield answers[(index + distance) % len(answers)]
