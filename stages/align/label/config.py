"""Settings of `align.label`: people rank candidates on a page; their labels become preferences.

collect (once) -> `launch.py label RUN` serves the page -> agree (once, of the files in `labels`)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from stages.formats.kinds import KINDS
from stages.shared.contract import WHOLE, InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step

Reason = Annotated[str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True)]


class LabelConfig(StageConfig):
    """Lets people rank responses side by side, and reads what they kept."""

    stage: ClassVar[str] = "align.label"
    tools: ClassVar[Mapping[str, str]] = {"label": "stages.align.label.serve:label"}

    candidates: Annotated[Inputs, Reads(KINDS.candidates)]
    """Prompts with the responses to rank: `candidates.jsonl` of a section, or a file of preferences, whose ranks stay
    hidden."""
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

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step that collects candidates, and with labels the one that reads them."""
        mb = sum(file.mb for files in inputs.values() for file in files)
        work = {"units": WHOLE, "uses": (), "core_seconds": 1.0 + 0.2 * mb, "mem_mb": 200 + 10 * mb, "disk_mb": 2 * mb}
        collect = Step(name="collect", run="stages.align.label.run:collect", reads=("candidates",), **work)
        if self.labels is None:
            return StagePlan(steps=(collect,), outputs=())
        agree = Step(name="agree", run="stages.align.label.run:agree", reads=("labels",), **work)
        outputs = tuple(
            Output(step=agree.name, unit=WHOLE[0].key, kind=kind, source="people")
            for kind in (KINDS.preferences, KINDS.agreement)
        )
        return StagePlan(steps=(collect, agree), outputs=outputs)


Config = LabelConfig
