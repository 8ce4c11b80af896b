"""Settings of `align.reward`: a model learns to score responses from their rankings.

encode (a unit a file) -> pack (once) -> reward (once, on all ranks of the layout) -> measure (once, on all ranks)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from stages.align.comparisons import HELD_OUT_IN, ComparisonStage, Ranked
from stages.formats.kinds import KINDS
from stages.formats.preferences import Preference
from stages.model.config import ModelConfig
from stages.shared.contract import WHOLE, After, InputFile, Inputs, Output, Reads, StagePlan, Step
from stages.shared.errors import ConfigError
from stages.train.config import WEIGHTS
from stages.train.state.names import FINAL

GOOD, BAD = "GOOD:", "BAD:"
"""Words before a response that is compared with itself (arXiv:2112.00861, section 4.2)."""


class RewardConfig(ComparisonStage):
    """Trains a reward model on ranked responses."""

    stage: ClassVar[str] = "align.reward"
    run: ClassVar[str] = "stages.align.reward.run:train"
    encoded: ClassVar[tuple[str, ...]] = (*HELD_OUT_IN, "demonstrations")
    step: ClassVar[str] = "reward"

    demonstrations: Annotated[Inputs | None, Reads(KINDS.chats)] = None
    """Chats whose last answers get the mean reward 0: rewards are scores minus the demonstrations' mean. None: rewards
    are the scores."""
    end_of_context: str | None = None
    """Token of `model.extra_tokens` that is appended to each conversation, and where the score is read
    (arXiv:2204.05862). None: the score is read at the token that ends the answer."""
    binarised: bool = False
    """Preference pretraining's pairs, made of a prompt's best response A and its worst one B: `GOOD:A` above `BAD:A`,
    and `BAD:B` above `GOOD:B` (arXiv:2112.00861, section 4.2). False: all responses are compared as they are ranked."""
    model: Annotated[ModelConfig, WEIGHTS] = ModelConfig(head="scalar")
    """The reward model. Its scalar head takes the place of the output layer of the start."""
    frozen_layers: Annotated[int, WEIGHTS] = Field(default=0, ge=0)
    """Lowest layers that keep the weights of the start, and the embedding with them. A model with few facts to learn
    from then judges by what the start knows, where it would learn the facts of the comparisons by heart."""

    repeated_layers: Annotated[int, WEIGHTS] = Field(default=0, ge=0)
    """Highest layers of `continue_from` that `model` has twice: copies of them lie on top (arXiv:2312.15166). With all
    others frozen they compare a response with what the start knows."""

    @model_validator(mode="after")
    def _check_reward(self) -> RewardConfig:
        if self.model.head != "scalar":
            raise ConfigError("model.head", self.model.head, "scalar: a reward is one number")
        if self.repeated_layers and self.continue_with != "weights":
            raise ConfigError("repeated_layers", self.repeated_layers, "0 without continue_with: weights")
        if self.frozen_layers:
            self._check_frozen()
        return self

    def _check_frozen(self) -> None:
        given, layers = self.frozen_layers, self.model.num_layers // self.layout.pp
        if given >= layers:
            wanted = f"below {layers}, the layers of a pipeline stage: the first stage must have one to train"
            raise ConfigError("frozen_layers", given, wanted)
        if self.engine != "megatron":
            raise ConfigError("frozen_layers", given, f"0 with engine {self.engine}, which trains all weights")
        if self.model.lora:
            raise ConfigError("frozen_layers", given, "0 with model.lora: adapters freeze the layers")

    @property
    def layers_on_top(self) -> int:
        """Layers of the model that repeat the highest ones of `continue_from`."""
        return self.repeated_layers

    @property
    def frozen(self) -> tuple[str, ...]:
        """Patterns of the names of weights that are not trained."""
        if not self.frozen_layers:
            return ()
        return ("embedding.*", *(f"decoder.layers.{layer}.*" for layer in range(self.frozen_layers)))

    def control_tokens(self) -> tuple[str, ...]:
        """Return the tokens that the model must know besides the tokenizer's pieces."""
        return (*super().control_tokens(), *self.appended_tokens)

    @property
    def appended_tokens(self) -> tuple[str, ...]:
        """Tokens behind each response."""
        return () if self.end_of_context is None else (self.end_of_context,)

    def ranked(self, preference: Preference) -> list[Ranked]:
        """Return the responses that are compared."""
        if not self.binarised:
            return super().ranked(preference)
        ranks = preference.ranks
        best, worst = (preference.responses[ranks.index(extreme(ranks))].text for extreme in (min, max))
        return [(0, GOOD + best, 1), (0, BAD + best, 2), (1, BAD + worst, 1), (1, GOOD + worst, 2)]

    def _encode_uses(self) -> Sequence[str]:
        return ("binarised", "end_of_context")

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the four steps. The last one has the scale of the scores, and the final checkpoint with it."""
        made = super().plan(inputs)
        *_, training = made.steps
        measure = Step(
            name="measure",
            run="stages.align.reward.measure:run",
            units=WHOLE,
            uses=("model", "end_of_context"),
            reads=(*self._given(), "tokenizer"),
            after=(After("pack"), After(self.step)),
            ranks=self.layout.ranks,
            shape="train",
            core_seconds=0.1 * training.core_seconds,
            disk_mb=1.0,
            mem_mb=training.mem_mb,
        )
        outputs = [replace(each, step="measure") if each.name == FINAL else each for each in made.outputs]
        report = Output(step="measure", unit=WHOLE[0].key, kind=KINDS.reward, source="")
        return StagePlan(steps=(*made.steps, measure), outputs=(*outputs, report))


Config = RewardConfig
