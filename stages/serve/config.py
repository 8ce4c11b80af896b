"""Settings of `serve`: an OpenAI-compatible server of a run's models, and the chat page.

One step, a service: it runs until it is stopped, and its address is a file. `launch.py chat RUN` serves here and now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from stages.formats.chat.templates import digest_of
from stages.formats.kinds import KINDS
from stages.generate.memory import BATCH_TOKENS, LIBRARIES, MAX_ROWS, cache_bytes, engine_memory, slot_bytes
from stages.generate.memory import weight_bytes as bytes_of_weights
from stages.model.checkpoint.settings import WEIGHT_TYPES, require_tokenizer
from stages.model.known import known_model
from stages.shared.contract import (
    WHOLE,
    InputFile,
    Inputs,
    Output,
    Reads,
    Section,
    StageConfig,
    StagePlan,
    Step,
    unique_keys,
)
from stages.shared.errors import ConfigError, nearest
from stages.shared.page import LOCAL
from stages.toolbox.memory import making_mb
from stages.train.state.names import FINAL

ToolName = Literal["calculator", "calendar", "search"]
_NUMBER_BYTES = dict(zip(WEIGHT_TYPES, (4, 2, 2), strict=True))


class Limits(Section):
    """Most that callers may ask for. What is beyond is refused at once."""

    rows: int = Field(default=MAX_ROWS, ge=1, le=1024)
    """Answers of a model that are sampled at once; others wait for their turn."""
    requests: int = Field(default=256, ge=1)
    """Requests under way at once, those that wait included. One more gets 429."""
    connections: int = Field(default=1024, ge=1)
    """Open connections. One more gets 503."""
    body_mb: int = Field(default=32, ge=1)
    """Size of a request, pictures and sounds included, in MB."""
    messages: int = Field(default=1024, ge=1)
    """Messages of a conversation."""
    choices: int = Field(default=16, ge=1)
    """Answers to one request."""
    max_tokens: int = Field(default=4096, ge=1)
    """Tokens of an answer; those that a request does not limit have no more either."""
    tools: int = Field(default=128, ge=1)
    """Tools that a request declares."""
    tool_rounds: int = Field(default=4, ge=1)
    """Times that the server runs calls for one answer. Later calls are left to the client."""
    tool_seconds: float = Field(default=10.0, gt=0)
    """Time of a call that the server runs."""
    tool_result_chars: int = Field(default=2000, ge=1)
    """Size of the result of a call that the server runs. A longer one is cut."""
    pictures: int = Field(default=16, ge=0)
    """Pictures and sounds of a request."""
    picture_megapixels: int = Field(default=32, ge=1)
    """Size of all pictures of a request, in 1e6 pixels."""
    sound_seconds: int = Field(default=600, ge=1)
    """Length of a sound."""
    seconds: int = Field(default=600, ge=1)
    """Time from a request to the end of its answer: an answer that takes longer ends there."""
    idle_seconds: int = Field(default=30, ge=1)
    """Time in which a client must send its request, or take the next piece of its answer."""


class ServeConfig(StageConfig):
    """Serves a run's models to people and programs."""

    stage: ClassVar[str] = "serve"
    tools: ClassVar[Mapping[str, str]] = {"chat": "stages.serve.chat:chat"}
    serves: ClassVar[bool] = True

    models: Annotated[Inputs, Reads(KINDS.checkpoint)]
    """Checkpoints to serve: `from:section`, folders, or a mapping from names to these. Each is loaded when it is first
    used."""
    checkpoints: tuple[str, ...] = (FINAL,)
    """Names of the checkpoints of a section that are served, such as `final`, `step-200`; []: all of them."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    """The tokenizer of the models' training."""
    template: str = "stagecoach"
    """Chat template: a name in `templates/chat`, or the path of a file. A model without its control tokens completes
    texts, and does not chat."""
    toolbox: tuple[ToolName, ...] = ()
    """Tools that the server runs for requests that ask for them. `calculator`: exact sums. `calendar`: today's date.
    `search`: BM25 over `corpus`."""
    notation: Literal["calls", "inline"] = "calls"
    """Form of the calls that the server runs. `calls`: OpenAI's, for models that chat with declared tools. `inline`:
    Toolformer's, `[Calculator(2*3) -> 6.00]` within the text, for models that were trained on annotated texts."""
    inline_among: int = Field(default=1, ge=1)
    """A call within a text begins where its first token is among so many likeliest ones; Toolformer's paper has 10."""
    corpus: Annotated[Inputs | None, Reads(KINDS.documents)] = None
    """Documents that `search` searches."""
    passage_words: int = Field(default=100, ge=1)
    """Words of a passage that `search` returns."""
    host: str = Field(default=LOCAL[0], min_length=1)
    """IP address to listen on: 127.0.0.1 is this machine alone, 0.0.0.0 all its networks. Clients need the token."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port; 0: one that follows from the run's folder, so that the page finds its conversations again; a free one where
    that is taken."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of a step: they decide how sums are split."""
    cache_mb: int | None = Field(default=None, ge=1)
    """Memory of a model's keys and values, in MB; null: as much as its weights."""
    limits: Limits = Limits()
    """Most that callers may ask for."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the service and its address. Raises ConfigError without a model, or for not one tokenizer."""
        chosen = self.chosen(inputs.get("models", ()))
        if (found := len(inputs.get("tokenizer", ()))) != 1:
            raise ConfigError("tokenizer", self.tokenizer, f"exactly one tokenizer file, found {found}")
        if ("search" in self.toolbox) != (self.corpus is not None):
            wanted = "documents to search" if self.corpus is None else "left out: no tool searches them"
            raise ConfigError("corpus", self.corpus, wanted)
        step = Step(
            name="",
            run="stages.serve.run:serve",
            units=WHOLE,
            uses=(
                *("checkpoints", "template", "toolbox", "notation", "inline_among", "passage_words"),
                *("host", "port", "threads", "cache_mb", "limits"),
            ),
            reads=("models", "tokenizer", "corpus"),
            data=digest_of(self.template),
            is_service=True,
            shape="serve",
            mem_mb=max((self._mem_mb(file, inputs) for file in chosen.values()), default=0.0),
        )
        output = Output(step="", unit=WHOLE[0].key, kind=KINDS.endpoint, source="serve", during=True)
        return StagePlan(steps=(step,), outputs=(output,))

    def chosen(self, files: Sequence[InputFile]) -> dict[str, InputFile]:
        """Return the checkpoints that are served, by the names of their models; final ones come first.

        Raises ConfigError if a section lacks one, and if there is none.
        """
        offered = {file.source.rpartition("/")[2] for file in files if file.section}
        for name in self.checkpoints:
            if offered and name not in offered:
                raise ConfigError("checkpoints", name, f"a checkpoint of models; {nearest(name, sorted(offered))}")
        found = [
            file
            for file in files
            if not file.section or not self.checkpoints or file.source.rpartition("/")[2] in self.checkpoints
        ]
        if not found:
            raise ConfigError("models", self.models, "a checkpoint (for example from:sft)")
        found.sort(key=lambda file: file.source.rpartition("/")[2] != FINAL)
        return dict(zip(unique_keys(map(_name, found)), found, strict=True))

    def _mem_mb(self, file: InputFile, inputs: Mapping[str, tuple[InputFile, ...]]) -> float:
        """Return the memory of a process with one model and the index; 0 while the model is unknown."""
        pieces = next((tokenizer.count for tokenizer in inputs.get("tokenizer", ())), 0)
        known = None if file.section and not file.about else known_model(file, pieces)
        if known is None:
            return 0.0
        number = _NUMBER_BYTES[known.dtype]
        asked = None if self.cache_mb is None else self.cache_mb * 1_000_000
        cache = cache_bytes(bytes_of_weights(known.config, known.vocab_size, number), asked)
        slots = max(known.config.seq_len, cache // slot_bytes(known.config, number))
        memory = engine_memory(known.config, known.vocab_size, number, BATCH_TOKENS, slots=slots)
        return (LIBRARIES + memory.total) / 1e6 + making_mb(inputs.get("corpus", ()))

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise DataError for a model of another tokenizer, and ConfigError for one that writes nothing."""
        for name, file in self.chosen(inputs.get("models", ())).items():
            require_tokenizer(file, inputs.get("tokenizer", ()))
            known = known_model(file)
            if known is not None and known.config.head != "lm":
                raise ConfigError("models", name, f"a model that writes, not one with head {known.config.head}")


def _name(file: InputFile) -> str:
    """Return the name of a checkpoint's model: `sft/final`."""
    if not file.section:
        return file.source or file.path.name
    return file.source if "/" in file.source else f"{file.section}/{file.source}"


Config = ServeConfig
