"""The sources of a training: their datasets, what identifies these, and which documents are held out."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from megatron.core.datasets.indexed_dataset import IndexedDataset
from numpy.typing import NDArray

from stages.formats.readings import Reading
from stages.shared.errors import DataError
from stages.train.config import TrainingConfig
from stages.train.data.heldout import choose, divide
from stages.train.mixing.settings import MixingSettings
from stages.train.mixing.shares import Phase, phases, readings, warning

_SAMPLES, _SAMPLE = 16, 1 << 16
"""Places in a dataset, and bytes at each, that its digest is made of."""


@dataclass(frozen=True)
class SourceDataset:
    """One dataset of a source; a source may have several, which then share its weight by their tokens."""

    name: str
    bin_path: Path
    weight: float | None = None
    """The source's share of the sequences, relative to the others'; None for all: their tokens."""

    @property
    def prefix(self) -> str:
        """The path without `.bin`, as Megatron wants it."""
        return str(self.bin_path.with_suffix(""))


@dataclass(frozen=True)
class DatasetContent:
    """Numbers that differ if other data takes a dataset's place."""

    tokens: int
    documents: int
    digest: str
    """Of samples of its bytes."""


@dataclass(frozen=True)
class Corpus:
    """The datasets that hold any tokens, with what is in them."""

    contents: dict[SourceDataset, DatasetContent]
    mixing: MixingSettings | None = None

    def describe(self, config: TrainingConfig) -> list[str]:
        """Return lines for the console: the sources, how often each is read, and the held-out documents."""
        found = self.readings(config)
        lines = [f"source {each}: {each.tokens:,} tokens" for each in found]
        for source, (count, documents) in hold_out(self, config).items():
            lines.append(f"held out of {source.name}: {len(documents):,} documents, for {count:,} sequences")
        return [*lines, f"warning: {text}"] if (text := warning(found)) else lines

    @property
    def identity(self) -> dict[str, list[dict[str, Any]]]:
        """By source, the numbers that the order of the data depends on: part of a checkpoint."""
        found = defaultdict(list)
        for source, content in self.contents.items():
            found[source.name].append(asdict(content))
        return dict(found)

    def readings(self, config: TrainingConfig) -> list[Reading]:
        """Return how often each source is read."""
        schedule = config.schedule
        longer = schedule.sequences_before(config.steps) / schedule.sequences_before(schedule.ordered_steps)
        found = readings(self._tokens(), self._mixture(), _ordered_tokens(config), self.mixing)
        return [replace(reading, epochs=reading.epochs * longer) for reading in found]

    def weights(self, config: TrainingConfig) -> list[float]:
        """Return each dataset's weight over the whole training: its part of its source's."""
        tokens, mixture = self._tokens(), self._mixture()
        if self.mixing is not None:
            found = self.phases(config)
            mixture = {source: sum(each.part * each.shares[source] for each in found) for source in tokens}
        return self._by_dataset(mixture)

    def phases(self, config: TrainingConfig) -> list[Phase]:
        """Return the phases of the training, each with the sources' shares."""
        return phases(self._tokens(), self._mixture(), self.mixing, _ordered_tokens(config))

    def phase_weights(self, config: TrainingConfig) -> list[list[float]]:
        """Return each dataset's weight in each phase."""
        return [self._by_dataset(phase.shares) for phase in self.phases(config)]

    def _by_dataset(self, mixture: Mapping[str, float] | None) -> list[float]:
        tokens = self._tokens()
        return [
            content.tokens * (mixture[source.name] / tokens[source.name] if mixture else 1.0)
            for source, content in self.contents.items()
        ]

    def _tokens(self) -> dict[str, float]:
        found: dict[str, float] = defaultdict(int)
        for source, content in self.contents.items():
            found[source.name] += content.tokens
        return found

    def _mixture(self) -> dict[str, float] | None:
        given = {source.name: source.weight for source in self.contents if source.weight is not None}
        return given or None


def open_corpus(sources: Sequence[SourceDataset], mixing: MixingSettings | None = None) -> Corpus:
    """Return the sources' datasets with what is in them; one without documents is left out.

    Raises DataError if there is no dataset, or no token, where some are wanted.
    """
    contents = {source: content for source in sources if (content := _content(source)).tokens}
    if not contents:
        raise DataError(", ".join(str(s.bin_path) for s in sources), "no tokens", "Give at least one document")
    held = {source.name for source in contents}
    for source in sources:
        if source.weight is not None and source.name not in held:
            remedy = f"Leave {source.name!r} out of the mixture, or give it documents"
            raise DataError(source.bin_path, "no tokens, but a share of the sequences", remedy)
    return Corpus(contents, mixing)


def _ordered_tokens(config: TrainingConfig) -> int:
    """Return the tokens that the order of the data is drawn for."""
    return config.schedule.sequences_before(config.schedule.ordered_steps) * config.model.seq_len


def hold_out(corpus: Corpus, config: TrainingConfig) -> dict[SourceDataset, HeldOut]:
    """Return what is held out of each dataset that any is held out of."""
    found = {}
    counts = divide(config.heldout_sequences, corpus.weights(config))
    for number, ((source, content), count) in enumerate(zip(corpus.contents.items(), counts, strict=True)):
        if count:
            dataset = IndexedDataset(source.prefix)
            lengths = dataset.sequence_lengths
            documents = choose(lengths, count * config.model.seq_len + 1, (config.seed, number))
            if (taken := int(lengths[documents].sum())) * 2 > content.tokens:
                problem = f"to hold out takes {taken:,} of its {content.tokens:,} tokens (sequences: {count})"
                raise DataError(source.bin_path, problem, "Lower heldout_batches, or leave this source out")
            found[source] = (count, documents)
    return found


HeldOut = tuple[int, NDArray[np.int32]]
"""Number of sequences of a dataset, and the documents that they are cut from."""


def _content(source: SourceDataset) -> DatasetContent:
    if not source.bin_path.exists() or not source.bin_path.with_suffix(".idx").exists():
        raise DataError(source.bin_path, "no dataset (.bin with .idx)", "Make it with the tokens stage")
    size = source.bin_path.stat().st_size
    if size == 0:  # cannot be mapped into memory
        return DatasetContent(0, 0, "")
    dataset = IndexedDataset(source.prefix)  # held by name: its arrays are unmapped with it
    lengths = dataset.sequence_lengths
    digest = hashlib.sha256()
    with source.bin_path.open("rb") as file:
        for place in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE) * place // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE))
    return DatasetContent(int(lengths.sum()), len(lengths), digest.hexdigest()[:16])
