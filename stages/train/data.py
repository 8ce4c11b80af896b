"""The sources, blended by Megatron, and the part of each global batch that falls to a rank."""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
from megatron.core.datasets.gpt_dataset import GPTDatasetConfig
from megatron.core.datasets.indexed_dataset import IndexedDataset
from megatron.core.datasets.utils import Split
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Dataset, Subset

from stages.formats.readings import Reading
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json
from stages.train.config import TrainingConfig
from stages.train.epochs import EpochDataset
from stages.train.heldout import choose, divide
from stages.train.mixture import readings, warning
from stages.train.objectives import Batch
from stages.train.schedule import sequences_before

_BUILT = "built.json"
_SAMPLES, _SAMPLE = 16, 1 << 16
"""Places in a dataset, and bytes at each, that its digest is made of."""
_COLUMNS = ("tokens", "labels", "loss_mask", "position_ids", "length_a")
"""What objectives read; the last one GLM's alone."""


@dataclass(frozen=True)
class Source:
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
class Content:
    """What tells a dataset from another that took its place."""

    tokens: int
    documents: int
    digest: str
    """Of samples of its bytes."""


@dataclass(frozen=True)
class Corpus:
    """The datasets that hold any tokens, with what is in them."""

    contents: dict[Source, Content]

    def told(self, config: TrainingConfig) -> list[str]:
        """Return lines for the console: what is read, how often, and what is not."""
        found = self.readings(config)
        lines = [f"source {each}: {each.tokens:,} tokens" for each in found]
        for source, (count, documents) in _hold_out(self, config).items():
            lines.append(f"held out of {source.name}: {len(documents):,} documents, for {count:,} sequences")
        return [*lines, f"warning: {said}"] if (said := warning(found)) else lines

    @property
    def identity(self) -> dict[str, list[dict[str, Any]]]:
        """What the order of the data depends on, by source: part of a checkpoint."""
        found = defaultdict(list)
        for source, content in self.contents.items():
            found[source.name].append(asdict(content))
        return dict(found)

    def readings(self, config: TrainingConfig) -> list[Reading]:
        """Return how often each source is read."""
        wanted = sequences_before(config, config.steps) * config.model.seq_len
        return readings(self._tokens(), self._mixture(), wanted)

    def weights(self) -> list[float]:
        """Return each dataset's weight: its part of its source's."""
        tokens, mixture = self._tokens(), self._mixture()
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


@dataclass(frozen=True)
class _Eod:
    """What GPTDataset asks of a tokenizer. It has no `pad`: documents are packed, not padded."""

    eod: int
    vocab_size: int
    unique_identifiers: dict[str, Any] = field(default_factory=dict)


def open_corpus(sources: Sequence[Source]) -> Corpus:
    """Return the sources' datasets with what is in them; one without documents is left out.

    Raises DataError if there is no dataset, or no token, where some are wanted.
    """
    contents = {source: content for source in sources if (content := _content(source)).tokens}
    if not contents:
        raise DataError(", ".join(str(s.bin_path) for s in sources), "no tokens", "Want at least one document")
    held = {source.name for source in contents}
    for source in sources:
        if source.weight is not None and source.name not in held:
            remedy = f"Leave {source.name!r} out of the mixture, or give it documents"
            raise DataError(source.bin_path, "no tokens, but a share of the sequences", remedy)
    return Corpus(contents)


def build_dataset(corpus: Corpus, config: TrainingConfig, cache: Path, *, eod: int, vocab_size: int) -> Dataset[Batch]:
    """Return the run's sequences in order: item i is the i-th sequence of training, in any layout.

    Documents are shuffled and cut into sequences of seq_len tokens (plus the last one's label); a source too small for
    its share is read again in another order. What is held out is left out. The indices are kept in `cache`; a set that
    a killed attempt left unfinished, or that was made of other data, is made again. Collective.
    """
    held_out = _hold_out(corpus, config)
    settings = _index_settings(corpus, config, cache, _Eod(eod, vocab_size), held_out)
    samples = sequences_before(config, config.steps)
    with _index_in(cache, corpus, config, samples):
        builder = BlendedMegatronDatasetBuilder(_TrainedOn, [samples, 0, 0], lambda: True, settings)
        dataset: Dataset[Batch] = builder.build()[0]
    return dataset if config.attend_across_documents else _Apart(dataset, eod)


def build_heldout(corpus: Corpus, config: TrainingConfig, cache: Path, *, eod: int, vocab_size: int) -> Dataset[Batch]:
    """Return the heldout_sequences that are held out, in an order that is the same in any layout.

    They are cut from documents that `build_dataset` leaves out; `cache` is another than there. Collective.
    """
    held_out = _hold_out(corpus, config)
    settings = _index_settings(corpus, config, cache, _Eod(eod, vocab_size), {})
    parts = []
    with _index_in(cache, corpus, config, config.heldout_sequences):
        for source, (count, documents) in held_out.items():
            args = (IndexedDataset(source.prefix), source.prefix, documents, count, Split.valid, settings)
            if dist.get_rank() == 0:
                EpochDataset(*args)
            dist.barrier()  # the others read what it wrote
            parts.append(Subset(EpochDataset(*args), range(count)))
    dataset: Dataset[Batch] = ConcatDataset(parts)
    return dataset if config.attend_across_documents else _Apart(dataset, eod)


