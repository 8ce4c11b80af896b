"""Settings of `tools.annotate`: a model adds calls of one tool to documents and keeps those that help it.

index (search alone: one) -> annotate (a unit a share of a file of documents)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from stages.conductor.settings import EndpointSettings
from stages.formats.kinds import KINDS
from stages.shared.contract import (
    WHOLE,
    After,
    InputFile,
    Inputs,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)
from stages.shared.errors import ConfigError
from stages.toolbox.memory import making_mb, searching_mb
from stages.train.starts import final_checkpoint

ENDPOINT = "endpoint"
"""Name of the service that is the endpoint."""
PROMPTS = Path(__file__).resolve().parents[3] / "templates" / "prompts" / "toolformer" / "en.yaml"
ToolName = Literal["calculator", "calendar", "search", "question", "translation"]
MODELS: frozenset[ToolName] = frozenset(("question", "translation"))
"""Tools that are a model behind an endpoint."""


class Numbers(NamedTuple):
    """The paper's numbers for a tool."""

    tau_s: float
    tau_f: float
    top_k: int
    samples: int


USUAL = Numbers(tau_s=0.05, tau_f=1.0, top_k=5, samples=5)
PAPER: Mapping[ToolName, Numbers] = {
    "calculator": (_RARE := Numbers(tau_s=0.0, tau_f=0.5, top_k=20, samples=10)),
    "calendar": USUAL,
    "search": USUAL,
    "question": USUAL,
    "translation": _RARE,
}


class AnnotateConfig(StageConfig):
    """Adds calls of a tool to documents (Toolformer, arXiv:2302.04761)."""

    stage: ClassVar[str] = "tools.annotate"

    documents: Annotated[Inputs, Reads(KINDS.documents)]
    checkpoint: Annotated[Inputs, Reads(KINDS.checkpoint)]
    """The model that samples calls and is helped by them: a section's final checkpoint, or a folder."""
    tokenizer: Annotated[Inputs, Reads(KINDS.tokenizer)]
    tool: ToolName
    """`calculator`: exact sums. `calendar`: the date in a document's URL. `search`: BM25 over `corpus`.
    `question`: an answer of the model behind `endpoint`. `translation`: its translation into English of a text that is
    not English."""
    endpoint: EndpointSettings | None = None
    """The model that answers or translates, as `{url: ..., model: ...}`. Without a URL it is the service of the name
    `endpoint` in `services`."""
    services: Annotated[Inputs | None, Reads(KINDS.endpoint)] = None
    """A service of the run, such as `{endpoint: from:served}`."""
    corpus: Annotated[Inputs | None, Reads(KINDS.documents)] = None
    """Documents that `search` searches."""
    tau_s: float | None = Field(default=None, ge=0, lt=1)
    """Probability of a call above which a place is tried; null: the paper's for the tool, as for the next three."""
    tau_f: float | None = None
    """Least gain of a call that is kept, in nats."""
    top_k: int | None = Field(default=None, ge=1)
    """Most places of a document."""
    samples: int | None = Field(default=None, ge=1)
    """Calls sampled at each place."""
    prompted: bool = True
    """Whether demonstrations stand before each text, as in the paper. false: the model was fine-tuned on some, since it
    is too small to follow a prompt."""
    prefilter: bool = True
    """Whether only documents are tried in which the tool may help, by the paper's rules."""
    passage_words: int = Field(default=100, ge=1)
    """Words of a passage that `search` returns."""
    shares: int = Field(default=1, ge=1)
    """Units of each file. The documents and candidates of all of them together do not depend on it."""
    threads: int = Field(default=1, ge=1)
    """Threads of a unit on a CPU."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything that is drawn."""

    @property
    def numbers(self) -> Numbers:
        """The numbers that apply."""
        given = {name: getattr(self, name) for name in Numbers._fields}
        return PAPER[self.tool]._replace(**{name: value for name, value in given.items() if value is not None})

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps. Raises ConfigError for a search without documents to search, or documents without one."""
        if (self.tool == "search") != (self.corpus is not None):
            wanted = "documents to search" if self.tool == "search" else f"left out: {self.tool} searches nothing"
            raise ConfigError("corpus", self.corpus, wanted)
        self._check_endpoint(inputs)
        index = Step(
            name="index",
            run="stages.tools.annotate.run:index",
            units=WHOLE,
            uses=("passage_words",),
            reads=("corpus",),
            core_seconds=30.0,
            mem_mb=making_mb(corpus := inputs.get("corpus", ())),
        )
        files = inputs.get("documents", ())
        pairs = [(file, share) for file in files for share in range(self.shares)]
        keys = unique_keys(f"{file_key(file)}/{share}-of-{self.shares}" for file, share in pairs)
        checkpoint = final_checkpoint("checkpoint", inputs["checkpoint"])
        needs_index = self.tool == "search"
        annotate = Step(
            name="annotate",
            run="stages.tools.annotate.run:annotate",
            units=tuple(
                Unit(key=key, inputs={"documents": (file,), "checkpoint": (checkpoint,)})
                for key, (file, _) in zip(keys, pairs, strict=True)
            ),
            uses=("tool", *Numbers._fields, "prompted", "prefilter", "seed"),
            reads=("documents", "checkpoint", "tokenizer", *(("services",) if self.services else ())),
            after=(After("index"),) if needs_index else (),
            shape="generate",
            core_seconds=600.0,
            mem_mb=2000.0 + searching_mb(corpus),
            version=2,
            data=self._digest(),
        )
        outputs = [
            Output(step="annotate", unit=key, kind=kind, source=file.source)
            for kind in (KINDS.documents, KINDS.synthesis)
            for key, (file, _) in zip(keys, pairs, strict=True)
        ]
        return StagePlan(steps=(index, annotate) if needs_index else (annotate,), outputs=tuple(outputs))

    def _digest(self) -> str:
        """Return a digest of the prompts, and of the model behind the endpoint, wherever it is."""
        model = self.endpoint.model if self.endpoint else ""
        return hashlib.sha256(PROMPTS.read_bytes() + model.encode()).hexdigest()

    def _check_endpoint(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        if (self.tool in MODELS) != (self.endpoint is not None):
            wanted = "a model that does it" if self.tool in MODELS else f"left out: {self.tool} asks no model"
            raise ConfigError("endpoint", self.endpoint and self.endpoint.model, wanted)
        services = [file.source for file in inputs.get("services", ())]
        if self.endpoint and self.endpoint.is_service and ENDPOINT not in services:
            raise ConfigError("endpoint.url", "left out", f"set, or `services` must have {ENDPOINT!r}")


Config = AnnotateConfig
