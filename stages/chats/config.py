"""Base of the stages that learn from chats: their inputs, and the steps that make packed rows of them. Light.

encode (a unit a file of chats or documents) -> pack (once) -> the training (once, on all ranks of the layout)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from stages.formats.chat.templates import digest_of, load_template, require_controls
from stages.formats.kinds import KINDS
from stages.formats.pieces import count_pieces
from stages.formats.readings import Reading
from stages.model.checkpoint.settings import PlannedModel, read_sealed
from stages.model.huggingface.folder import ReleaseFolder
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

FIELDS = ("chats", "documents")
"""Input fields with what is learned."""
START_SECONDS, SECONDS_PER_MB = 5.0, 1.0
"""CPU time of encoding a file of chats: the tokenizer reads a million tokens a second."""


class ChatStage(TrainingStage):
    """Settings of a training on the assistant's part of chats."""

    data: ClassVar[str] = "chats"
    step: ClassVar[str]
    """Name of the training's step."""
    looked_up: ClassVar[tuple[str, ...]] = ()
    """Input fields besides the tokenizer that the encoding of every file, and the training, read."""
    encode_uses: ClassVar[tuple[str, ...]] = ()
    """Settings that change the encoded files, besides those of every such stage."""

    chats: Annotated[Inputs, Reads(KINDS.chats)]
    """Chats to learn. A mapping names sources for `mixture`: `{flan: "from:instruct", human: /data/chats.jsonl}`."""
    documents: Annotated[Inputs | None, Reads(KINDS.documents)] = None
    """Documents to go on learning, every token of them: a model that learns chats alone forgets (InstructGPT's ptx,
    arXiv:2203.02155, section 3.5). A mapping names sources for `mixture`: `{pages: "from:web"}`."""
    template: str = "stagecoach"
    """Chat template: a name in `templates/chat`, or the path of a file. `model.extra_tokens` holds its control
    tokens."""
    learn: Literal["answers", "last_answer"] = "answers"
    """Learned messages: all of the assistant's, or the last one of each chat. The token that ends an answer is learned
    with it."""
    too_long: Literal["refuse", "cut", "split"] = "refuse"
    """Treatment of a chat of more than `model.seq_len` tokens: left out, cut at its begin, or split into parts that do
    not see each other. Each is counted."""
    heldout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the chats that are never trained on, for the held-out loss. A hash of the first message that is not the
    system's selects them, so that chats with one prompt are on one side."""
    noise: Annotated[float, WEIGHTS] = Field(default=0.0, ge=0)
    """Noise on the embeddings in training: each number of an example of L tokens gets up to noise / sqrt(L x model.dim)
    (NEFTune, arXiv:2310.05914: 5 to 15)."""
    attend_across_documents: Annotated[Literal[False], WEIGHTS] = False
    """Examples of a row never see each other."""
    steps: Annotated[int, WEIGHTS] = Field(ge=1)
    """Optimizer steps. `readings.json` has the number of epochs that they are."""

    @model_validator(mode="after")
    def _check_chats(self) -> ChatStage:
        if self.model.head != "lm":
            raise ConfigError("model.head", self.model.head, "lm: tokens are predicted")
        if self.model.position == "glm":
            raise ConfigError("model.position", "glm", "rope or alibi: GLM's mask does not keep examples apart")
        require_controls(self.template, load_template(self.template).controls, self.model.extra_tokens)
        if self.model.lora and self.init_from is None and self.continue_from is None:
            raise ConfigError("model.lora", self.model.lora.model_dump(), "absent without init_from or continue_from")
        if self.heldout_batches and not self.heldout:
            raise ConfigError("heldout", self.heldout, "above 0 with heldout_batches (for example 0.02)")
        return self

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the three steps. Raises ConfigError if these settings and inputs cannot work."""
        files = self.data_files(inputs)
        mb = sum(file.mb for file in files)
        keys = unique_keys(file_key(file) for file in files)
        encode = Step(
            name="encode",
            run="stages.chats.encode:run",
            units=tuple(
                Unit(
                    key=key,
                    inputs={field: (file,) if file in inputs.get(field, ()) else () for field in FIELDS},
                    core_seconds=START_SECONDS + SECONDS_PER_MB * file.mb,
                )
                for key, file in zip(keys, files, strict=True)
            ),
            uses=("learn", "too_long", "heldout", "model.seq_len", "model.extra_tokens", *self.encode_uses),
            reads=(*FIELDS, "tokenizer", *self.looked_up),
            data=digest_of(self.template),
        )
        pack = Step(
            name="pack",
            run="stages.chats.pack:run",
            units=WHOLE,
            uses=("model.seq_len",),
            reads=FIELDS,
            after=(After("encode"),),
            core_seconds=START_SECONDS + 0.1 * mb,
            disk_mb=max(1.0, mb),
        )
        training = super().plan(inputs)
        (step,) = training.steps
        reads = tuple(field for field in step.reads if field != self.data)
        step = replace(step, name=self.step, reads=(*reads, *FIELDS, *self.looked_up), after=(After("pack"),))
        report = Output(step="pack", unit=WHOLE[0].key, kind=KINDS.packing, source="")
        made = (replace(output, step=step.name) for output in training.outputs)
        return StagePlan(steps=(encode, pack, step), outputs=(*made, report))

    def data_files(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> tuple[InputFile, ...]:
        """Return the files of chats, then those of documents."""
        return tuple(file for field in FIELDS for file in inputs.get(field, ()))

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise what TrainingStage does, and ConfigError for tokens that are new and would not be trained."""
        super().inspect(inputs)
        if self.model.lora is None or self.model.lora.embeddings:
            return
        for file in inputs.get("continue_from", ()):
            planned = PlannedModel.of(file)
            known = (planned.model if planned else read_sealed(file.path).config).extra_tokens
            self._require_known(known)
        for file in inputs.get("init_from", ()):
            pieces = [count_pieces(each.path) for each in inputs.get("tokenizer", ()) if not each.section]
            if pieces and not file.section:
                self._require_known(ReleaseFolder(file.path).added_tokens(pieces[0]))

    def _require_known(self, known: Collection[str]) -> None:
        if new := [name for name in self.model.extra_tokens if name not in known]:
            wanted = f"true with tokens that the start lacks ({', '.join(new)}): their rows are the same until trained"
            raise ConfigError("model.lora.embeddings", False, wanted)

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return time and memory of the training: see TrainingStage. Data steps have their own estimates."""
        return super().forecast(step, inputs, machine, done) if step == self.step else None

    def _readings(self, _inputs: Mapping[str, tuple[InputFile, ...]]) -> list[Reading]:
        """Return nothing: how many rows a file of chats fills is known when it is packed."""
        return []
