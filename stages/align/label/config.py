"""Settings of `align.label`: people rank candidates on a page; their labels become preferences.

collect (once) -> `launch.py label RUN` serves the page -> agree (once, of the files in `labels`)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, model_validator

from stages.align.answers import inspect_answers, policies_of
from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step
from stages.shared.errors import ConfigError

Reason = Annotated[str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True)]


class LabelConfig(StageConfig):
    """Lets people rank responses side by side, and reads their labels."""

    stage: ClassVar[str] = "align.label"
    tools: ClassVar[Mapping[str, str]] = {"label": "stages.align.label.serve:label"}

    candidates: Annotated[Inputs | None, Reads(KINDS.candidates)] = None
    """Prompts with the responses to rank: `candidates.jsonl` of a section, or a file of preferences, whose ranks stay
    hidden."""
    answers: Annotated[Inputs | None, Reads(KINDS.rollouts)] = None
    """In place of candidates, answers of at least two policies by their names, as `align.judge` reads them. The labels
    then give win rates, too."""
    against: str | None = None
    """With answers, the name of the policy that all others are compared with."""
    pictures: Annotated[Inputs | None, Reads(KINDS.pictures)] = None
    """Collections of the pictures in prompts; the page shows them. null: it shows their names."""
    labels: Annotated[Inputs | None, Reads(KINDS.preferences)] = None
    """Files that the page wrote, such as `runs/NAME/labels/SECTION/*.jsonl`: they become preferences, with the
    agreement of the labellers."""
    reasons: tuple[Reason, ...] = Field(
        default=("more helpful", "more honest", "less harmful", "clearer"), max_length=8
    )
    """Reasons that a labeller can give."""
    seed: int = Field(default=0, ge=0)
    """Draws the order in which each labeller sees the responses of a prompt."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port of the page on 127.0.0.1; 0: a free one."""

    @model_validator(mode="after")
    def _check_candidates(self) -> LabelConfig:
        if (self.candidates is None) == (self.answers is None):
            raise ConfigError("candidates", self.candidates, "given, or `answers` in their place, and not both")
        if self.answers is None and self.against is not None:
            raise ConfigError("against", self.against, "absent with candidates: it belongs to answers")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step that collects candidates, and with labels the one that reads them.

        Raises ConfigError for answers of fewer than two policies, or without `against`.
        """
        if self.answers is not None:
            policies_of(inputs.get("answers", ()), self.against)
        shown = ("candidates" if self.answers is None else "answers", *(["pictures"] if self.pictures else []))
        collect = _step("collect", inputs, *shown)
        if self.labels is None:
            return StagePlan(steps=(collect,), outputs=())
        compared = () if self.answers is None else (KINDS.judgement, KINDS.verdicts)
        agree = _step("agree", inputs, "labels")
        outputs = tuple(
            Output(step=agree.name, unit=WHOLE[0].key, kind=kind, source="people")
            for kind in (KINDS.preferences, KINDS.agreement, *compared)
        )
        return StagePlan(steps=(collect, agree), outputs=outputs)

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise DataError for a file from outside the run that holds no answers."""
        inspect_answers(inputs.get("answers", ()))


def _step(name: str, inputs: Mapping[str, tuple[InputFile, ...]], *fields: str) -> Step:
    mb = sum(file.mb for field in fields for file in inputs.get(field, ()))
    return Step(
        name=name,
        run=f"stages.align.label.run:{name}",
        units=WHOLE,
        uses=("against",),
        reads=fields,
        core_seconds=1.0 + 0.2 * mb,
        mem_mb=200 + 10 * mb,
        disk_mb=2 * mb,
    )


Config = LabelConfig
