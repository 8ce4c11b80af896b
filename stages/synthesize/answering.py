"""Instances of instructions: is it a classification? Then labels first, else inputs first (arXiv:2212.10560, 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from stages.formats.chat.chats import Chat, text_message
from stages.formats.chat.rejects import Reject
from stages.synthesize.instances import Instance, is_yes, parse_instances, sound
from stages.synthesize.pool import HUMAN, Instruction, Rejected
from stages.synthesize.ready.turns import asked
from stages.synthesize.wording import Wording
from stages.teacher.asking import Asker
from stages.teacher.rendering import render

CLASSIFY = "classify"
PROMPTS = {True: "output_first", False: "input_first"}
"""Prompt for instances by whether the task is a classification: inputs first would favour one label."""


class Instances:
    """Asks for instances, and keeps what was rejected."""

    def __init__(self, asker: Asker, wording: Wording, most: int, seed: int) -> None:
        self._asker, self._wording, self._most, self._seed = asker, wording, most, seed
        self.rejected: list[Rejected] = []

    def of(self, instructions: Sequence[Instruction]) -> Iterator[Instruction]:
        """Yield the instances of instructions in order, each with its instruction as parent."""
        kinds = self._ask(CLASSIFY, [CLASSIFY] * len(instructions), instructions)
        prompts = [PROMPTS[is_yes(answer, self._wording)] for answer in kinds]
        answers = self._ask("instances", prompts, instructions)
        for instruction, prompt, answer in zip(instructions, prompts, answers, strict=True):
            parsed = list(parse_instances(answer, prompt == PROMPTS[True], self._wording))
            found = [each for each in parsed if isinstance(each, Instance)]
            unread = [each for each in parsed if isinstance(each, Reject)]
            draw = Random(f"{self._seed}/instances/{instruction.id}")
            for place, each in enumerate((*unread, *sound(found, self._most, draw))):
                name = f"{instruction.id}.{place}"
                if isinstance(each, Reject):
                    self._reject(name, each, instruction, prompt)
                else:
                    yield Instruction(
                        id=name,
                        instruction=instruction.instruction,
                        input=each.input,
                        output=each.output,
                        how=prompt,
                        round=instruction.round,
                        parents=(instruction.id,),
                        kept=instruction.kept,
                    )

    def _ask(self, name: str, prompts: Sequence[str], instructions: Sequence[Instruction]) -> list[Any]:
        requests = [
            self._wording.request(prompt, instruction=each.instruction)
            for prompt, each in zip(prompts, instructions, strict=True)
        ]
        return self._asker.ask(name, requests)

    def _reject(self, name: str, reject: Reject, instruction: Instruction, prompt: str) -> None:
        self.rejected.append(
            Rejected(
                id=name,
                reason=reject.reason,
                detail=reject.detail,
                text=instruction.instruction,
                how=prompt,
                round=instruction.round,
                parents=(instruction.id,),
            )
        )


def plain(instances: Iterable[Instruction], origin: Mapping[str, str]) -> Iterator[Chat]:
    """Yield a chat for each instance, its input below its instruction."""
    return (chat_of(each, asked(each.instruction, each.input), origin) for each in instances)


def worded(instances: Iterable[Instruction], wording: Wording, seed: int, origin: Mapping[str, str]) -> Iterator[Chat]:
    """Yield a chat for each instance, its question in one of the paper's formats by lot."""
    for each in instances:
        formats = wording.words("with_input" if each.input else "without_input")
        place = Random(f"{seed}/format/{each.id}").randrange(len(formats))
        question = render(formats[place], instruction=each.instruction, input=each.input)
        yield chat_of(each, question, {**origin, "format": place})


def chat_of(made: Instruction, question: str, origin: Mapping[str, Any]) -> Chat:
    """Return an instruction and its output as a chat. `origin` is what a teacher's chats of a unit have in common."""
    messages = (text_message("user", question), text_message("assistant", made.output))
    if made.how == HUMAN:
        return Chat(id=made.id, messages=messages, provenance={"source": HUMAN})
    tree = {"how": made.how, "round": made.round, "parents": list(made.parents), "kept": made.kept}
    return Chat(id=made.id, messages=messages, provenance={**origin, **tree})
