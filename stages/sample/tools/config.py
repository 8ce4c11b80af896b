"""Settings of `sample.tools`: APIs of a town hall, requests about them, and notes in which a tool helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, get_args

from annotated_types import Ge

from stages.formats.kinds import KINDS
from stages.sample.config import LANGUAGES, exam_name
from stages.sample.exams import exam_files
from stages.shared.contract import WHOLE, InputFile, Kind, Output, StageConfig, StagePlan, Step

OPENAPI, LISTING = "town.yaml", "models.json"
NoteTool = Literal["calculator", "calendar", "search"]
NOTE_TOOLS: tuple[NoteTool, ...] = get_args(NoteTool)
EXAMS: Mapping[NoteTool, str] = {"calculator": "sums", "calendar": "dates", "search": "news"}
"""Name of each tool's exam; each is a task a language."""
QUESTIONS = "asked_"
"""Before the name of an exam whose questions are those of a conversation."""
Purpose = Literal["apis", "requests", "new_requests", "quotes", "demonstrations", "notes", "news", "exam"]
MADE: Mapping[Purpose, tuple[tuple[Kind, str, str], ...]] = {
    "apis": ((KINDS.api_files, OPENAPI, "town"), (KINDS.api_files, LISTING, "models")),
    "requests": ((KINDS.api_questions, "", "requests"),),
    "new_requests": ((KINDS.api_questions, "", "new_requests"),),
    "quotes": ((KINDS.chats, "", "quotes"),),
    "demonstrations": ((KINDS.documents, "", "demonstrations"), (KINDS.chats, "", "demonstrations")),
    "notes": ((KINDS.documents, "", "notes"),),
    "news": ((KINDS.documents, "", "news"),),
    "exam": tuple(
        (KINDS.definition, file, "")
        for name in (*EXAMS.values(), *(f"{QUESTIONS}{name}" for name in EXAMS.values()))
        for language in LANGUAGES
        for file in exam_files(exam_name(name, language))
    ),
}
"""Kind, file and source of what is written for each purpose."""


class ToolsConfig(StageConfig):
    """Makes APIs of the closed world and requests about them, for one purpose."""

    stage: ClassVar[str] = "sample.tools"

    purpose: Purpose
    """`apis`: an OpenAPI file and a listing of models. `requests`: requests to train on. `new_requests`: requests in
    wordings, with places and numbers, and about unknown things that no request to train on has. `quotes`: conversations
    that repeat a list, from which a model learns to copy. `notes`: texts in which `tool` helps. `demonstrations`: such
    texts of all tools with their calls, as a person writes them, and conversations whose answers call a tool. `news`:
    pages that came after the others. `exam`: tasks on sums, dates and news that no note has."""
    tool: NoteTool = "calculator"
    """The tool of `notes`."""
    seed: Annotated[int, Ge(0)] = 1
    """Draws the world and its requests, as `sample.seed`."""
    repeats: Annotated[int, Ge(1)] = 4
    """Requests in each wording about each API, with other values."""
    count: Annotated[int, Ge(8)] = 400
    """Notes; quotes; demonstrations of each tool; questions of each exam."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit."""
        step = Step(
            name="",
            run="stages.sample.tools.run:run",
            units=WHOLE,
            uses=("purpose", "tool", "seed", "repeats", "count"),
            shape="small",
            core_seconds=3.0,
        )
        outputs = (
            Output(step="", unit=WHOLE[0].key, kind=kind, name=name, source=source)
            for kind, name, source in MADE[self.purpose]
        )
        return StagePlan(steps=(step,), outputs=tuple(outputs))


Config = ToolsConfig
