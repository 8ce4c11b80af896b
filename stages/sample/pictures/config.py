"""Settings of `sample.pictures`: rendered pictures of the closed world, or what they show in words, for one purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from stages.formats.kinds import KINDS
from stages.sample.config import LANGUAGES
from stages.sample.exams import exam_files
from stages.sample.pictures.scenes import Purpose
from stages.shared.contract import InputFile, Kind, Output, StageConfig, StagePlan, Step, parts

UNIT = 20_000
"""Most pictures of a unit."""
PICTURE_SECONDS = 0.006
NOTES_SECONDS, NOTES_MB = 0.0004, 0.001
"""Of a picture's chats alone."""
WHETHER_EXAM, CAPTIONS_EXAM = "see_whether", "see_captions"
CHOICES = ("colour", "animal", "count", "many", "position", "price", "pattern")
FREE: tuple[Literal["colour", "animal", "count"], ...] = ("colour", "animal", "count")
"""What exams with free answers ask."""


class PicturesConfig(StageConfig):
    """Renders pictures of the closed world, with their captions, boxes, and chats or exams."""

    stage: ClassVar[str] = "sample.pictures"

    purpose: Purpose
    """`captions`: chats that ask for a caption. `questions`: chats of one to three questions. `notes`: both, without
    pictures: notes stand in the picture's place. `exam`: tasks for `evaluate`, on combinations that no picture of
    the other purposes has."""
    seed: Annotated[int, Ge(0)] = 1
    """Draws the world and its pictures, as `sample.seed`."""
    pictures: Annotated[int, Ge(20)] = 4_000
    """Number of pictures."""
    size: Annotated[int, Ge(48), Le(512)] = 64
    """Pixels of a side."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step; an exam is one unit."""
        count = 1 if self.purpose == "exam" else -(-self.pictures // UNIT)
        shows = self.purpose != "notes"
        mb = self.pictures / count * (self.size**2 * 1.3e-6 if shows else NOTES_MB)
        step = Step(
            name="",
            run="stages.sample.pictures.run:run",
            units=parts(count),
            uses=("purpose", "seed", "pictures", "size"),
            core_seconds=2.0 + self.pictures / count * (PICTURE_SECONDS if shows else NOTES_SECONDS),
            disk_mb=mb,
            version=2 if shows else 1,
        )
        kinds = [*([(KINDS.pictures, "")] if shows else []), *self._texts()]
        outputs = [
            Output(step="", unit=unit.key, kind=kind, name=name, source=self.purpose)
            for unit in step.units
            for kind, name in kinds
        ]
        return StagePlan(steps=(step,), outputs=tuple(outputs))

    def _texts(self) -> list[tuple[Kind, str]]:
        if self.purpose != "exam":
            return [(KINDS.chats, "")]
        return [(KINDS.definition, file) for name in exam_names() for file in exam_files(name)]


def exam_names() -> list[str]:
    """Return the names of all exams, such as `see_colour_en`."""
    return [
        name
        for language in LANGUAGES
        for name in (
            *(choice_exam(aspect, language) for aspect in CHOICES),
            *(free_exam(aspect, language) for aspect in FREE),
            f"{WHETHER_EXAM}_{language}",
            f"{CAPTIONS_EXAM}_{language}",
        )
    ]


def choice_exam(aspect: str, language: str) -> str:
    """Return the name of an exam with options."""
    return f"see_{aspect}_{language}"


def free_exam(aspect: str, language: str) -> str:
    """Return the name of an exam with free answers."""
    return f"tell_{aspect}_{language}"


Config = PicturesConfig
