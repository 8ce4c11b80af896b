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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.formats.pieces import read_pieces
from stages.formats.readings import Reading
from stages.model.checkpoint.settings import (
    PlannedModel,
    name_of,
    read_sealed,
    read_state,
    require_fitting,
    require_tokenizer,
)
from stages.model.huggingface.config import CONFIG_JSON, folder_differences, require_same_shape, unreleasable
from stages.model.huggingface.folder import ReleaseFolder
from stages.shared.contract import WHOLE, Forecast, InputFile, Inputs, Kind, Output, Reads, StagePlan, Step, Unit
from stages.shared.errors import ConfigError, nearest
from stages.shared.machine import Machine
from stages.train.config import WEIGHTS, TrainingConfig
from stages.train.mixing.settings import MixingSettings, check_weights
from stages.train.mixing.shares import readings, warning
from stages.train.planner.forecast import forecast
from stages.train.state.names import BEST, FINAL, UNTRAINED, step_name
from stages.train.state.same_model import require_same_model, require_same_settings

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

    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """The tokenizer that made the data."""
    mixture: Annotated[dict[str, float] | None, WEIGHTS] = None
    """Share of the sequences by source name, relative to one another; None: in proportion to the sources' tokens."""
    init_from: Annotated[Inputs | None, Reads(KINDS.release)] = None
    """A LLaMA or Mixtral folder as transformers saves it, to start from its weights; None: drawn from the seed."""
    reference: Annotated[Inputs | None, Reads(KINDS.metrics)] = None
    """Metrics of a run that must have had the same losses, such as the same training in another layout; None: any."""
    tolerance: float = Field(default=1e-4, gt=0)
    """With a reference: the largest difference of a loss, in nats a token, that counts as the same."""

    @model_validator(mode="after")
    def _check_mixture(self) -> TrainingStage:
        check_weights("mixture", self.mixture or {})
        return self

    @property
    def mixed(self) -> MixingSettings | None:
        """Settings of the mixture beyond its weights; None: this stage has none."""
        return None

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step of one unit, worked on by all ranks of the layout."""
        self._check_sources([file.source for file in self.data_files(inputs)])
        start = self._start(inputs)
        given = [name for name in ("init_from", "continue_from", "reference") if getattr(self, name) is not None]
        training = self.planned(inputs)
        step = Step(
            name="",
            run=self.run,
            units=(Unit(key=WHOLE[0].key, inputs={"continue_from": (start,)}),) if start else WHOLE,
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
        return StagePlan(steps=(step,), outputs=tuple(self._outputs(inputs)))

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise DataError for weights to start from that are not of this training's model, or not of its tokenizer.

        Of what the run has yet to make, its section's settings count. Bytes of a tokenizer are compared in the job.
        """
        tokenizers = inputs.get("tokenizer", ())
        for file in inputs.get("init_from", ()):
            if planned := PlannedModel.of(file):
                require_same_shape(name_of(file), folder_differences(self.model, planned.model))
            elif not file.section:
                self._inspect_release(file.path, tokenizers)
        for file in inputs.get("continue_from", ()):
            require_tokenizer(file, tokenizers)
            self._inspect_checkpoint(file)

    def _inspect_release(self, folder: Path, tokenizers: Sequence[InputFile]) -> None:
        release = ReleaseFolder(folder)
        require_same_shape(folder / CONFIG_JSON, folder_differences(self.model, release.config))
        for tokenizer in tokenizers:
            if not tokenizer.section:
                release.require_pieces(read_pieces(tokenizer.path))

    def _inspect_checkpoint(self, file: InputFile) -> None:
        now = {"model": self.model.model_dump(mode="json"), "dtype": self.dtype}
        planned = PlannedModel.of(file)
        if self.continue_with == "weights":
            require_fitting(name_of(file), planned.model if planned else read_sealed(file.path).config, self.model)
        elif planned:
            then = {"model": planned.model.model_dump(mode="json"), "dtype": planned.dtype}
            require_same_settings(name_of(file), then, now)
        else:
            read_sealed(file.path)
            then = read_state(file.path)
            require_same_model(file.path, then, {**then, **now}, self)

    def data_files(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> tuple[InputFile, ...]:
        """Return the files of the sources."""
        return inputs.get(self.data, ())

    def _other_uses(self) -> list[str]:
        """Return the settings that change the outputs and not the weights."""
        given = {
            "tolerance": self.reference is not None,
            "heldout_every": self.heldout_every is not None,
            "checkpoint_keep_every": self.checkpoint_keep_every is not None,
            "deterministic": not self.deterministic,
        }
        return [name for name, is_used in given.items() if is_used]

    def _outputs(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> list[Output]:
        """Return the outputs: checkpoints of the steps that this training does, and measurements."""
        unit, kind, first = WHOLE[0].key, KINDS.checkpoint, self.first_step(inputs)
        reason = unreleasable(self.model)
        unfit = ((KINDS.release.name, reason),) if reason else ()
        tokenizer = next((file.where for file in inputs.get("tokenizer", ())), "")
        about = PlannedModel(
            model=self.model, dtype=self.dtype, tokenizer=tokenizer, start=self._weights_from(inputs)
        ).text()
        models = [FINAL, UNTRAINED, *([BEST] if self.heldout_every is not None else [])]
        measured = (KINDS.metrics, KINDS.readings, KINDS.layers, KINDS.rank_times)
        published = [step for step in self.published_steps if step > first]
        kept = [step for step in self.kept_steps if step > first]
        return [
            *(
                Output(step="", unit=unit, kind=kind, source=name, name=name, unfit=unfit, about=about)
                for name in models
            ),
            *(replace(_kept(unit, step, kind), unfit=unfit, about=about) for step in published),
            *(replace(_kept(unit, step, KINDS.state), about=about) for step in kept),
            *(Output(step="", unit=unit, kind=each, source="", about=about) for each in measured),
        ]

    def _weights_from(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> str:
        """Return where the weights are that step 0 has; empty: they are drawn from the seed."""
        start = self.chosen_start(inputs) if self.continue_with == "weights" else None
        return next((file.where for file in (start, *inputs.get("init_from", ())) if file), "")

    def _start(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> InputFile | None:
        """Return the checkpoint to continue from. Raises ConfigError if there are two places to start from."""
        if len(files := inputs.get("init_from", ())) > 1:
            raise ConfigError("init_from", self.init_from, f"one folder, not {len(files)}")
        if self.init_from is not None and self.continue_from is not None:
            raise ConfigError("init_from", self.init_from, "absent with continue_from: a training starts once")
        return self.chosen_start(inputs)

    def _check_sources(self, sources: list[str]) -> None:
        mixture, mixed = self.mixture or {}, self.mixed
        last = mixed.last.mixture if mixed and mixed.last else {}
        for setting, weights in (("mixture", mixture), ("mixing.last.mixture", last)):
            for source in weights:
                if source not in sources:
                    wanted = f"a source of {self.data} ({nearest(source, sources)})"
                    raise ConfigError(f"{setting}.{source}", weights[source], wanted)
        for source in sources if mixture else ():
            if source not in mixture and source not in last:
                wanted = f"a weight for every source of {self.data}, {source!r} too"
                raise ConfigError("mixture", sorted(mixture), wanted)

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return memory of the training, time and cost of the steps that are left, and how often each source is read if
        its size is known.

        Raises ConfigError, with layouts that fit, if the training does not fit into the machine.
        """
        training = self.planned(inputs)
        found = forecast(replace(training, first=max(training.first, done)), machine)
        if self.earlier_steps:
            found = replace(found, rows=(*found.rows, ("schedule", self._schedule_text())))
        sources = self._readings(inputs)
        if not sources:
            return found
        more = f"; and {len(sources) - SHOWN} more" if len(sources) > SHOWN else ""
        rows = [("data", "about: " + "; ".join(map(str, sources[:SHOWN])) + more)]
        if repeated := warning(sources):
            rows.append(("repeated", repeated))
        data = {**found.data, "sources": [asdict(reading) for reading in sources]}
        return replace(found, rows=(*found.rows, *rows), data=data)

    def _schedule_text(self) -> str:
        """Return the learning rates behind the last of the earlier steps."""
        schedule, first = self.schedule, self.earlier_steps[-1] + 1
        plans = " then ".join(f"{plan:,}" for plan in schedule.plans)
        form, rates = self.lr_schedule, [schedule.learning_rate(step) for step in (first, self.steps)]
        text = (
            f"{form.shape} planned over {plans} steps: lr {rates[0]:.2e} at step {first:,}, {rates[1]:.2e} at the end"
        )
        other = "replan" if form.extend == "keep" else "keep"
        return f"{text}; lr_schedule.extend={other} for the other way" if form.plans else text

    def _readings(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> list[Reading]:
        """Return the readings by the datasets' sizes; none if a size is unknown."""
        files = self.data_files(inputs)
        if not files or not all(file.mb for file in files):
            return []
        pieces = next((file.count for file in inputs.get("tokenizer", ())), 0)
        tokens: dict[str, float] = defaultdict(float)
        for file in files:
            tokens[file.source] += file.mb * 1e6 / (2 if pieces < NARROW else 4)
        return readings(tokens, self.mixture, self.planned(inputs).sequences * self.model.seq_len, self.mixed)


def _kept(unit: str, step: int, kind: Kind) -> Output:
    return Output(step="", unit=unit, kind=kind, source=f"step-{step}", name=step_name(step), during=True)
