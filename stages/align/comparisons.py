"""Base of the stages that learn from compared responses: their inputs, and the steps that make rows of them. Light.

encode (a unit a file) -> pack (once) -> the training (once, on all ranks of the layout)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from stages.formats.chat.templates import digest_of, load_template, require_controls
from stages.formats.kinds import KINDS
from stages.formats.preferences import Preference
from stages.formats.readings import Reading
from stages.shared.contract import (
    WHOLE,
    After,
    Forecast,
    InputFile,
    Inputs,
    Output,
    Reads,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.train.config import WEIGHTS
from stages.train.stage import TrainingStage

START_SECONDS, SECONDS_PER_MB = 5.0, 4.0
"""CPU time of encoding a file: the prompt is encoded with each response."""
HELD_OUT_IN = ("preferences", "heldout_preferences")
"""Input fields of ranked responses that are held out: a share of the first, all of the second."""
MOST_RESPONSES = 9
"""Most responses to a prompt in InstructGPT's data (arXiv:2203.02155, section 3.5)."""
Ranked = tuple[int, str, int]
"""Number of a comparison, text of a response, its rank there."""


class ComparisonStage(TrainingStage):
    """Settings of a training on compared responses."""

    data: ClassVar[str] = "preferences"
    encoded: ClassVar[tuple[str, ...]] = HELD_OUT_IN
    """Input fields of the files that `encode` reads."""
    step: ClassVar[str]
    """Name of the training's step."""

    preferences: Annotated[Inputs, Reads(KINDS.preferences)]
    """Ranked responses. A mapping names sources for `mixture`: `{people: /data/ranked.jsonl}`."""
    heldout_preferences: Annotated[Inputs | None, Reads(KINDS.heldout_preferences)] = None
    """Ranked responses that are held out, all of them."""
    template: str = "stagecoach"
    """Chat template: a name in `templates/chat`, or the path of a file. `model.extra_tokens` holds its control
    tokens."""
    too_long: Literal["refuse", "cut"] = "refuse"
    """Treatment of a prompt whose responses, each with the prompt, have more than `model.seq_len` tokens together: left
    out, or cut at the begin of the prompt behind its first token. Both are counted."""
    heldout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the prompts that are never trained on. A hash of the first message that is not the system's selects
    them, as in `align.sft`."""
    epochs: float = Field(default=1.0, gt=0)
    """Most readings of a source: more steps are refused. Reward models overfit from the second reading on
    (arXiv:2203.02155, section C.2)."""
    attend_across_documents: Annotated[Literal[False], WEIGHTS] = False
    """Responses of a row never see each other."""
    steps: Annotated[int, WEIGHTS] = Field(ge=1)
    """Optimizer steps, of `global_batch` rows. A row holds all responses of one or several prompts."""

    @model_validator(mode="after")
    def _check_comparisons(self) -> ComparisonStage:
        if self.model.position == "glm":
            raise ConfigError("model.position", "glm", "rope or alibi: GLM's mask does not keep responses apart")
        require_controls(self.template, self.control_tokens(), self.model.extra_tokens)
        if self.heldout_batches and not self.heldout and self.heldout_preferences is None:
            wanted = "above 0 with heldout_batches (for example 0.02), or heldout_preferences"
            raise ConfigError("heldout", self.heldout, wanted)
        return self

    def control_tokens(self) -> tuple[str, ...]:
        """Return the tokens that the model must know besides the tokenizer's pieces."""
        return load_template(self.template).controls

    def ranked(self, preference: Preference) -> list[Ranked]:
        """Return the responses that are compared: all of a prompt with each other."""
        texts = (response.text for response in preference.responses)
        return [(0, text, rank) for text, rank in zip(texts, preference.ranks, strict=True)]

    @property
    def appended_tokens(self) -> tuple[str, ...]:
        """Tokens behind each response."""
        return ()

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the three steps. Raises ConfigError if these settings and inputs cannot work."""
        units, mb = self._encode_units(inputs), sum(file.mb for file in self.encoded_files(inputs))
        encode = Step(
            name="encode",
            run="stages.align.encode:run",
            units=units,
            uses=("too_long", "heldout", "model.seq_len", "model.extra_tokens", *self._encode_uses()),
            reads=(*self._given(), "tokenizer"),
            data=digest_of(self.template),
        )
        pack = Step(
            name="pack",
            run="stages.align.pack:run",
            units=WHOLE,
            uses=("model.seq_len",),
            reads=self._given(),
            after=(After("encode"),),
            core_seconds=START_SECONDS + mb,
            disk_mb=max(1.0, 4 * mb),
        )
        training = super().plan(inputs)
        (step,) = training.steps
        reads = tuple(field for field in step.reads if field != self.data)
        step = replace(step, name=self.step, reads=(*reads, *self._given()), after=(After("pack"),))
        report = Output(step="pack", unit=WHOLE[0].key, kind=KINDS.packing, source="")
        made = (replace(output, step=step.name) for output in training.outputs)
        return StagePlan(steps=(encode, pack, step), outputs=(*made, report))

    def _encode_units(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> tuple[Unit, ...]:
        files = self.encoded_files(inputs)
        keys = unique_keys(file_key(file) for file in files)
        return tuple(
            Unit(
                key=key,
                inputs={field: (file,) if file in inputs.get(field, ()) else () for field in self._given()},
                core_seconds=START_SECONDS + SECONDS_PER_MB * file.mb,
            )
            for key, file in zip(keys, files, strict=True)
        )

    def _encode_uses(self) -> Sequence[str]:
        """Return further settings that change the encoded files."""
        return ()

    def _given(self) -> tuple[str, ...]:
        return tuple(field for field in self.encoded if getattr(self, field) is not None)

    def encoded_files(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> tuple[InputFile, ...]:
        """Return the files that `encode` reads, in order of its units."""
        return tuple(file for field in self.encoded for file in inputs.get(field, ()))

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return time and memory of the training: see TrainingStage. Data steps have their own estimates."""
        found = super().forecast(step, inputs, machine, done) if step == self.step else None
        return found and replace(found, rows=(*found.rows, ("rows", self._rows_text())))

    def _rows_text(self) -> str:
        """Return what a row holds, with InstructGPT's most responses to a prompt as the example."""
        length, most = self.model.seq_len, MOST_RESPONSES
        text = f"of {length:,} tokens with all responses to a prompt, each read once for all of its pairs"
        return f"{text}: {most} of {length // most:,} tokens, prompt included, give {math.comb(most, 2)} pairs"

    def _readings(self, _inputs: Mapping[str, tuple[InputFile, ...]]) -> list[Reading]:
        """Return nothing: how many rows a file of preferences fills is known when it is packed."""
        return []
