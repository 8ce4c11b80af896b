"""Settings of `align.rollout`: policies answer prompts, as an array over shards of the prompts.

shard (a unit a shard of a policy's prompts) -> rollout (a unit a policy). The shards are no part of an identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from stages.formats.chat.templates import digest_of, load_template
from stages.formats.kinds import KINDS
from stages.generate.layout import EngineLayout
from stages.generate.memory import BATCH_TOKENS, LIBRARIES, engine_memory
from stages.model.checkpoint.settings import WEIGHT_TYPES, name_of, require_tokenizer
from stages.model.known import known_model
from stages.shared.contract import (
    PARTS,
    After,
    InputFile,
    Inputs,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    unique_keys,
)
from stages.shared.errors import ConfigError, nearest
from stages.train.state.names import FINAL

SHARD = "shard"
_NUMBER_BYTES = dict(zip(WEIGHT_TYPES, (4, 2, 2), strict=True))


class RolloutConfig(StageConfig):
    """Samples responses of one or more policies."""

    stage: ClassVar[str] = "align.rollout"

    policy: Annotated[Inputs, Reads(KINDS.checkpoint)]
    """Checkpoints that answer, each a unit: `from:section`, whose `checkpoints` are taken, or folders. A mapping names
    them: `{sft: from:sft, ppo: from:ppo}`."""
    checkpoints: tuple[str, ...] = Field(default=(FINAL,), min_length=1)
    """Names of the checkpoints of a section that answer: `final`, `average`, `untrained`, `step-200`."""
    prompts: Annotated[Inputs, Reads(KINDS.chats)]
    """Chats whose last answer the policies give anew; an answer at their end is left out. Prompts that leave no room
    for max_new_tokens are counted and left out."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """The tokenizer of the policies' training."""
    template: str = "stagecoach"
    """Chat template: a name in `templates/chat`, or the path of a file."""
    limit: int | None = Field(default=None, ge=1)
    """Prompts that are answered: those that `align.ppo` takes in its round of this number. None: all, in order."""
    round: int = Field(default=0, ge=0)
    """Number of the round. Responses of two rounds have different draws."""
    samples: int = Field(default=1, ge=1)
    """Responses to each prompt."""
    max_new_tokens: int = Field(default=128, ge=1)
    """Tokens of a response, its end token included."""
    temperature: float = Field(default=1.0, ge=0, le=10)
    """Softmax temperature; 0 selects the likeliest token. Recorded log probabilities are always those of 1."""
    top_k: int = Field(default=0, ge=0)
    """Number of likeliest tokens to sample from; 0: all."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Probability of the tokens to sample from: the fewest that hold this much."""
    seed: int = Field(default=1, ge=0)
    """Of the draws, and of the order of the prompts with `limit`."""
    batch: int = Field(default=64, ge=1)
    """Responses that are sampled together and then written: what a kill costs at most."""
    threads: int = Field(default=1, ge=1)
    """CPU threads a rank: they decide how sums are split."""
    shards: int = Field(default=1, ge=1)
    """Elements that share the prompts of a policy. The responses are the same bytes with any number."""
    layout: EngineLayout = EngineLayout()
    """Processes that hold a policy together. Log probabilities depend on it in the last bits only: it is no part of an
    identity."""

    @model_validator(mode="after")
    def _check(self) -> RolloutConfig:
        if self.round and self.limit is None:
            raise ConfigError("limit", None, "a number of prompts with `round` (for example 512)")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the step over shards and the one over policies. Raises ConfigError for a missing checkpoint."""
        chosen = self.chosen(inputs.get("policy", ()))
        units = tuple(Unit(key=key, inputs={"policy": (file,)}, parts=self.shards) for key, file in chosen.items())
        mem_mb = max((self._mem_mb(file, inputs) for file in chosen.values()), default=0.0)
        steps = (
            self._step(SHARD, "shard", (), mem_mb, ()),
            self._step("", "rollout", units, mem_mb, (After(SHARD, PARTS),)),
        )
        outputs = (
            Output(step="", unit=key, kind=KINDS.rollouts, source=file.source or key) for key, file in chosen.items()
        )
        return StagePlan(steps=steps, outputs=tuple(outputs))

    def chosen(self, files: Sequence[InputFile]) -> dict[str, InputFile]:
        """Return the checkpoints that answer, by the key of their unit. Raises ConfigError if a section lacks one."""
        offered = {file.source.rpartition("/")[2] for file in files if file.section}
        for name in self.checkpoints:
            if offered and name not in offered:
                raise ConfigError("checkpoints", name, f"a checkpoint of policy; {nearest(name, sorted(offered))}")
        found = [file for file in files if not file.section or file.source.rpartition("/")[2] in self.checkpoints]
        return dict(zip(unique_keys(file.source or file.path.name for file in found), found, strict=True))

    def _step(self, name: str, function: str, units: tuple[Unit, ...], mem_mb: float, after: tuple[After, ...]) -> Step:
        return Step(
            name=name,
            run=f"stages.align.rollout.run:{function}",
            units=units,
            uses=(
                *("limit", "round", "samples", "max_new_tokens", "temperature", "top_k", "top_p", "seed"),
                *("batch", "threads"),
            ),
            reads=("policy", "prompts", "tokenizer"),
            after=after,
            ranks=self.layout.ranks,
            resumes=True,
            shape="small" if self.layout.ranks == 1 else "generate",
            core_seconds=60.0,
            mem_mb=mem_mb,
            data=digest_of(self.template),
        )

    def _mem_mb(self, file: InputFile, inputs: Mapping[str, tuple[InputFile, ...]]) -> float:
        """Return the memory of a policy's rank; 0 while its model is unknown."""
        pieces = next((tokenizer.count for tokenizer in inputs.get("tokenizer", ())), 0)
        if file.section and not file.about:
            return 0.0
        known = known_model(file, pieces)
        if known is None:
            return 0.0
        memory = engine_memory(
            known.config,
            known.vocab_size,
            _NUMBER_BYTES[known.dtype],
            BATCH_TOKENS,
            slots=self.batch * known.config.seq_len,
            layout=self.layout,
        )
        return (LIBRARIES + memory.total) * self.layout.ranks / 1e6

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise DataError for a policy of another tokenizer, and ConfigError for one that cannot answer so."""
        controls = load_template(self.template).controls
        for file in self.chosen(inputs.get("policy", ())).values():
            require_tokenizer(file, inputs.get("tokenizer", ()))
            known = known_model(file)
            if known is None:
                continue
            name = str(name_of(file))
            self.layout.require(known.config, name)
            if known.config.head != "lm":
                raise ConfigError("policy", name, f"a model that answers, not one with head {known.config.head}")
            if absent := [each for each in controls if each not in known.config.extra_tokens]:
                raise ConfigError("policy", name, f"a model of chats: it lacks the tokens {', '.join(absent)}")
            if self.max_new_tokens >= known.config.text_len:
                wanted = f"less than the {known.config.text_len} tokens of {name}, which hold the prompt too"
                raise ConfigError("max_new_tokens", self.max_new_tokens, wanted)


Config = RolloutConfig
