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
from stages.shared.contract import Ranks
from stages.shared.errors import DataError
from stages.tokens.indexed import DatasetWriter
from stages.train.data import Source, build_dataset, microbatches

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
    dataset = build_dataset(sources, config, folder / "index", eod=EOD, vocab_size=60_000)
    return [dataset[i]["tokens"] for i in range(config.steps * config.global_batch)]


def test_one_epoch_holds_every_token_once_and_labels_are_the_next_tokens(tmp_path: Path) -> None:
    source = write(tmp_path, "a", 132)  # 1,320 tokens: 82 sequences of 16 and their labels
    parallel.start(Ranks())
    config = settings()
    dataset = build_dataset([source], config, tmp_path / "index", eod=EOD, vocab_size=60_000)
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
    dataset = build_dataset([source], config, tmp_path / "index", eod=EOD, vocab_size=60_000)
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


@pytest.mark.parametrize("weights", [(1.0, 1e-4), (1.0, 0.3, 0.01), (0.2,) * 5])
def test_no_mixture_asks_a_source_for_more_than_it_prepared(tmp_path: Path, weights: tuple[float, ...]) -> None:
    sources = [write(tmp_path, f"s{i}", 3, first=1000 * i, weight=weight) for i, weight in enumerate(weights)]
    assert len(build(tmp_path, sources, settings())) == 80


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
