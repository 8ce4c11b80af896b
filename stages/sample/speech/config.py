"""Settings of `sample.speech`: sentences of the closed world, spoken by a synthesiser, for one purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge

from stages.formats.kinds import KINDS
from stages.sample.exams import exam_files
from stages.shared.contract import InputFile, Kind, Output, StageConfig, StagePlan, Step, parts

UNIT = 5_000
"""Most sentences of a unit."""
SENTENCE_SECONDS, SENTENCE_MB = 0.04, 0.07
WORDS_EXAM, ANSWERS_EXAM, FACTS_EXAM = "hear_words_en", "hear_answers_en", "hear_facts_en"
EXAMS = (WORDS_EXAM, ANSWERS_EXAM, FACTS_EXAM)
SCORER = "hearing.py"


class SpeechConfig(StageConfig):
    """Speaks sentences of the closed world, with their words, and chats or exams about them."""

    stage: ClassVar[str] = "sample.speech"

    purpose: Literal["transcripts", "questions", "exam"]
    """`transcripts`: chats that ask for the words. `questions`: chats about the content of a sentence, or that a
    sentence asks. `exam`: tasks for `evaluate`, of sentences and voices that no other sound has."""
    seed: Annotated[int, Ge(0)] = 1
    """Draws the world and its sentences, as `sample.seed`."""
    sentences: Annotated[int, Ge(8)] = 2_000
    """Number of sounds, a sentence each."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step; an exam is one unit."""
        count = 1 if self.purpose == "exam" else -(-self.sentences // UNIT)
        step = Step(
            name="",
            run="stages.sample.speech.run:run",
            units=parts(count),
            uses=("purpose", "seed", "sentences"),
            core_seconds=2.0 + self.sentences / count * SENTENCE_SECONDS,
            disk_mb=self.sentences / count * SENTENCE_MB,
        )
        texts = [(KINDS.definition, file) for name in EXAMS for file in exam_files(name)]
        made: list[tuple[Kind, str]] = [*texts, (KINDS.definition, SCORER)]
        outputs = [
            Output(step="", unit=unit.key, kind=kind, name=name, source=self.purpose)
            for unit in step.units
            for kind, name in ((KINDS.sounds, ""), *(made if self.purpose == "exam" else [(KINDS.chats, "")]))
        ]
        return StagePlan(steps=(step,), outputs=tuple(outputs))


Config = SpeechConfig
