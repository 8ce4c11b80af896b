"""Settings of `tools.questions`: a teacher writes requests that an API answers, and that never name it.

A unit is a share of the APIs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step, parts
from stages.teacher.settings import WriterSettings

PROMPTS = Path(__file__).resolve().parents[3] / "templates" / "prompts" / "gorilla" / "en.yaml"
HELDOUT = "heldout.jsonl"


class QuestionsConfig(StageConfig):
    """Writes questions about APIs."""

    stage: ClassVar[str] = "tools.questions"

    apis: Annotated[Inputs, Reads(KINDS.apis)]
    seeds: Annotated[Inputs, Reads(KINDS.api_questions)]
    """Questions that people wrote: the examples of the prompts."""
    teacher: WriterSettings
    """The model that writes."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the API in place of those of the prompt; null leaves one out."""
    per_api: int = Field(default=10, ge=1)
    """Requests to ask for, of each API."""
    examples: int = Field(default=3, ge=1)
    """Examples in a prompt, drawn from the seeds."""
    heldout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the questions that are kept for evaluation, drawn by their texts."""
    shares: int = Field(default=1, ge=1)
    """Units. The questions, one file after another, do not depend on it."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything that is drawn."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step."""
        units = parts(self.shares)
        step = Step(
            name="",
            run="stages.tools.questions.run:write",
            units=units,
            uses=("teacher.model", "parameters", "per_api", "examples", "heldout", "seed"),
            reads=("apis", "seeds"),
            shape="small",
            core_seconds=60.0,
            data=hashlib.sha256(PROMPTS.read_bytes()).hexdigest(),
        )
        made = (
            (KINDS.api_questions, "train", ""),
            (KINDS.api_questions, "heldout", HELDOUT),
            (KINDS.synthesis, "", ""),
        )
        outputs = [
            Output(step="", unit=unit.key, kind=kind, source=source, name=name)
            for kind, source, name in made
            for unit in units
        ]
        return StagePlan(steps=(step,), outputs=tuple(outputs))


Config = QuestionsConfig
