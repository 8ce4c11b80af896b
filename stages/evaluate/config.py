"""Settings of `evaluate`: which tasks, on which checkpoints. One array element is one (checkpoint, task)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from stages.formats.results import GENERATIONS, RESULTS, SAMPLES
from stages.shared.contract import InputFile, Inputs, Output, Reads, Section, StageConfig, StagePlan, Step
from stages.shared.errors import ConfigError

PERPLEXITY = "perplexity"
FACTS = "facts"
GENERATE = "generate"
NEEDS = {PERPLEXITY: "heldout", FACTS: "facts"}
"""The input without which one of our own tasks has nothing to measure. Other names are lm-eval's."""


class PerplexityConfig(Section):
    """Held-out documents: every token predicted once, with as much context as the model takes."""

    documents: int = Field(default=200, ge=1)
    """Documents measured, the first of each held-out file in turn; fewer if there are fewer."""


class GenerateConfig(Section):
    """Sample continuations, to be read by people."""

    prompts: tuple[str, ...] = ("The capital of", "In the old town there is", "The animal called")
    """Texts to continue."""
    max_tokens: int = Field(default=60, ge=1)
    """Longest continuation, in tokens."""
    temperature: float = Field(default=0.0, ge=0.0, le=10.0)
    """Softmax temperature; 0 takes the likeliest token."""
    top_k: int = Field(default=0, ge=0)
    """Sample among this many likeliest tokens; 0 is all."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampling; each prompt has its own stream."""


class EvaluateConfig(StageConfig):
    """Evaluates checkpoints with lm-eval on local files, without network."""

    stage: ClassVar[str] = "evaluate"

    checkpoints: Annotated[Inputs, Reads("checkpoint")] = "from:pretrain"
    """Checkpoint folders; the source names each in tables (`final`, `untrained`)."""
    tokenizer: Annotated[Inputs, Reads("tokenizer")] = "from:tokenizer"
    """The tokenizer all these checkpoints were trained with."""
    heldout: Annotated[Inputs | None, Reads("heldout")] = None
    """Documents kept out of training, for the task `perplexity`."""
    facts: Annotated[Inputs | None, Reads("facts")] = None
    """JSONL of {id, question, choices, answer}, for the task `facts`."""
    tasks: tuple[str, ...] = (PERPLEXITY,)
    """`perplexity`, `facts`, `generate`, or any task or group that lm-eval knows."""
    num_fewshot: int | None = Field(default=None, ge=0)
    """Solved examples before each question of lm-eval's tasks; None is each task's own default. Ours take none."""
    limit: int | None = Field(default=None, ge=1)
    """First samples of each of lm-eval's tasks; None is all."""
    perplexity: PerplexityConfig = PerplexityConfig()
    generate: GenerateConfig = GenerateConfig()
    batch_tokens: int = Field(default=4096, ge=1)
    """Tokens of a forward pass, padding included. Logits take 4 bytes x this x the vocabulary."""
    datasets_cache: str | None = None
    """A Hugging Face home (HF_HOME) that already holds the data of lm-eval's tasks; nothing is downloaded."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one array over checkpoints x tasks, tasks fastest. Raises ConfigError for a task without its data."""
        self._check(inputs)
        pairs = [(checkpoint.source, task) for checkpoint in inputs["checkpoints"] for task in self.tasks]
        step = Step(
            name="",
            run="stages.evaluate.run:run",
            shards=len(pairs),
            uses=("tasks", "num_fewshot", "limit", "perplexity", "generate", "batch_tokens"),
            reads=("checkpoints", "tokenizer", *(field for task, field in NEEDS.items() if task in self.tasks)),
            resumes=True,
            shape="small",
            core_seconds=15.0,
        )
        outputs = (
            Output(step="", shard=shard, name=name, kind=kind, source=source)
            for shard, (source, task) in enumerate(pairs)
            for name, kind in offers(task)
        )
        return StagePlan(steps=(step,), outputs=tuple(outputs))

    def _check(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ConfigError("evaluate.tasks", list(self.tasks), "one or more different task names")
        if not inputs.get("checkpoints"):
            raise ConfigError("evaluate.checkpoints", self.checkpoints, "at least one checkpoint folder")
        if len(inputs.get("tokenizer", ())) != 1:
            found = len(inputs.get("tokenizer", ()))
            raise ConfigError("evaluate.tokenizer", self.tokenizer, f"exactly one tokenizer file, found {found}")
        for task, field in NEEDS.items():
            if task in self.tasks and not inputs.get(field):
                wanted = f"a file, because evaluate.tasks has {task!r}; set it or take {task!r} out"
                raise ConfigError(f"evaluate.{field}", getattr(self, field), wanted)
        if GENERATE in self.tasks and not self.generate.prompts:
            raise ConfigError("evaluate.generate.prompts", [], "at least one prompt for the task 'generate'")


def offers(task: str) -> tuple[tuple[str, str], ...]:
    """Return (file name, kind) of what a shard of this task holds."""
    return ((GENERATIONS, "generations"),) if task == GENERATE else ((RESULTS, "results"), (SAMPLES, "samples"))


Config = EvaluateConfig