@contextmanager
def _index_in(cache: Path, corpus: Corpus, config: TrainingConfig, sequences: int) -> Iterator[None]:
    """Clear a folder of indices that are unfinished or of other data; mark it when they are made. Collective."""
    made_of = {
        **{"samples": sequences, "seq_len": config.model.seq_len, "seed": config.seed, "sources": corpus.identity},
        "heldout": config.heldout_sequences,
    }
    if dist.get_rank() == 0 and (not (cache / _BUILT).exists() or read_json(cache / _BUILT) != made_of):
        shutil.rmtree(cache, ignore_errors=True)
    dist.barrier()
    yield
    if dist.get_rank() == 0:
        write_json(cache / _BUILT, made_of)


def _index_settings(
    corpus: Corpus, config: TrainingConfig, cache: Path, eod: _Eod, held_out: Mapping[Source, HeldOut]
) -> _IndexConfig:
    weights, samples = corpus.weights(), sequences_before(config, config.steps)
    unseen: dict[str, NDArray[np.int32]] = {}
    for source, (_, documents) in held_out.items():  # two sources may be one dataset
        unseen[source.prefix] = np.union1d(unseen.get(source.prefix, documents), documents)
    return _IndexConfig(
        random_seed=config.seed,
        sequence_length=config.model.seq_len,
        blend_per_split=[([source.prefix for source in corpus.contents], weights), None, None],
        path_to_cache=str(cache),
        # Megatron draws at most about one sequence beyond a source's share; its default surplus (0.5 %) is less than
        # that for small sources, and an error.
        mid_level_dataset_surplus=0.005 + 2 * sum(weights) / (min(weights) * samples),
        tokenizer=eod,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
        held_out=unseen,
    )


def _hold_out(corpus: Corpus, config: TrainingConfig) -> dict[Source, HeldOut]:
    """Return what is held out of each dataset that any is held out of."""
    found = {}
    counts = divide(config.heldout_sequences, corpus.weights())
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
"""How many sequences of a dataset, and the documents that they are cut from."""


@dataclass
class _IndexConfig(GPTDatasetConfig):
    held_out: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    """Documents by dataset."""


class _TrainedOn(EpochDataset):
    """A dataset but for its documents that are held out."""

    def __init__(self, dataset: IndexedDataset, path: str, documents: NDArray[np.int32], *rest: Any) -> None:
        config: _IndexConfig = rest[-1]
        kept = np.ones(len(documents), dtype=bool)
        kept[config.held_out.get(path, [])] = False
        super().__init__(dataset, path, documents[kept], *rest)


class _Apart(Dataset[Batch]):
    """The sequences of another dataset, and where their documents end: with the token for it, or with the sequence."""

    def __init__(self, texts: Dataset[Batch], eod: int) -> None:
        self.texts, self.eod = texts, eod

    def __getitem__(self, index: int) -> Batch:
        row = self.texts[index]
        ends = row["tokens"] == self.eod
        ends[-1] = True
        return row | {"document_lengths": torch.diff(ends.nonzero()[:, 0], prepend=torch.tensor([-1]))}


def microbatches(
    dataset: Dataset[Batch], config: TrainingConfig, sequences: range, device: torch.device
) -> Iterator[Batch]:
    """Yield this rank's microbatches of a step's sequences: columns of int64 or float32 [microbatch, seq_len].

    A global batch is cut into dp runs of sequences, one a data parallel rank: which sequences make up a step does not
    depend on the layout. `document_lengths`, int64 [documents], is that of all rows in order, and stays on the host.
    """
    per_rank = len(sequences) // config.layout.dp
    start = sequences.start + parallel_state.get_data_parallel_rank() * per_rank
    for first in range(start, start + per_rank, config.microbatch):
        rows = [dataset[i] for i in range(first, first + config.microbatch)]
        columns = [name for name in _COLUMNS if name in rows[0]]
        batch = {name: torch.stack([row[name] for row in rows]).to(device) for name in columns}
        if "document_lengths" in rows[0]:
            batch["document_lengths"] = torch.cat([row["document_lengths"] for row in rows])
        yield batch


def _content(source: Source) -> Content:
    if not source.bin_path.exists() or not source.bin_path.with_suffix(".idx").exists():
        raise DataError(source.bin_path, "no dataset (.bin with .idx)", "Make it with the tokens stage")
    size = source.bin_path.stat().st_size
    if size == 0:  # cannot be mapped into memory
        return Content(0, 0, "")
    dataset = IndexedDataset(source.prefix)  # held by name: its arrays are unmapped with it
    lengths = dataset.sequence_lengths
    digest = hashlib.sha256()
    with source.bin_path.open("rb") as file:
        for place in range(_SAMPLES):
            file.seek(max(0, size - _SAMPLE) * place // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE))
    return Content(int(lengths.sum()), len(lengths), digest.hexdigest()[:16])
