"""Settings of `release`: converts checkpoints to Hugging Face folders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from stages.formats.chat.templates import digest_of, load_template
from stages.formats.kinds import KINDS
from stages.model.checkpoint.settings import PlannedModel, read_sealed, require_tokenizer
from stages.model.config import ModelConfig
from stages.model.huggingface.config import unreleasable
from stages.shared.contract import InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step, Unit, unique_keys
from stages.shared.errors import ConfigError


class ReleaseConfig(StageConfig):
    """Writes checkpoints as folders that transformers loads: config, safetensors, tokenizer."""

    stage: ClassVar[str] = "release"

    checkpoints: Annotated[Inputs, Reads(KINDS.checkpoint)] = "from:pretrain"
    """Checkpoint folders, those in the middle of a training included."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)] = "from:tokenizer"
    """The tokenizer of the checkpoints' training."""
    skip: tuple[str, ...] = ("untrained",)
    """Sources of checkpoints that are not released."""
    chat_template: str | None = None
    """Chat template of the checkpoints' fine-tuning: a name in `templates/chat`, or the path of a file. The folder then
    has it as transformers' `chat_template`. None: the folder has none."""
    file_gb: float = Field(default=5.0, gt=0)
    """Largest file of weights, in GB. Memory holds that much of the model at a time."""

    def chosen(self, checkpoints: tuple[InputFile, ...]) -> tuple[InputFile, ...]:
        """Return the checkpoints to release, one a unit."""
        return tuple(checkpoint for checkpoint in checkpoints if checkpoint.source not in self.skip)

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return one step over the checkpoints. Raises ConfigError if there are none, or not one tokenizer."""
        chosen = self.chosen(inputs.get("checkpoints", ()))
        if not chosen:
            raise ConfigError("checkpoints", self.checkpoints, f"a checkpoint beside {', '.join(self.skip)}")
        for checkpoint in chosen:
            if reason := dict(checkpoint.unfit).get(KINDS.release.name):
                raise ConfigError("checkpoints", self.checkpoints, f"a model that transformers has ({reason})")
            if planned := PlannedModel.of(checkpoint):
                self._check_template(planned.model)
        if (found := len(inputs.get("tokenizer", ()))) != 1:
            raise ConfigError("tokenizer", self.tokenizer, f"exactly one tokenizer file, found {found}")
        keys = unique_keys(checkpoint.source for checkpoint in chosen)
        units = [Unit(key=key, inputs={"checkpoints": (file,)}) for key, file in zip(keys, chosen, strict=True)]
        step = Step(
            name="",
            run="stages.release.run:run",
            version=2,
            units=tuple(units),
            uses=("file_gb", *(("chat_template",) if self.chat_template else ())),
            reads=("checkpoints", "tokenizer"),
            shape="small",
            data=digest_of(self.chat_template) if self.chat_template else "",
            core_seconds=30.0,
            disk_mb=max(checkpoint.mb for checkpoint in chosen),
            mem_mb=1_000 + 1_000 * self.file_gb,
        )
        outputs = (
            Output(step="", unit=key, kind=KINDS.release, source=file.source, about=file.about)
            for key, file in zip(keys, chosen, strict=True)
        )
        return StagePlan(steps=(step,), outputs=tuple(outputs))

    def _check_template(self, model: ModelConfig) -> None:
        """Raise ConfigError if the chat template has control tokens that a checkpoint's model does not know."""
        if self.chat_template is None:
            return
        controls = load_template(self.chat_template).controls
        if absent := [name for name in controls if name not in model.extra_tokens]:
            wanted = f"the template of the fine-tuning: the model has no {', '.join(absent)}"
            raise ConfigError("chat_template", self.chat_template, wanted)

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise ConfigError for a checkpoint from outside whose model transformers does not have, or that does not know
        the chat template's tokens.

        Raises DataError for one that was trained with another tokenizer.
        """
        for checkpoint in self.chosen(inputs["checkpoints"]):
            if not checkpoint.section:
                model = read_sealed(checkpoint.path).config
                if reason := unreleasable(model):
                    raise ConfigError("checkpoints", str(checkpoint.path), f"a model that transformers has ({reason})")
                self._check_template(model)
            require_tokenizer(checkpoint, inputs.get("tokenizer", ()))


Config = ReleaseConfig
