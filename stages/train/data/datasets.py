"""The sources' sequences, blended by Megatron, and those that are held out."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from megatron.core.datasets.blended_dataset import BlendedDataset
from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
from megatron.core.datasets.indexed_dataset import IndexedDataset
from megatron.core.datasets.utils import Split, normalize
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Dataset, Subset

from stages.formats.readings import Reading
from stages.formats.tokenizer import Tokenizer
from stages.shared.files import read_json, write_json
from stages.train.config import TrainingConfig
from stages.train.data.corpus import Corpus, HeldOut, SourceDataset, hold_out
from stages.train.data.epochs import EpochDataset, IndexConfig
from stages.train.data.feed import Feed, FeedState, InOrder
from stages.train.data.schedule import Sequences
from stages.train.mixing.blend import Blended, blend, bounds, save
from stages.train.objectives.base import Batch, Objective

_BUILT = "built.json"


@dataclass(frozen=True)
class EndOfDocument:
    """The tokenizer's interface for GPTDataset. It has no `pad`: documents are packed, not padded."""

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
    """The tokens taken from each source."""
    drawn: Callable[[FeedState], Mapping[str, int]] = lambda state: {}
    """Returns how many sequences each source gives to the whole training, given a step's state; nothing if that is not
    counted. Collective."""


def open_tokens(
    corpus: Corpus, objective: Objective, config: TrainingConfig, tokenizer: Tokenizer, work: Path
) -> TrainingData:
    """Return an objective's samples of the sources' tokens, in order. Collective."""
    eod = EndOfDocument(tokenizer.eos_id, tokenizer.vocab_size)
    heldout: Dataset[Batch] | None = None
    if config.heldout_every is not None:
        heldout = objective.dataset(build_heldout(corpus, config, work / "index-heldout", eod))

    built: list[Dataset[Batch]] = []

    def build(sequences: Sequences) -> Dataset[Batch]:
        built.append(build_dataset(corpus, config, work / "index", eod, sequences))
        return objective.dataset(built[-1])

    def drawn(state: FeedState) -> dict[str, int]:
        schedule = config.schedule
        if not built:  # the last attempt only wrote the outputs
            build(schedule.sequences(state))
        return drawn_of(built[-1], corpus, schedule.sequences_taken(config.steps, state))

    return TrainingData(
        feed=InOrder(build, config.schedule, reads_ahead_of=config.layout.dp if torch.cuda.is_available() else 0),
        heldout=heldout,
        identity=corpus.identity,
        lines=corpus.describe(config),
        readings=corpus.readings(config),
        drawn=drawn,
    )


def build_dataset(
    corpus: Corpus, config: TrainingConfig, cache: Path, eod: EndOfDocument, sequences: Sequences
) -> Dataset[Batch]:
    """Return the sequences in order: item i is the i-th sequence of training, in any layout.

    Documents are shuffled and cut into sequences of seq_len tokens (plus the last one's label); a source too small for
    its share is read again in another order. What is held out is left out. The indices are kept in `cache`; a set that
    a killed attempt left unfinished, or that was made of other data, is made again. Collective.
    """
    held_out = hold_out(corpus, config)
    settings = _index_settings(corpus, config, cache, eod, held_out, sequences)
    if len(corpus.phases(config)) > 1:
        return _build_phases(corpus, config, settings, sequences)
    with _index_in(cache, corpus, config, sequences):
        builder = BlendedMegatronDatasetBuilder(_TrainedOn, [sequences.taken, 0, 0], lambda: True, settings)
        dataset: Dataset[Batch] = builder.build()[0]
    return dataset


def _build_phases(
    corpus: Corpus, config: TrainingConfig, settings: IndexConfig, sequences: Sequences
) -> Dataset[Batch]:
    """Return the sequences of a training with several mixtures, one after the other. Collective."""
    cache, planned = Path(settings.path_to_cache), sequences.planned or sequences.taken
    sizes = bounds([phase.part for phase in corpus.phases(config)], planned)
    longer = [*sizes[:-1], sizes[-1] + max(0, sequences.taken - planned)]
    source, number = blend(corpus.phase_weights(config), longer)
    source, number = source[: sequences.taken], number[: sequences.taken]
    for prefix, count in zip((each.prefix for each in corpus.contents), _counts(source, corpus), strict=True):
        settings.planned[prefix] = max(count, settings.planned.get(prefix, 0))
    datasets: list[Dataset[Batch]] = []
    with _index_in(cache, corpus, config, sequences):
        if dist.get_rank() == 0:
            save(cache, source, number)
        for each, count in zip(corpus.contents, _counts(source, corpus), strict=True):
            dataset = IndexedDataset(each.prefix)
            documents = np.arange(len(dataset.sequence_lengths), dtype=np.int32)
            args = (dataset, each.prefix, documents, count, Split.train, settings)
            if dist.get_rank() == 0:
                _TrainedOn(*args)
            dist.barrier()  # the others read what it wrote
            datasets.append(_TrainedOn(*args))
    return Blended(datasets, cache)


