"""Settings of `quality`: scores documents with a fastText classifier, and drops or divides them by score."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from stages.formats.kinds import KINDS
from stages.shared.contract import (
    WHOLE,
    After,
    InputFile,
    Inputs,
    Output,
    Reads,
    Section,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)
from stages.shared.errors import ConfigError

TRAIN, SCORE, SUMS = "train", "score", "sums"
"""The steps."""
Score = Annotated[float, Field(gt=0, lt=1)]


class PiiSettings(Section):
    """Masks of personal data, by datatrove's formatter."""

    emails: bool = True
    """Whether mail addresses are masked."""
    phones: bool = True
    """Whether telephone numbers are masked: those with a plus, brackets, or their country's grouping."""
    ips: bool = True
    """Whether public IP addresses are masked."""
    email: str = "email@example.com"
    """Takes the place of a mail address."""
    phone: str = "555-0100"
    """Takes the place of a telephone number."""
    ip: str = "192.0.2.1"
    """Takes the place of an IP address; this one is reserved for documentation (RFC 5737)."""


class TrainingSettings(Section):
    """Training of the classifier. DCLM's are fastText's own, with pairs of words (arXiv:2406.11794, section 4.4)."""

    max_documents: int = Field(default=200_000, ge=10)
    """Documents of each of the two sets, the first of each file in turn. DCLM: 200,000."""
    heldout: float = Field(default=0.1, gt=0, lt=1)
    """Share of them that is not trained on, but measured."""
    dim: int = Field(default=16, ge=2, le=300)
    """Numbers of a word. fastText: 100; more than a few change nothing for two labels, and cost memory."""
    buckets: int = Field(default=2_000_000, ge=100)
    """Rows that pairs of words share by their hashes. Memory and file: 4 bytes x dim x buckets."""
    min_count: int = Field(default=1, ge=1)
    """Occurrences from which on a word has a row."""
    epochs: int = Field(default=5, ge=1)
    """Passes over the documents."""
    lr: float = Field(default=0.1, gt=0)
    """Learning rate at the beginning; it falls to 0."""
    seed: int = Field(default=0, ge=0)
    """Of the first weights and of the order."""


class QualityConfig(StageConfig):
    """Filters documents by a model of quality, as DCLM does (arXiv:2406.11794, section 4.4)."""

    stage: ClassVar[str] = "quality"

    documents: Annotated[Inputs, Reads(KINDS.documents)]
    """Documents to score."""
    good: Annotated[Inputs | None, Reads(KINDS.documents)] = None
    """Documents as they are wanted, such as instructions and explanations. The classifier is trained on these."""
    bad: Annotated[Inputs | None, Reads(KINDS.documents)] = None
    """Documents of every kind, such as pages of the web at random."""
    model: Annotated[Inputs | None, Reads(KINDS.language_model)] = None
    """A model of fastText, in place of `good` and `bad`, such as DCLM's
    `openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train.bin`."""
    label: str = "__label__hq"
    """Label of `model` whose probability is the score. DCLM's: `__label__hq`."""
    threshold: Score | None = None
    """Drop documents of a lower score. null: none are dropped."""
    bands: tuple[Score, ...] = ()
    """Scores that divide each source into sources of their own: [0.3, 0.7] makes web/q0, web/q1 and web/q2. A mixture
    reads the better ones more often: `mixing: {weights: epochs}`."""
    pii: PiiSettings | None = None
    """Mask personal data; null: no."""
    training: TrainingSettings = TrainingSettings()
    rejects_per_reason: int = Field(default=20, ge=0)
    """Dropped documents that each unit keeps for reading."""

    @model_validator(mode="after")
    def _check(self) -> QualityConfig:
        if (self.good is None) != (self.bad is None):
            raise ConfigError("good", self.good, "given together with `bad`")
        if self.good is not None and self.model is not None:
            raise ConfigError("model", self.model, "absent with `good` and `bad`, which train one")
        if self.good is None and self.model is None and self.pii is None:
            raise ConfigError("model", None, "a model, or `good` and `bad` to train one, or `pii` alone")
        if not self.scores and (self.threshold is not None or self.bands):
            raise ConfigError("threshold", self.threshold, "absent without a model, as `bands`")
        if any(one >= other for one, other in pairwise(self.bands)):
            raise ConfigError("bands", self.bands, "rising scores (for example [0.3, 0.7])")
        return self

    @property
    def scores(self) -> bool:
        """Whether there is a classifier."""
        return self.good is not None or self.model is not None

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the steps: training if there is no model, a unit for each file of documents, and the sums."""
        files = inputs.get("documents", ())
        if self.model is not None and (found := len(inputs.get("model", ()))) != 1:
            raise ConfigError("model", self.model, f"exactly one file, found {found}")
        mb = sum(file.mb for file in files) / max(1, len(files))
        keys = unique_keys(file_key(file) for file in files)
        train = Step(
            name=TRAIN,
            run="stages.quality.run:train",
            units=WHOLE,
            uses=("training",),
            reads=("good", "bad"),
            core_seconds=20.0 + sum(file.mb for name in ("good", "bad") for file in inputs.get(name, ())),
            disk_mb=4e-6 * self.training.dim * self.training.buckets,
            mem_mb=500 + 8e-6 * self.training.dim * self.training.buckets,
        )
        is_trained = self.good is not None
        score = Step(
            name=SCORE,
            run="stages.quality.run:score",
            units=tuple(Unit(key=key, inputs={"documents": (file,)}) for key, file in zip(keys, files, strict=True)),
            uses=("threshold", "bands", "pii", "rejects_per_reason", *(("label",) if self.model else ())),
            reads=("documents", *(("model",) if self.model else ())),
            after=(After(TRAIN),) if is_trained else (),
            core_seconds=5.0 + 1.5 * mb,
            disk_mb=mb,
            mem_mb=500 + 4e-6 * self.training.dim * self.training.buckets,
        )
        sums = Step(
            name=SUMS,
            run="stages.quality.run:sums",
            units=WHOLE,
            uses=("threshold", "bands", "pii"),
            reads=("documents",),
            after=(*score.after, After(SCORE)),
            shape="small",
            core_seconds=3.0,
        )
        outputs = [
            Output(step=SCORE, unit=key, kind=KINDS.documents, source=source, name=name, mb=file.mb / len(self.names))
            for key, file in zip(keys, files, strict=True)
            for source, name in self.outputs_of(file.source)
        ]
        outputs += [
            Output(step=SCORE, unit=key, kind=kind, source=file.source)
            for kind in (KINDS.funnel, KINDS.rejects)
            for key, file in zip(keys, files, strict=True)
        ]
        outputs.append(Output(step=SUMS, unit=WHOLE[0].key, kind=KINDS.quality, source=""))
        return StagePlan(steps=(*((train,) if is_trained else ()), score, sums), outputs=tuple(outputs))

    @property
    def names(self) -> list[str]:
        """Names of the files of documents of a unit, the lowest scores first."""
        whole = KINDS.documents.file
        return [f"q{band}.{whole}" for band in range(len(self.bands) + 1)] if self.bands else [whole]

    def outputs_of(self, source: str) -> list[tuple[str, str]]:
        """Return the source and the file name of each band of a source."""
        if not self.bands:
            return [(source, self.names[0])]
        return [("/".join(filter(None, (source, f"q{band}"))), name) for band, name in enumerate(self.names)]


Config = QualityConfig
