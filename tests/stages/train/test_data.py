"""The order of the data: from the seed and the settings alone, and the same in any layout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from megatron.core import parallel_state

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.errors import DataError
from stages.shared.task import Ranks
from stages.tokens.indexed import DatasetWriter
from stages.train.data import Source, build_dataset, build_heldout, microbatches, open_corpus

EOD = 2
SETTINGS: dict[str, Any] = {"steps": 10, "global_batch": 8, "microbatch": 2, "warmup_steps": 1}


def settings(**changes: Any) -> PretrainConfig:
    model = {"seq_len": 16}
    return PretrainConfig(tokens="x", tokenizer="x", **{**SETTINGS, "model": model, **changes})


def write(folder: Path, name: str, documents: int, first: int = 100, weight: float | None = None) -> Source:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.bin"
    with DatasetWriter(path, 60_000) as writer:
        for number in range(documents):
            writer.write([*range(first + 10 * number, first + 10 * number + 9), EOD])
    return Source(name, path, weight)


def build(folder: Path, sources: list[Source], config: PretrainConfig) -> list[torch.Tensor]:
    parallel.start(Ranks())
    dataset = build_dataset(open_corpus(sources), config, folder / "index", eod=EOD, vocab_size=60_000)
    return [dataset[i]["tokens"] for i in range(config.steps * config.global_batch)]


def test_one_epoch_holds_every_token_once_and_labels_are_the_next_tokens(tmp_path: Path) -> None:
    source = write(tmp_path, "a", 132)  # 1,320 tokens: 82 sequences of 16 and their labels
    parallel.start(Ranks())
    config = settings()
    dataset = build_dataset(open_corpus([source]), config, tmp_path / "index", eod=EOD, vocab_size=60_000)
    rows = [dataset[i] for i in range(80)]
    seen = Counter(int(token) for row in rows for token in row["tokens"] if token != EOD)
    assert max(seen.values()) == 1
    assert len(seen) > 1100
    for row in rows:
        assert torch.equal(row["tokens"][1:], row["labels"][:-1])
        assert row["loss_mask"].tolist() == [1.0] * 16
        assert row["position_ids"].tolist() == list(range(16))


def test_documents_that_shall_be_apart_come_with_their_lengths(tmp_path: Path) -> None:
    source = write(tmp_path, "a", 132)
    parallel.start(Ranks())
    config = settings(attend_across_documents=False)
    dataset = build_dataset(open_corpus([source]), config, tmp_path / "index", eod=EOD, vocab_size=60_000)
    for batch in microbatches(dataset, config, range(8), torch.device("cpu")):
        for row, lengths in zip(batch["tokens"], by_row(batch["document_lengths"].tolist()), strict=True):
            parts = row.split(lengths)
            assert all(EOD not in part[:-1] for part in parts)
            assert all(part[-1] == EOD for part in parts[:-1])
            assert all((part.diff()[:-1] == 1).all() for part in parts)


def by_row(lengths: list[int]) -> list[list[int]]:
    rows: list[list[int]] = [[]]
    for length in lengths:
        if sum(rows[-1]) == 16:
            rows.append([])
        rows[-1].append(length)
    return rows


def test_a_source_smaller_than_one_sequence_is_read_again_and_again(tmp_path: Path) -> None:
    rows = build(tmp_path, [write(tmp_path, "tiny", 1)], settings())
    assert len(rows) == 80
    assert set(torch.cat(rows).tolist()) == {*range(100, 109), EOD}


def test_sources_share_the_sequences_by_their_tokens_or_by_their_weights(tmp_path: Path) -> None:
    by_tokens = [write(tmp_path, "big", 300), write(tmp_path, "small", 100, first=20_000)]
    rows = build(tmp_path / "1", by_tokens, settings())
    assert sum(int(row.max()) >= 20_000 for row in rows) == pytest.approx(20, abs=1)
    weighted = [Source("big", by_tokens[0].bin_path, 1.0), Source("small", by_tokens[1].bin_path, 3.0)]
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


def test_a_sources_datasets_share_its_weight(tmp_path: Path) -> None:
    sources = [
        write(tmp_path, "large", 30, weight=1.0),
        Source("large", write(tmp_path, "more", 10, first=20_000).bin_path, 1.0),
        write(tmp_path, "small", 5, first=40_000, weight=1.0),
    ]
    assert open_corpus(sources).weights() == pytest.approx([0.75, 0.25, 1.0])
    first = [int(row.max()) // 20_000 for row in build(tmp_path, sources, settings())]
    assert [first.count(number) for number in range(3)] == pytest.approx([30, 10, 40], abs=1)
    found = open_corpus(sources).readings(settings())
    assert [(each.source, each.tokens, each.share) for each in found] == [("large", 400, 0.5), ("small", 50, 0.5)]
    assert [each.epochs for each in found] == pytest.approx([640 / 400, 640 / 50])


@pytest.mark.parametrize("weights", [(1.0, 1e-4), (1.0, 0.3, 0.01), (0.2,) * 5])
def test_no_mixture_asks_a_source_for_more_than_it_prepared(tmp_path: Path, weights: tuple[float, ...]) -> None:
    sources = [write(tmp_path, f"s{i}", 3, first=1000 * i, weight=weight) for i, weight in enumerate(weights)]
    assert len(build(tmp_path, sources, settings())) == 80


def test_what_is_held_out_is_never_trained_on_and_all_else_is(tmp_path: Path) -> None:
    sources = [write(tmp_path, "a", 120, weight=3.0), write(tmp_path, "b", 60, first=20_000, weight=1.0)]
    config = settings(heldout_batches=2, steps=60)
    trained = {*torch.cat(build(tmp_path, sources, config)).tolist()} - {EOD}
    dataset = build_heldout(open_corpus(sources), config, tmp_path / "heldout", eod=EOD, vocab_size=60_000)
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
    again = build_heldout(open_corpus(sources), config, tmp_path / "elsewhere", eod=EOD, vocab_size=60_000)
    assert all(torch.equal(row["tokens"], again[i]["tokens"]) for i, row in enumerate(rows))
    apart = settings(heldout_batches=2, attend_across_documents=False)
    row = build_heldout(open_corpus(sources), apart, tmp_path / "apart", eod=EOD, vocab_size=60_000)[0]
    assert row["document_lengths"].sum() == 16


def test_what_one_of_two_names_of_a_dataset_holds_out_the_other_does_not_train_on(tmp_path: Path) -> None:
    one = write(tmp_path, "a", 200, weight=1.0)
    sources, config = [one, Source("b", one.bin_path, 2.0)], settings(heldout_batches=2, steps=60)
    trained = {*torch.cat(build(tmp_path, sources, config)).tolist()} - {EOD}
    dataset = build_heldout(open_corpus(sources), config, tmp_path / "heldout", eod=EOD, vocab_size=60_000)
    assert not trained & {*torch.cat([dataset[i]["tokens"] for i in range(16)]).tolist()}


def test_what_is_held_out_is_said(tmp_path: Path) -> None:
    sources = [write(tmp_path, "a", 120, weight=3.0), write(tmp_path, "b", 60, first=20_000, weight=1.0)]
    assert open_corpus(sources).told(settings(heldout_batches=2))[2:4] == [
        "held out of a: 20 documents, for 12 sequences",
        "held out of b: 7 documents, for 4 sequences",
    ]


def test_a_dataset_that_would_be_half_held_out_is_refused(tmp_path: Path) -> None:
    sources = [write(tmp_path, "a", 1000, weight=100.0), write(tmp_path, "b", 1, first=20_000, weight=1.0)]
    build(tmp_path, sources, settings(heldout_batches=1))  # no sequence of 8 falls to b
    with pytest.raises(DataError, match=r"b\.bin: to hold out takes 10 of its 10 tokens \(sequences: 1\)\. Lower held"):
        build(tmp_path, sources, settings(heldout_batches=8))


def test_an_index_of_other_data_is_made_again(tmp_path: Path) -> None:
    build(tmp_path, [write(tmp_path, "a", 50)], settings())
    rows = build(tmp_path, [write(tmp_path, "a", 40, first=20_000)], settings())
    assert torch.cat(rows).ne(EOD).sum() == torch.cat(rows).ge(20_000).sum()


def test_data_is_told_from_other_data_of_the_same_size(tmp_path: Path) -> None:
    one, other = (
        open_corpus([write(tmp_path / folder, "a", 5_000, first=first)]).identity
        for folder, first in (("one", 100), ("other", 101))
    )
    assert (one["a"][0]["tokens"], one["a"][0]["documents"]) == (50_000, 5_000)
    assert one != other
    assert one == open_corpus([Source("a", tmp_path / "one" / "a.bin")]).identity


def test_what_is_read_often_is_said(tmp_path: Path) -> None:
    sources = [write(tmp_path, "big", 300, weight=3.0), write(tmp_path, "small", 5, weight=1.0)]
    assert open_corpus(sources).told(settings()) == [
        "source big 75.0%, read 0.32 times: 3,000 tokens",
        "source small 25.0%, read 6.40 times: 50 tokens",
        "warning: small 6.4 times: beyond 4 the same text teaches less than new one (arXiv:2305.16264)",
    ]


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


def test_an_empty_source_is_left_out_and_nothing_but_empty_ones_is_an_error(tmp_path: Path) -> None:
    empty, full = write(tmp_path, "empty", 0), write(tmp_path, "full", 20)
    assert len(build(tmp_path, [empty, full], settings())) == 80
    with pytest.raises(DataError, match=r"empty\.bin: no tokens"):
        build(tmp_path, [empty], settings())
    with pytest.raises(DataError, match=r"nowhere\.bin: no dataset"):
        build(tmp_path, [Source("nowhere", tmp_path / "nowhere.bin")], settings())
    with pytest.raises(DataError, match=r"empty\.bin: no tokens, but a share .* Leave 'empty' out"):
        open_corpus([Source("empty", empty.bin_path, 1.0), Source("full", full.bin_path, 1.0)])


@pytest.mark.parametrize(("dp", "microbatch"), [(1, 8), (1, 2), (2, 2), (4, 1)])
def test_a_step_takes_the_same_sequences_in_every_layout(
    monkeypatch: pytest.MonkeyPatch, dp: int, microbatch: int
) -> None:
    columns = ("tokens", "labels", "loss_mask", "position_ids")
    dataset = [dict.fromkeys(columns, torch.tensor([i])) for i in range(80)]
    config = settings(layout={"dp": dp}, microbatch=microbatch)
    taken = []
    for rank in range(dp):
        monkeypatch.setattr(parallel_state, "get_data_parallel_rank", lambda rank=rank: rank)
        batches = list(microbatches(dataset, config, range(24, 32), torch.device("cpu")))
        assert len(batches) == 8 // (microbatch * dp)
        taken += [batch["tokens"].numpy().ravel() for batch in batches]
    assert np.concatenate(taken).tolist() == list(range(24, 32))
