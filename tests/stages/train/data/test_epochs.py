"""Epochs of a source: each holds every document once, in an order of its own."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from stages.tokens.indexed import DatasetWriter
from stages.train.data.corpus import SourceDataset, open_corpus
from stages.train.data.datasets import EndOfDocument, build_dataset

EOD, LENGTH, DOCUMENT = 2, 16, 8


def read(folder: Path, documents: int, epochs: float, seed: int = 1, planned: int | None = None) -> torch.Tensor:
    """Return a training's tokens [sequences, LENGTH]; a document's DOCUMENT tokens are its number, but for the last."""
    with DatasetWriter(folder / "a.bin", 60_000) as writer:
        for number in range(documents):
            writer.write([100 + number] * (DOCUMENT - 1) + [EOD])
    parallel.start(Ranks())
    steps = int(epochs * documents * DOCUMENT / LENGTH)
    config = PretrainConfig(
        **{"tokens": "x", "tokenizer": "x", "model": {"seq_len": LENGTH}, "steps": steps, "warmup_steps": 0},
        **{"global_batch": 1, "microbatch": 1, "seed": seed, "earlier_steps": [planned] if planned else []},
    )
    corpus = open_corpus([SourceDataset("a", folder / "a.bin")])
    dataset = build_dataset(
        corpus,
        config,
        folder / f"index-{seed}",
        EndOfDocument(EOD, 60_000),
        config.schedule.sequences({}),
    )
    return torch.stack([dataset[number]["tokens"] for number in range(steps)])


def counts(rows: torch.Tensor) -> Counter[int]:
    return Counter(rows[rows != EOD].tolist())


@pytest.mark.parametrize("documents", [80, 81])  # an epoch is a whole number of sequences, or is not
def test_each_epoch_holds_every_document_once(tmp_path: Path, documents: int) -> None:
    rows = read(tmp_path, documents, epochs=5)
    size = documents * DOCUMENT / LENGTH
    for epoch in range(5):
        seen = counts(rows[math.ceil(epoch * size) : math.ceil((epoch + 1) * size)])
        assert len(seen) >= documents - 1
        assert sum(count != DOCUMENT - 1 for count in seen.values()) <= 3  # those that lie across an epoch's ends
    assert max(counts(rows).values()) <= 5 * (DOCUMENT - 1)


def test_the_last_epoch_may_be_a_part_of_one(tmp_path: Path) -> None:
    rows = read(tmp_path, 80, epochs=2.25)
    seen = counts(rows[80:])
    assert set(seen.values()) == {DOCUMENT - 1}
    assert len(seen) == 20


def test_the_order_of_each_epoch_is_its_own_and_follows_from_the_seed(tmp_path: Path) -> None:
    one, again = (read(tmp_path, 80, epochs=2) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one[:40], one[40:])
    assert not torch.equal(one, read(tmp_path, 80, epochs=2, seed=2))


@pytest.mark.parametrize("documents", [80, 81, 1])
def test_more_sequences_than_were_planned_begin_with_those_that_were(tmp_path: Path, documents: int) -> None:
    for planned in (2.25, 4.5, 7):
        shorter = read(tmp_path, documents, planned)
        longer = read(tmp_path, documents, epochs=8.5, planned=len(shorter))
        longest = read(tmp_path, documents, epochs=12.5, planned=len(shorter))
        assert torch.equal(shorter, longer[: len(shorter)])
        assert torch.equal(longer, longest[: len(longer)])
        assert len(counts(longest[-60:])) > documents * 0.7  # the further epochs hold the documents too
