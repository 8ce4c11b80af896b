"""Packed rows of several sources in order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stages.formats.chat.packed import Example, PackedRows, PackedWriter
from stages.shared.errors import DataError
from stages.train.data.corpus import SourceDataset
from stages.train.data.packed import PackedSource, open_packed, sample_of
from tests.stages.align.sft.world import settings
from tests.stages.train.data.written import NO_MODELS

LENGTH = 64


def write_rows(path: Path, rows: int, first: int = 0) -> Path:
    """Write rows of two examples; the first token of a row is its number, counted from `first`."""
    with PackedWriter(path, 1000) as writer:
        for number in range(first, first + rows):
            examples = [np.array([number, 1, 2]), np.array([number, 3])]
            writer.write([Example(tokens, np.arange(len(tokens)) > 0) for tokens in examples])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    for name, rows, first in (("a", 12, 0), ("b", 5, 100)):
        write_rows(folder / f"{name}.bin", rows, first)
        write_rows(folder / f"{name}-heldout.bin", 3, 200 + first)
    return folder


def source(folder: Path, name: str, weight: float | None = None) -> PackedSource:
    return PackedSource(
        rows=SourceDataset(name, folder / f"{name}.bin", weight),
        heldout=SourceDataset(name, folder / f"{name}-heldout.bin"),
    )


def taken(sources: list[PackedSource], **changes: object) -> list[int]:
    """Return the numbers of the rows of a training's steps, in order."""
    config = settings(**changes)
    data = open_packed(sources, config)
    found = []
    for step in range(config.steps):
        samples, _ = data.feed.take(step, {}, NO_MODELS)
        found += [int(sample["tokens"][0]) for sample in samples]
    return found


def test_a_label_is_the_next_token_of_the_same_example(folder: Path) -> None:
    sample = sample_of(PackedRows(folder / "a.bin").row(3), 8)
    assert sample["tokens"].tolist() == [3, 1, 2, 3, 3, 0, 0, 0]
    assert sample["labels"].tolist() == [1, 2, 3, 3, 0, 0, 0, 0]
    assert sample["loss_mask"].tolist() == [1, 1, 0, 1, 0, 0, 0, 0]
    assert sample["is_learned"].tolist() == [True, True, False, True, False, False, False, False]
    assert sample["position_ids"].tolist() == [0, 1, 2, 0, 1, 0, 1, 2]
    assert sample["document_lengths"].tolist() == [3, 2, 3]


def test_a_full_row_has_no_padding(folder: Path) -> None:
    sample = sample_of(PackedRows(folder / "a.bin").row(3), 5)
    assert sample["document_lengths"].tolist() == [3, 2]
    assert sample["loss_mask"].tolist() == [1, 1, 0, 1, 0]


def test_every_epoch_holds_each_row_once_in_another_order(folder: Path) -> None:
    found = taken([source(folder, "a")], steps=9, global_batch=4)
    epochs = [found[start : start + 12] for start in (0, 12, 24)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert taken([source(folder, "a")], steps=18, global_batch=2) == found
    assert taken([source(folder, "a")], steps=9, global_batch=4, seed=2) != found


def test_sources_have_their_shares_at_any_moment_and_do_not_change_each_others_order(folder: Path) -> None:
    alone = taken([source(folder, "a")], steps=10)
    mixed = taken([source(folder, "a", 1.0), source(folder, "b", 3.0)], steps=10, mixture={"a": 1, "b": 3})
    counts = Counter(number < 100 for number in mixed)
    assert counts == {True: 10, False: 30}
    for end in range(1, len(mixed)):
        assert abs(sum(number < 100 for number in mixed[:end]) - end / 4) <= 1
    assert [number for number in mixed if number < 100] == alone[:10]


def test_without_a_mixture_sources_are_read_equally_often(folder: Path) -> None:
    data = open_packed([source(folder, "a"), source(folder, "b")], settings(steps=17, global_batch=4))
    assert [round(reading.epochs, 6) for reading in data.readings] == [4.0, 4.0]
    assert [reading.tokens for reading in data.readings] == [60, 25]
    assert not any(line.startswith("warning") for line in data.lines)


def test_the_identity_is_of_tokens_masks_and_examples(folder: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "a.bin", 12)
    one, other = (open_packed([source(each, "a")], settings()).identity for each in (folder, tmp_path))
    assert one == other
    mask = tmp_path / "a.mask"
    mask.write_bytes(mask.read_bytes()[:-1] + b"\0")
    assert open_packed([source(tmp_path, "a")], settings()).identity != one


def test_held_out_rows_are_of_each_source_in_its_share(folder: Path) -> None:
    changes = {"heldout": 0.1, "heldout_batches": 1, "heldout_every": 2}
    data = open_packed([source(folder, "a", 1.0), source(folder, "b", 1.0)], settings(**changes))
    assert data.heldout is not None
    assert [int(data.heldout[number]["tokens"][0]) for number in range(4)] == [200, 201, 300, 301]


def test_too_few_held_out_rows_and_a_source_without_rows_are_errors_with_a_remedy(folder: Path, tmp_path: Path) -> None:
    changes = {"heldout": 0.1, "heldout_batches": 2, "heldout_every": 2}
    with pytest.raises(DataError, match=r"3 rows are held out of 'a', and 8 are wanted\. Lower heldout_batches"):
        open_packed([source(folder, "a")], settings(**changes))
    write_rows(tmp_path / "a.bin", 0)
    with pytest.raises(DataError, match=r"a\.bin: no rows"):
        open_packed([source(tmp_path, "a")], settings())
