"""Evol-Instruct (arXiv:2304.12244): every round rewrites each instruction of a pool once, and drops what is no gain.

An evolution that fails is rejected with its reason, and its parent stays in the pool: the pool keeps its size. No
instruction depends on another one, so a share of the pool evolves as it does within the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from stages.formats.chat.rejects import Reject
from stages.formats.chat.syntheses import Round
from stages.synthesize.config import EvolInstructSettings, Operation
from stages.synthesize.pool import Instruction, Rejected
from stages.synthesize.wording import Wording
from stages.synthesize.words import count_words, has_content, one_line
from stages.teacher.asking import Asker, answered
from stages.teacher.rendering import render
from stages.teacher.request import Answer, Request

DEEPEN, BROADEN, JUDGE, RESPOND = "deepen", "broaden", "judge", "respond"
"""Names of the prompts."""
STRUGGLE_WORDS = 80
"""A response with an apology and fewer words shows that the teacher struggles with the instruction."""


@dataclass(frozen=True)
class Attempt:
    """One evolution of one instruction, on its way through the eliminations."""

    name: str
    parent: Instruction
    operation: Operation
    text: str = ""
    judgement: str = ""
    response: str = ""
    reject: Reject | None = None


class Evolution:
    """A pool that evolves round by round."""

    def __init__(
        self, pool: Sequence[Instruction], settings: EvolInstructSettings, wording: Wording, seed: int
    ) -> None:
        self._settings, self._wording, self._seed = settings, wording, seed
        self._stop_words = frozenset(wording.words("stop_words"))
        self.lines = [[instruction] for instruction in pool]
        """For each instruction of the pool itself and its evolutions, the newest last."""
        self.rejected: list[Rejected] = []
        self.rounds: list[Round] = []

    def run(self, asker: Asker) -> None:
        """Evolve the pool in all rounds."""
        for number in range(1, self._settings.rounds + 1):
            attempts = self._responded(asker, self._judged(asker, self._rewritten(asker, self._drawn(number))))
            for line, attempt in zip(self.lines, attempts, strict=True):
                self._settle(line, attempt, number)
            kept = sum(attempt.reject is None for attempt in attempts)
            self.rounds.append(Round(candidates=len(attempts), kept=kept, pool=len(self.lines)))

    def _drawn(self, number: int) -> list[Attempt]:
        attempts = []
        for line in self.lines:
            draw = self._draw(line[0], number)
            attempts.append(Attempt(f"{line[0].id}+{number}", line[-1], draw.choice(self._settings.operations)))
        return attempts

    def _draw(self, origin: Instruction, number: int) -> Random:
        return Random(f"{self._seed}/evolve/{origin.id}/{number}")

    def _rewritten(self, asker: Asker, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Ask for the evolved instructions. A parent whose evolution failed is asked with another draw."""
        requests = [self._request(attempt, len(self.rounds) + 1) for attempt in attempts]
        return [
            self._checked(attempt, answer)
            for attempt, answer in zip(attempts, asker.ask("evolve", requests), strict=True)
        ]

    def _request(self, attempt: Attempt, number: int) -> Request:
        instruction = attempt.parent.instruction
        if attempt.operation == "breadth":
            return self._wording.request(BROADEN, draw=number, instruction=instruction)
        data = Random(f"{self._seed}/data/{attempt.name}").choice(self._wording.words("data"))
        method = render(self._wording.named("methods")[attempt.operation], data=data)
        return self._wording.request(DEEPEN, draw=number, instruction=instruction, method=method)

    def _checked(self, attempt: Attempt, answer: Answer) -> Attempt:
        try:
            text = answered(answer)
            self._check_text(text, attempt.parent.instruction)
        except Reject as reject:
            return replace(attempt, text=answer.text, reject=reject)
        return replace(attempt, text=text)

    def _check_text(self, text: str, parent: str) -> None:
        """Raise Reject for an evolved instruction that need not be judged."""
        if found := self._wording.anywhere("leaks").search(text):
            raise Reject("copies_the_prompt", found[0])
        if found := self._wording.refusals.match(text):
            raise Reject("refusal", found[0])
        if not has_content(text, self._stop_words):
            raise Reject("no_content", text)
        if one_line(text) == one_line(parent):
            raise Reject("no_gain", "the same text")

    def _judged(self, asker: Asker, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Ask whether the evolved instructions differ from their parents."""

        def request(attempt: Attempt) -> Request:
            return self._wording.request(JUDGE, parent=attempt.parent.instruction, instruction=attempt.text)

        asked = [attempt for attempt in attempts if attempt.reject is None]
        answers = iter(asker.ask(JUDGE, [request(attempt) for attempt in asked]))
        return [attempt if attempt.reject else self._verdict(attempt, next(answers)) for attempt in attempts]

    def _verdict(self, attempt: Attempt, answer: Answer) -> Attempt:
        is_gain = judged(answer.text, self._wording)
        if is_gain:
            return replace(attempt, judgement=one_line(answer.text))
        reason = "unclear_judgement" if is_gain is None else "no_gain"
        return replace(attempt, reject=Reject(reason, f"{answer.finish}: {answer.text}"))

    def _responded(self, asker: Asker, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Ask for the responses to the evolved instructions."""
        asked = [attempt for attempt in attempts if attempt.reject is None]
        requests = [self._wording.request(RESPOND, instruction=attempt.text) for attempt in asked]
        answers = iter(asker.ask(RESPOND, requests))
        return [attempt if attempt.reject else self._answered(attempt, next(answers)) for attempt in attempts]

    def _answered(self, attempt: Attempt, answer: Answer) -> Attempt:
        try:
            response = answered(answer)
            check_response(response, self._wording)
        except Reject as reject:
            return replace(attempt, reject=reject)
        return replace(attempt, response=response)

    def _settle(self, line: list[Instruction], attempt: Attempt, number: int) -> None:
        """Put an evolution in the place of its parent, or reject it: its parent stays."""
        if attempt.reject is None:
            line.append(
                Instruction(
                    id=attempt.name,
                    instruction=attempt.text,
                    output=attempt.response,
                    how=attempt.operation,
                    round=number,
                    parents=(attempt.parent.id,),
                    kept=f"judged {attempt.judgement}",
                )
            )
            return
        self.rejected.append(
            Rejected(
                id=attempt.name,
                reason=attempt.reject.reason,
                detail=attempt.reject.detail,
                text=attempt.text,
                how=attempt.operation,
                round=number,
                parents=(attempt.parent.id,),
            )
        )

    def evolved(self) -> Iterator[Instruction]:
        """Yield the evolutions that were kept, of one instruction of the pool after another."""
        for line in self.lines:
            yield from line[1:]


def judged(text: str, wording: Wording) -> bool | None:
    """Return whether a judgement says that two instructions differ; None if it says nothing.

    The first verdict of the text counts: `Equal` is in `Not Equal`, too, but begins later.
    """
    different, equal = (wording.anywhere(name).search(text) for name in ("different", "equal"))
    if different is None:
        return None if equal is None else False
    return equal is None or different.start() <= equal.start()


def check_response(text: str, wording: Wording) -> None:
    """Raise Reject for a response that shows that the instruction cannot be answered."""
    words = count_words(text)
    if words < STRUGGLE_WORDS and (found := wording.anywhere("apologies").search(text)):
        raise Reject("apology", f"{found[0]!r} in {words} words: {text}")
    if not has_content(text, frozenset(wording.words("stop_words"))):
        raise Reject("no_content", text)
