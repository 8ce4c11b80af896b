"""The order of the data: it depends on the seed and the settings alone, and is the same in any layout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from megatron.core.datasets.indexed_dataset import IndexedDataset, IndexedDatasetBuilder

from stages.model import parallel
from stages.shared.task import Ranks
from stages.train.data.corpus import SourceDataset, open_corpus
from stages.train.data.datasets import EndOfDocument, build_dataset, build_heldout
from tests.stages.train.data.written import EOD, build, settings, write


def test_one_epoch_holds_every_token_once_and_labels_are_the_next_tokens(tmp_path: Path) -> None:
    source = write(tmp_path, "a", 132)  # 1,320 tokens: 82 sequences of 16 and their labels
    parallel.start(Ranks())
    config = settings()
    dataset = build_dataset(
        open_corpus([source]),
        config,
        tmp_path / "index",
        EndOfDocument(EOD, 60_000),
        config.schedule.sequences({}),
    )
    rows = [dataset[i] for i in range(80)]
    seen = Counter(int(token) for row in rows for token in row["tokens"] if token != EOD)
    assert max(seen.values()) == 1
    assert len(seen) > 1100
    for row in rows:
        assert torch.equal(row["tokens"][1:], row["labels"][:-1])
        assert row["loss_mask"].tolist() == [1.0] * 16
        assert row["position_ids"].tolist() == list(range(16))


def test_a_source_smaller_than_one_sequence_is_read_again_and_again(tmp_path: Path) -> None:
    rows = build(tmp_path, [write(tmp_path, "tiny", 1)], settings())
    assert len(rows) == 80
    assert set(torch.cat(rows).tolist()) == {*range(100, 109), EOD}


def test_sources_share_the_sequences_by_their_tokens_or_by_their_weights(tmp_path: Path) -> None:
    by_tokens = [write(tmp_path, "big", 300), write(tmp_path, "small", 100, first=20_000)]
    rows = build(tmp_path / "1", by_tokens, settings())
    assert sum(int(row.max()) >= 20_000 for row in rows) == pytest.approx(20, abs=1)
    weighted = [SourceDataset("big", by_tokens[0].bin_path, 1.0), SourceDataset("small", by_tokens[1].bin_path, 3.0)]
    rows = build(tmp_path / "2", weighted, settings())
    assert sum(int(row.max()) >= 20_000 for row in rows) == pytest.approx(60, abs=1)


def test_any_number_of_sequences_is_mixed_as_wanted_to_within_one(tmp_path: Path) -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}
    sources = [
        write(tmp_path, name, 20, first=1000 + 10_000 * number, weight=share)
        for number, (name, share) in enumerate(shares.items())
    ]
    taken = dict.fromkeys(shares, 0)
    for count, row in enumerate(build(tmp_path, sources, settings(steps=60)), start=1):
        taken["abcd"[int(row.max()) // 10_000]] += 1
        assert all(abs(taken[name] - count * share) <= 1 for name, share in shares.items())


@pytest.mark.parametrize("weights", [(1.0, 1e-4), (1.0, 0.3, 0.01), (0.2,) * 5])
def test_no_mixture_asks_a_source_for_more_than_it_prepared(tmp_path: Path, weights: tuple[float, ...]) -> None:
    sources = [write(tmp_path, f"s{i}", 3, first=1000 * i, weight=weight) for i, weight in enumerate(weights)]
    assert len(build(tmp_path, sources, settings())) == 80


def test_what_is_held_out_is_never_trained_on_and_all_else_is(tmp_path: Path) -> None:
    sources = [write(tmp_path, "a", 120, weight=3.0), write(tmp_path, "b", 60, first=20_000, weight=1.0)]
    config = settings(heldout_batches=2, steps=60)
    trained = {*torch.cat(build(tmp_path, sources, config)).tolist()} - {EOD}
    dataset = build_heldout(open_corpus(sources), config, tmp_path / "heldout", EndOfDocument(EOD, 60_000))
    rows = [dataset[i] for i in range(16)]
    assert [int(row["tokens"].max()) >= 20_000 for row in rows] == [False] * 12 + [True] * 4
    unseen = {*torch.cat([row["tokens"] for row in rows]).tolist()} - {EOD}
    assert not trained & unseen
    documents = {token // 10 for token in trained | unseen}
    held_out = {token // 10 for token in unseen}
    assert len(documents) == 180
    assert len(held_out) <= 28  # 12 x 16 + 1 tokens of documents of 10, and 4 x 16 + 1
    for row in rows:
        assert torch.equal(row["tokens"][1:], row["labels"][:-1])
    again = build_heldout(open_corpus(sources), config, tmp_path / "elsewhere", EndOfDocument(EOD, 60_000))
    assert all(torch.equal(row["tokens"], again[i]["tokens"]) for i, row in enumerate(rows))


def test_what_one_of_two_names_of_a_dataset_holds_out_the_other_does_not_train_on(tmp_path: Path) -> None:
    one = write(tmp_path, "a", 200, weight=1.0)
    sources, config = [one, SourceDataset("b", one.bin_path, 2.0)], settings(heldout_batches=2, steps=60)
    trained = {*torch.cat(build(tmp_path, sources, config)).tolist()} - {EOD}
    dataset = build_heldout(open_corpus(sources), config, tmp_path / "heldout", EndOfDocument(EOD, 60_000))
    assert not trained & {*torch.cat([dataset[i]["tokens"] for i in range(16)]).tolist()}


def test_an_index_of_other_data_is_made_again(tmp_path: Path) -> None:
    build(tmp_path, [write(tmp_path, "a", 50)], settings())
    rows = build(tmp_path, [write(tmp_path, "a", 40, first=20_000)], settings())
    assert torch.cat(rows).ne(EOD).sum() == torch.cat(rows).ge(20_000).sum()


def test_the_order_follows_from_the_seed_not_from_the_path(tmp_path: Path) -> None:
    one, again, other = (
        torch.stack(build(tmp_path / name, [write(tmp_path / name, "a", 50)], settings(seed=seed)))
        for name, seed in (("one", 1), ("elsewhere", 1), ("other", 2))
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_an_index_that_a_killed_attempt_left_is_made_again(tmp_path: Path) -> None:
    source = write(tmp_path, "a", 50)
    whole = build(tmp_path, [source], settings())
    (tmp_path / "index" / "built.json").unlink()
    for path in (tmp_path / "index").glob("*.npy"):
        path.write_bytes(path.read_bytes()[:90])
    assert torch.equal(torch.stack(build(tmp_path, [source], settings())), torch.stack(whole))


def test_a_source_of_more_than_2_31_tokens_is_read_to_its_end(tmp_path: Path) -> None:
    lengths, path = [10**9, 10**9, 3 * 10**8], tmp_path / "large.bin"  # 4.6 GB, of which hardly a block is on the disk
    builder = IndexedDatasetBuilder(str(path), dtype=np.uint16)
    builder.sequence_lengths, builder.document_indices = lengths, [0, 1, 2, 3]
    builder.finalize(str(path.with_suffix(".idx")))
    with path.open("r+b") as file:
        file.truncate(2 * sum(lengths))
        file.seek(2 * (sum(lengths) - 2))
        file.write(np.array([7, EOD], np.uint16).tobytes())
    reader = IndexedDataset(str(path.with_suffix("")))  # held by name: its arrays are unmapped with it
    assert reader[2][-2:].tolist() == [7, EOD]
    length = 1 << 22
    config = settings(model={"seq_len": length}, steps=68)
    dataset = build_dataset(
        open_corpus([SourceDataset("large", path)]),
        config,
        tmp_path / "index",
        EndOfDocument(EOD, 60_000),
        config.schedule.sequences({}),
    )
    starts = np.load(next((tmp_path / "index").glob("*starts.npy")))
    assert len(starts) - 1 == sum(lengths) // length
    assert int(starts[:, 1].max()) > 0
    assert len(dataset[543]["tokens"]) == length
