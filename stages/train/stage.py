"""Base of every stage that trains: its inputs, plan, outputs and forecast. Light: a stage's config imports it.

A stage adds the field of its data, settings of its objective, and the function that runs it:

    class InstructConfig(TrainingStage):
        stage = "instruct"
        data = "chats"
        run = "stages.instruct.run:run"

        chats: Annotated[Inputs, Reads(KINDS.chats)]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.formats.readings import Reading
from stages.shared.contract import WHOLE, Forecast, InputFile, Inputs, Output, Reads, StagePlan, Step
from stages.shared.errors import ConfigError, nearest
from stages.shared.machine import Machine
from stages.train.config import WEIGHTS, TrainingConfig
from stages.train.data.mixture import readings, warning
from stages.train.planner.forecast import forecast
from stages.train.state.names import BEST, FINAL, UNTRAINED, holds_state, step_name

NARROW = 65_500
"""Pieces from which on a dataset takes 4 bytes a token, not 2 (Megatron's DType.optimal_dtype)."""
SHOWN = 6
"""Sources that a plan names."""


class TrainingStage(TrainingConfig):
    """Settings of a stage that trains on sources of tokens."""

    data: ClassVar[str] = "tokens"
    """Input field of the datasets, one or more for each source."""
    run: ClassVar[str]
    """`package.module:function` of the step."""
    version: ClassVar[int] = 3
    """Code version of the step."""

    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """The tokenizer that made the data."""
    mixture: Annotated[dict[str, float] | None, WEIGHTS] = None
    """Share of the sequences by source name, relative to one another; None: in proportion to the sources' tokens."""
    init_from: Annotated[Inputs | None, Reads(KINDS.release)] = None
    """A LLaMA or Mixtral folder as transformers saves it, to start from its weights; None: drawn from the seed."""
    resume_from: Annotated[Inputs | None, Reads(KINDS.checkpoint)] = None
    """Another run's checkpoint to continue from, in another layout: `from:section` with checkpoint_keep_every there, a
    work folder's `checkpoints`, or one `step-...` folder. The newest sound one is taken. Not used once this run has
    checkpoints of its own. None: the start."""
    reference: Annotated[Inputs | None, Reads(KINDS.metrics)] = None
    """Metrics of a run that must have had the same losses, such as the same training in another layout; None: any."""
    tolerance: float = Field(default=1e-4, gt=0)
    """With a reference: the largest difference of a loss, in nats a token, that counts as the same."""

    @model_validator(mode="after")
    def _check_mixture(self) -> TrainingStage:
        for source, weight in (self.mixture or {}).items():
            if not weight > 0:
                raise ConfigError(f"mixture.{source}", weight, "a weight above 0, or absent")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit, worked on by all ranks of the layout."""
        if self.mixture is not None:
            self._check_sources([file.source for file in inputs.get(self.data, ())])
        self._check_starts(inputs)
        given = [name for name in ("init_from", "resume_from", "reference") if getattr(self, name) is not None]
        training = self.planned(inputs)
        step = Step(
            name="",
            run=self.run,
            units=WHOLE,
            uses=(*self.weights_depend_on(), *self._other_uses()),
            reads=(self.data, "tokenizer", *given),
            ranks=self.layout.ranks,
            resumes=True,
            shape="train",
            core_seconds=training.core_seconds,
            disk_mb=training.disk_mb,
            mem_mb=training.mem_mb,
            version=self.version,
        )
        return StagePlan(steps=(step,), outputs=tuple(self._outputs()))

    def _other_uses(self) -> list[str]:
        """Return the settings that change the outputs and not the weights."""
        given = {
            "tolerance": self.reference,
            "heldout_every": self.heldout_every,
            "checkpoint_keep_every": self.checkpoint_keep_every,
        }
        return [name for name, value in given.items() if value is not None]

    def _outputs(self) -> list[Output]:
        unit, kind = WHOLE[0].key, KINDS.checkpoint
        models = [FINAL, UNTRAINED, *([BEST] if self.heldout_every is not None else [])]
        measured = (KINDS.metrics, KINDS.readings, KINDS.layers, KINDS.rank_times)
        return [
            *(Output(step="", unit=unit, kind=kind, source=name, name=name) for name in models),
            *(
                Output(step="", unit=unit, kind=kind, source=f"step-{step}", name=step_name(step), during=True)
                for step in self.published_steps
            ),
            *(Output(step="", unit=unit, kind=each, source="") for each in measured),
        ]

    def _check_starts(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        if len(files := inputs.get("init_from", ())) > 1:
            raise ConfigError("init_from", self.init_from, f"one folder, not {len(files)}")
        files = inputs.get("resume_from", ())
        if not any(file.section for file in files):
            if len(files) > 1:
                raise ConfigError("resume_from", self.resume_from, f"one folder, not {len(files)}")
        elif not any(holds_state(file.path) for file in files):
            wanted = f"a section with checkpoints to continue from: set {files[0].section}.checkpoint_keep_every"
            raise ConfigError("resume_from", self.resume_from, f"{wanted}; its {FINAL} holds weights alone")

    def _check_sources(self, sources: list[str]) -> None:
        mixture = self.mixture or {}
        for source in mixture:
            if source not in sources:
                wanted = f"a source of {self.data} ({nearest(source, sources)})"
                raise ConfigError(f"mixture.{source}", mixture[source], wanted)
        for source in sources:
            if source not in mixture:
                wanted = f"a weight for every source of {self.data}, {source!r} too"
                raise ConfigError("mixture", sorted(mixture), wanted)

    def forecast(self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine) -> Forecast:
        """Return memory, time and cost of the training, and how often each source is read if its size is known.

        Raises ConfigError, with layouts that fit, if the training does not fit into the machine.
        """
        found = forecast(self.planned(inputs), machine)
        sources = self._readings(inputs)
        if not sources:
            return found
        more = f"; and {len(sources) - SHOWN} more" if len(sources) > SHOWN else ""
        rows = [("data", "about: " + "; ".join(map(str, sources[:SHOWN])) + more)]
        if repeated := warning(sources):
            rows.append(("repeated", repeated))
        data = {**found.data, "sources": [asdict(reading) for reading in sources]}
        return replace(found, rows=(*found.rows, *rows), data=data)

    def _readings(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> list[Reading]:
        """Return the readings by the datasets' sizes; none if a size is unknown."""
        files = inputs.get(self.data, ())
        if not files or not all(file.mb for file in files):
            return []
        pieces = next((file.count for file in inputs.get("tokenizer", ())), 0)
        tokens: dict[str, float] = defaultdict(float)
        for file in files:
            tokens[file.source] += file.mb * 1e6 / (2 if pieces < NARROW else 4)
        return readings(tokens, self.mixture, self.planned(inputs).sequences * self.model.seq_len)