def _counts(source: NDArray[np.int16], corpus: Corpus) -> list[int]:
    return [int(count) for count in np.bincount(source, minlength=len(corpus.contents))]


def drawn_of(dataset: Any, corpus: Corpus, end: int) -> dict[str, int]:
    """Return how many of the first `end` sequences of a built dataset each source gave."""
    if isinstance(dataset, Blended):
        counts = _counts(dataset.source[:end], corpus)
    elif isinstance(dataset, BlendedDataset):
        counts = _counts(dataset.dataset_index[:end], corpus)
    else:
        counts = [end]
    found: dict[str, int] = dict.fromkeys((source.name for source in corpus.contents), 0)
    for source, count in zip(corpus.contents, counts, strict=True):
        found[source.name] += count
    return found


def build_heldout(corpus: Corpus, config: TrainingConfig, cache: Path, eod: EndOfDocument) -> Dataset[Batch]:
    """Return the heldout_sequences that are held out, in an order that is the same in any layout.

    They are cut from documents that `build_dataset` leaves out; `cache` is another than there. Collective.
    """
    held_out = hold_out(corpus, config)
    sequences = Sequences(taken=config.heldout_sequences, planned=0)
    settings = _index_settings(corpus, config, cache, eod, {}, sequences)
    parts: list[Dataset[Batch]] = []
    with _index_in(cache, corpus, config, sequences):
        for source, (count, documents) in held_out.items():
            args = (IndexedDataset(source.prefix), source.prefix, documents, count, Split.valid, settings)
            if dist.get_rank() == 0:
                EpochDataset(*args)
            dist.barrier()  # the others read what it wrote
            parts.append(Subset(EpochDataset(*args), range(count)))
    dataset: Dataset[Batch] = ConcatDataset(parts)
    return dataset


@contextmanager
def _index_in(cache: Path, corpus: Corpus, config: TrainingConfig, sequences: Sequences) -> Iterator[None]:
    """Clear a folder of indices that are unfinished or of other data; mark it when they are made. Collective."""
    made_of = {
        **asdict(sequences),
        **{"seq_len": config.model.seq_len, "seed": config.seed, "sources": corpus.identity},
        "heldout": config.heldout_sequences,
    }
    if dist.get_rank() == 0 and (not (cache / _BUILT).exists() or read_json(cache / _BUILT) != made_of):
        shutil.rmtree(cache, ignore_errors=True)
    dist.barrier()
    yield
    if dist.get_rank() == 0:
        write_json(cache / _BUILT, made_of)


def _index_settings(
    corpus: Corpus,
    config: TrainingConfig,
    cache: Path,
    eod: EndOfDocument,
    held_out: Mapping[SourceDataset, HeldOut],
    sequences: Sequences,
) -> IndexConfig:
    weights = corpus.weights(config)
    unseen: dict[str, NDArray[np.int32]] = {}
    for source, (_, documents) in held_out.items():  # two sources may be one dataset
        unseen[source.prefix] = np.union1d(unseen.get(source.prefix, documents), documents)
    return IndexConfig(
        random_seed=config.seed,
        sequence_length=config.model.seq_len,
        blend_per_split=[([source.prefix for source in corpus.contents], weights), None, None],
        path_to_cache=str(cache),
        mid_level_dataset_surplus=_surplus(weights, sequences.taken),
        tokenizer=eod,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
        held_out=unseen,
        planned=_planned(corpus, weights, sequences.planned),
    )


def _planned(corpus: Corpus, weights: Sequence[float], sequences: int) -> dict[str, int]:
    """Return the sequences that each dataset offers, by Megatron's rule, where all of them give so many; 0: none."""
    if not sequences or len(corpus.contents) == 1:
        return {source.prefix: sequences for source in corpus.contents if sequences}
    found: dict[str, int] = {}
    for source, share in zip(corpus.contents, normalize(weights), strict=True):
        offered = math.ceil(math.ceil(sequences * share) * (1 + _surplus(weights, sequences)))
        found[source.prefix] = max(offered, found.get(source.prefix, 0))  # two sources may be one dataset
    return found


def _surplus(weights: Sequence[float], sequences: int) -> float:
    """Return the share of sequences that a dataset offers beyond those that it is asked for.

    Megatron draws at most about one sequence beyond a source's share; its default (0.5 %) is less than that for small
    sources, and an error.
    """
    return 0.005 + 2 * sum(weights) / (min(weights) * sequences)


class _TrainedOn(EpochDataset):
    """A dataset without its held-out documents."""

    def __init__(self, dataset: IndexedDataset, path: str, documents: NDArray[np.int32], *rest: Any) -> None:
        config: IndexConfig = rest[-1]
        kept = np.ones(len(documents), dtype=bool)
        kept[config.held_out.get(path, [])] = False
        super().__init__(dataset, path, documents[kept], *rest)
