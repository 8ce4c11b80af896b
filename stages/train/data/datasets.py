"""The sources' sequences, blended by Megatron, and those that are held out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
from megatron.core.datasets.gpt_dataset import GPTDatasetConfig
from megatron.core.datasets.indexed_dataset import IndexedDataset
from megatron.core.datasets.utils import Split
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Dataset, Subset

from stages.formats.readings import Reading
from stages.formats.tokenizer import Tokenizer
from stages.shared.files import read_json, write_json
from stages.train.config import TrainingConfig
from stages.train.data.corpus import Corpus, HeldOut, SourceDataset, hold_out, open_corpus
from stages.train.data.epochs import EpochDataset
from stages.train.data.feed import Feed, InOrder
from stages.train.objectives.base import Batch, Objective

_BUILT = "built.json"


@dataclass(frozen=True)
class _Eod:
    """What GPTDataset asks of a tokenizer. It has no `pad`: documents are packed, not padded."""

    eod: int
    vocab_size: int
    unique_identifiers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The samples of a training."""

    feed: Feed
    heldout: Dataset[Batch] | None = None
    """Samples that are never trained on, at least heldout_sequences of them; None: no held-out loss is measured."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """By source, what the order of the data depends on: part of a checkpoint."""
    lines: Sequence[str] = ()
    """For the console: what is read, how often, and what is left out."""
    readings: Sequence[Reading] = ()
    """How often each source is read."""


def open_tokens(
    sources: Sequence[SourceDataset], objective: Objective, config: TrainingConfig, tokenizer: Tokenizer, work: Path
) -> TrainingData:
    """Return an objective's samples of the sources' tokens, in order. Collective. Raises DataError as `open_corpus`."""
    corpus = open_corpus(sources)
    build = {"eod": tokenizer.eos_id, "vocab_size": tokenizer.vocab_size}
    dataset = objective.dataset(build_dataset(corpus, config, work / "index", **build))
    heldout: Dataset[Batch] | None = None
    if config.heldout_every is not None:
        heldout = objective.dataset(build_heldout(corpus, config, work / "index-heldout", **build))
    return TrainingData(
        feed=InOrder(dataset, config.schedule),
        heldout=heldout,
        identity=corpus.identity,
        lines=corpus.describe(config),
        readings=corpus.readings(config),
    )


def build_dataset(corpus: Corpus, config: TrainingConfig, cache: Path, *, eod: int, vocab_size: int) -> Dataset[Batch]:
    """Return the run's sequences in order: item i is the i-th sequence of training, in any layout.

    Documents are shuffled and cut into sequences of seq_len tokens (plus the last one's label); a source too small for
    its share is read again in another order. What is held out is left out. The indices are kept in `cache`; a set that
    a killed attempt left unfinished, or that was made of other data, is made again. Collective.
    """
    held_out = hold_out(corpus, config)
    settings = _index_settings(corpus, config, cache, _Eod(eod, vocab_size), held_out)
    samples = config.schedule.sequences_before(config.steps)
    with _index_in(cache, corpus, config, samples):
        builder = BlendedMegatronDatasetBuilder(_TrainedOn, [samples, 0, 0], lambda: True, settings)
        dataset: Dataset[Batch] = builder.build()[0]
    return dataset


def build_heldout(corpus: Corpus, config: TrainingConfig, cache: Path, *, eod: int, vocab_size: int) -> Dataset[Batch]:
    """Return the heldout_sequences that are held out, in an order that is the same in any layout.

    They are cut from documents that `build_dataset` leaves out; `cache` is another than there. Collective.
    """
    held_out = hold_out(corpus, config)
    settings = _index_settings(corpus, config, cache, _Eod(eod, vocab_size), {})
    parts: list[Dataset[Batch]] = []
    with _index_in(cache, corpus, config, config.heldout_sequences):
        for source, (count, documents) in held_out.items():
            args = (IndexedDataset(source.prefix), source.prefix, documents, count, Split.valid, settings)
            if dist.get_rank() == 0:
                EpochDataset(*args)
            dist.barrier()  # the others read what it wrote
            parts.append(Subset(EpochDataset(*args), range(count)))
    dataset: Dataset[Batch] = ConcatDataset(parts)
    return dataset


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
    corpus: Corpus, config: TrainingConfig, cache: Path, eod: _Eod, held_out: Mapping[SourceDataset, HeldOut]
) -> _IndexConfig:
    weights, samples = corpus.weights(), config.schedule.sequences_before(config.steps)
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
