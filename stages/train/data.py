"""Megatron's GPT dataset over the sources, and the part of each global batch that falls to a rank."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.datasets.blended_megatron_dataset_builder import BlendedMegatronDatasetBuilder
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
from megatron.core.datasets.indexed_dataset import IndexedDataset

from stages.shared.errors import DataError
from stages.shared.files import write_json
from stages.train.config import TrainingConfig
from stages.train.objectives import Batch
from stages.train.schedule import sequences_before

_BUILT = "built.json"
_COLUMNS = ("tokens", "labels", "loss_mask", "position_ids", "length_a")
"""What objectives read; the last one GLM's alone."""


@dataclass(frozen=True)
class Source:
    """One tokenised corpus of the mixture."""

    name: str
    bin_path: Path
    weight: float | None = None
    """Its share of the sequences, relative to the others'; None: its tokens."""

    @property
    def prefix(self) -> str:
        """The path without `.bin`, as Megatron wants it."""
        return str(self.bin_path.with_suffix(""))


@dataclass(frozen=True)
class _Eod:
    """What GPTDataset asks of a tokenizer. It has no `pad`: documents are packed, not padded."""

    eod: int
    vocab_size: int
    unique_identifiers: dict[str, Any] = field(default_factory=dict)


def build_dataset(
    sources: Sequence[Source], config: TrainingConfig, cache: Path, *, eod: int, vocab_size: int
) -> torch.utils.data.Dataset[Batch]:
    """Return the run's sequences in order: item i is the i-th sequence of training, in any layout.

    Documents are shuffled and cut into sequences of seq_len tokens (plus the last one's label); a source too small for
    its share is read again in another order. Megatron's indices are kept in `cache`; a set that a killed attempt left
    unfinished is made again. Collective. Raises DataError if there are no tokens.
    """
    tokens = {source: _count_tokens(source) for source in sources}
    mixture = [source for source in sources if tokens[source]]
    if not mixture:
        raise DataError(", ".join(str(s.bin_path) for s in sources), "no tokens", "Want at least one document")
    samples = sequences_before(config, config.steps)
    weights = [float(tokens[source]) if source.weight is None else source.weight for source in mixture]
    if dist.get_rank() == 0 and not (cache / _BUILT).exists():
        shutil.rmtree(cache, ignore_errors=True)
    dist.barrier()
    dataset_config = GPTDatasetConfig(
        random_seed=config.seed,
        sequence_length=config.model.seq_len,
        blend_per_split=[([source.prefix for source in mixture], weights), None, None],
        path_to_cache=str(cache),
        # Megatron draws at most about one sequence beyond a source's share; its default surplus (0.5 %) is less than
        # that for small sources, and an error.
        mid_level_dataset_surplus=0.005 + 2 * sum(weights) / (min(weights) * samples),
        tokenizer=_Eod(eod, vocab_size),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=False,
        create_attention_mask=False,
    )
    builder = BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, dataset_config)
    dataset: torch.utils.data.Dataset[Batch] = builder.build()[0]
    if dist.get_rank() == 0:
        write_json(cache / _BUILT, {"samples": samples, "tokens": {source.name: tokens[source] for source in mixture}})
    return dataset if config.attend_across_documents else _Apart(dataset, eod)


class _Apart(torch.utils.data.Dataset[Batch]):
    """The sequences of another dataset, and where their documents end: with the token for it, or with the sequence."""

    def __init__(self, texts: torch.utils.data.Dataset[Batch], eod: int) -> None:
        self.texts, self.eod = texts, eod

    def __getitem__(self, index: int) -> Batch:
        row = self.texts[index]
        ends = row["tokens"] == self.eod
        ends[-1] = True
        return row | {"document_lengths": torch.diff(ends.nonzero()[:, 0], prepend=torch.tensor([-1]))}


def microbatches(
    dataset: torch.utils.data.Dataset[Batch], config: TrainingConfig, sequences: range, device: torch.device
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


def _count_tokens(source: Source) -> int:
    if not source.bin_path.exists() or not source.bin_path.with_suffix(".idx").exists():
        raise DataError(source.bin_path, "no dataset (.bin with .idx)", "Make it with the tokens stage")
    if source.bin_path.stat().st_size == 0:  # cannot be mapped into memory
        return 0
    dataset = IndexedDataset(source.prefix)  # held by name: its arrays are unmapped with it
    return int(dataset.sequence_lengths.sum())
