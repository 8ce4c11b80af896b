"""Settings of `evaluate`: tasks and checkpoints. A unit is one (checkpoint, task)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from stages.formats.kinds import KINDS
from stages.model.checkpoint.names import COMPLETE
from stages.model.checkpoint.settings import require_tokenizer
from stages.shared.contract import (
    InputFile,
    Inputs,
    Kind,
    Output,
    Reads,
    Section,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    unique_keys,
)
from stages.shared.errors import ConfigError

PERPLEXITY = "perplexity"
FACTS = "facts"
GENERATE = "generate"
NEEDS = {PERPLEXITY: "heldout", FACTS: "facts"}
"""Input that one of our own tasks needs. Other task names are lm-eval's."""

SETTINGS = {PERPLEXITY: ("perplexity",), FACTS: (), GENERATE: ("generate",)}
"""Settings that change the results of one of our own tasks."""
HARNESS_SETTINGS = ("num_fewshot", "limit")
"""Settings that change the results of lm-eval's tasks."""


class PerplexityConfig(Section):
    """Perplexity of held-out documents: every token is predicted once, with as much context as the model takes."""

    documents: int = Field(default=200, ge=1)
    """Documents measured, at most: one of each held-out file in turn."""


class GenerateConfig(Section):
    """Continuations for people to read."""

    prompts: tuple[str, ...] = ("The capital of", "In the old town there is", "The animal called")
    """Texts to continue."""
    max_tokens: int = Field(default=60, ge=1)
    """Longest continuation, in tokens."""
    temperature: float = Field(default=0.0, ge=0.0, le=10.0)
    """Softmax temperature; 0 selects the likeliest token."""
    top_k: int = Field(default=0, ge=0)
    """Number of likeliest tokens to sample from; 0: all."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampling; each prompt has its own random stream."""


class EvaluateConfig(StageConfig):
    """Evaluates checkpoints with lm-eval on local files, without a network."""

    stage: ClassVar[str] = "evaluate"

    checkpoints: Annotated[Inputs, Reads(KINDS.checkpoint)] = "from:pretrain"
    """Checkpoint folders. The source names each in tables (`final`, `untrained`)."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)] = "from:tokenizer"
    """The tokenizer of the checkpoints' training."""
    heldout: Annotated[Inputs | None, Reads(KINDS.heldout)] = None
    """Documents that training did not read, for the task `perplexity`."""
    facts: Annotated[Inputs | None, Reads(KINDS.facts)] = None
    """JSONL of {id, question, choices, answer}, for the task `facts`."""
    tasks: tuple[str, ...] = (PERPLEXITY,)
    """`perplexity`, `facts`, `generate`, or any task or group of lm-eval."""
    num_fewshot: int | None = Field(default=None, ge=0)
    """Solved examples before each question of lm-eval's tasks; None: each task's default. Our own tasks have none."""
    limit: int | None = Field(default=None, ge=1)
    """Samples of each of lm-eval's tasks, the first ones; None: all."""
    perplexity: PerplexityConfig = PerplexityConfig()
    generate: GenerateConfig = GenerateConfig()
    batch_tokens: int = Field(default=4096, ge=1)
    """Tokens of a forward pass, padding included. Its logits need 4 bytes x this x the vocabulary."""
    datasets_cache: str | None = None
    """A Hugging Face home (HF_HOME) that holds the data of lm-eval's tasks. Nothing is downloaded."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step over checkpoints x tasks. Raises ConfigError for a task without its data."""
        self._check(inputs)
        checkpoints = inputs["checkpoints"]
        names = unique_keys(checkpoint.source or checkpoint.path.name for checkpoint in checkpoints)
        cells = [
            (f"{name}/{task}", checkpoint, task)
            for name, checkpoint in zip(names, checkpoints, strict=True)
            for task in self.tasks
        ]
        step = Step(
            name="",
            run="stages.evaluate.run:run",
            version=2,
            units=tuple(unit_of(key, checkpoint, task) for key, checkpoint, task in cells),
            uses=("batch_tokens",),
            reads=("checkpoints", "tokenizer", *NEEDS.values()),
            resumes=True,
            shape="small",
            core_seconds=15.0,
        )
        outputs = (
            Output(step="", unit=key, kind=kind, source=checkpoint.source)
            for key, checkpoint, task in cells
            for kind in offers(task)
        )
        return StagePlan(steps=(step,), outputs=tuple(outputs))

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise DataError for a checkpoint that was trained with another tokenizer, as far as that is known."""
        for checkpoint in inputs.get("checkpoints", ()):
            if checkpoint.section or (checkpoint.path / COMPLETE).is_file():
                require_tokenizer(checkpoint, inputs.get("tokenizer", ()))

    def _check(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ConfigError("tasks", list(self.tasks), "one or more different task names (for example [perplexity])")
        if not inputs.get("checkpoints"):
            raise ConfigError("checkpoints", self.checkpoints, "at least one checkpoint folder")
        if len(inputs.get("tokenizer", ())) != 1:
            found = len(inputs.get("tokenizer", ()))
            raise ConfigError("tokenizer", self.tokenizer, f"exactly one tokenizer file, found {found}")
        for task, field in NEEDS.items():
            if task in self.tasks and not inputs.get(field):
                wanted = f"a file, because `tasks` has {task!r}; set it or remove {task!r}"
                raise ConfigError(field, getattr(self, field), wanted)
        if GENERATE in self.tasks and not self.generate.prompts:
            raise ConfigError("generate.prompts", [], "at least one prompt for the task 'generate'")


def unit_of(key: str, checkpoint: InputFile, task: str) -> Unit:
    """Return the unit of a checkpoint and a task. It reads no data and uses no settings of other tasks."""
    others: dict[str, tuple[InputFile, ...]] = {field: () for name, field in NEEDS.items() if name != task}
    return Unit(key=key, inputs={"checkpoints": (checkpoint,), **others}, uses=SETTINGS.get(task, HARNESS_SETTINGS))


def offers(task: str) -> tuple[Kind, ...]:
    """Return the kinds of file that a unit of this task writes."""
    return (KINDS.generations,) if task == GENERATE else (KINDS.results, KINDS.samples)


Config = EvaluateConfig
