"""Self-Instruct's growing pool, and Alpaca's: rounds of requests whose prompts show seeds and what was kept before.

Every draw is a function of the seed, the round and the request. A killed run begins again with the answers that it has:
the same rounds come out, and nothing is asked twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from stages.formats.chat.rejects import Reject
from stages.formats.chat.syntheses import Round
from stages.shared import log
from stages.synthesize.candidates import Candidate, check, split_list, split_tasks
from stages.synthesize.config import AlpacaSettings, SelfInstructSettings
from stages.synthesize.pool import Instruction, Rejected
from stages.synthesize.wording import Wording
from stages.synthesize.words import one_line
from stages.teacher.asking import Asker
from stages.teacher.request import Answer, Request
from stages.text.dedup.rouge import RougeIndex

PROMPT = "generate"
FIRST_GAIN = 8
"""Instructions that a request of the first round is expected to give."""


class Pool:
    """Seeds, and the instructions that grow from them."""

    def __init__(
        self,
        seeds: Sequence[Instruction],
        settings: SelfInstructSettings | AlpacaSettings,
        wording: Wording,
        seed: int,
    ) -> None:
        self._settings, self._wording, self._seed = settings, wording, seed
        self._split = split_tasks if isinstance(settings, AlpacaSettings) else split_list
        self.seeds = list(seeds)
        self.kept: list[Instruction] = []
        self.rejected: list[Rejected] = []
        self.rounds: list[Round] = []
        self._requests = 0
        self._index = RougeIndex()
        self._ids: list[str] = []
        """Ids of the instructions in the index, by their numbers there."""
        for instruction in seeds:
            self._add(instruction)

    def _add(self, instruction: Instruction) -> None:
        self._index.add(instruction.instruction)
        self._ids.append(instruction.id)

    def grow(self, asker: Asker) -> None:
        """Ask round by round until there are enough instructions, or rounds bring nothing new."""
        dry = 0
        while len(self.kept) < self._settings.instructions and dry < self._settings.max_rounds_without_gain:
            before = len(self.kept)
            self._round(asker, len(self.rounds) + 1)
            dry = dry + 1 if len(self.kept) == before else 0
        if len(self.kept) < self._settings.instructions:
            log.warning(
                f"{dry} rounds in a row kept nothing: {len(self.kept)} instructions of {self._settings.instructions}"
            )

    def _round(self, asker: Asker, number: int) -> None:
        """Ask the requests of a round, whose prompts see the pool as it was before, and judge what they give."""
        shown = [self._shown(number, place) for place in range(self._size())]
        requests = [self._request(tasks, number, place) for place, tasks in enumerate(shown)]
        before, seen = len(self.kept), 0
        for place, answer in enumerate(asker.ask(PROMPT, requests)):
            seen += self._judge(answer, shown[place], number, place)
        self._requests += len(requests)
        self.rounds.append(Round(candidates=seen, kept=len(self.kept) - before, pool=len(self.seeds) + len(self.kept)))

    def _size(self) -> int:
        """Return the requests of the next round: no more than what is missing should need."""
        gain = max(len(self.kept), 1) / self._requests if self._requests else FIRST_GAIN
        return min(self._settings.per_round, math.ceil((self._settings.instructions - len(self.kept)) / gain))

    def _shown(self, number: int, place: int) -> list[Instruction]:
        """Return the tasks of a prompt, in a drawn order. Seeds take the place of missing tasks of the machine."""
        draw = Random(f"{self._seed}/{PROMPT}/{number}/{place}")
        machine = draw.sample(self.kept, min(self._settings.machine, len(self.kept)))
        humans = self._settings.human + self._settings.machine - len(machine)
        shown = machine + draw.sample(self.seeds, min(humans, len(self.seeds)))
        draw.shuffle(shown)
        return shown

    def _request(self, shown: Sequence[Instruction], number: int, place: int) -> Request:
        tasks = [
            {
                "instruction": one_line(task.instruction).rstrip(":："),
                "input": task.input,
                "output": task.output,
            }
            for task in shown
        ]
        return self._wording.request(PROMPT, draw=number * self._settings.per_round + place, tasks=tasks)

    def _judge(self, answer: Answer, shown: Sequence[Instruction], number: int, place: int) -> int:
        """Add what an answer gives to the pool, or to the rejected; return the number of candidates."""
        parents = tuple(task.id for task in shown)
        seen = 0
        for position, candidate in enumerate(self._split(answer, self._wording, len(shown))):
            name = f"g{number}-{place}-{position}"
            seen += 1
            try:
                if isinstance(candidate, Reject):
                    raise candidate
                self._admit(candidate)
            except Reject as reject:
                text = candidate.instruction if isinstance(candidate, Candidate) else ""
                self.rejected.append(
                    Rejected(
                        id=name,
                        reason=reject.reason,
                        detail=reject.detail,
                        text=text,
                        how=PROMPT,
                        round=number,
                        parents=parents,
                    )
                )
                continue
            kept = f"ROUGE-L at most {self._settings.similarity} with {len(self._ids)} instructions"
            made = Instruction(id=name, how=PROMPT, round=number, parents=parents, kept=kept, **vars(candidate))
            self.kept.append(made)
            self._add(made)
        return seen

    def _admit(self, candidate: Candidate) -> None:
        """Raise Reject for a candidate that a filter refuses, that is like one of the pool, or that is one too many."""
        check(candidate, self._settings, self._wording)
        score, number = self._index.nearest(candidate.instruction, least=self._settings.similarity)
        if number >= 0:
            raise Reject("too_similar", f"{score:.3f} with {self._ids[number]}")
        if len(self.kept) >= self._settings.instructions:
            raise Reject("surplus")
