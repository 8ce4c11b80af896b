"""The digest of a policy: it changes with any weight, and with no layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stages.align import policy
from stages.align.rollout.run import digest_of
from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel, load_model
from stages.model.parallel import Sizes
from stages.shared.task import Ranks
from tests.stages.gloo import run_ranks
from tests.stages.train.ranks import Run


@pytest.fixture(scope="module")
def model(undisturbed: Run) -> Iterator[LoadedModel]:
    yield load_model(undisturbed.out / "final")
    parallel.stop()


def test_the_digest_changes_with_any_weight_and_with_their_order(model: LoadedModel) -> None:
    before = digest_of(model)
    for name, weight in model.model.named_parameters():
        numbers = weight.data.view(-1)
        kept = numbers.clone()
        numbers[7] *= 1 + 1e-6
        if numbers[7] != kept[7]:
            assert digest_of(model) != before, name
        numbers.copy_(kept.flip(0))
        if not torch.equal(numbers, kept):
            assert digest_of(model) != before, name
        numbers.copy_(kept)
    assert digest_of(model) == before


def test_rows_of_the_padding_do_not_count(model: LoadedModel) -> None:
    before, table = digest_of(model), dict(model.model.named_parameters())["embedding.word_embeddings.weight"].data
    rows = model.config.used_rows(model.vocab_size)
    assert len(table) > rows
    kept = table.clone()
    table[rows:] += 1
    assert digest_of(model) == before
    table[rows - 1] += 1
    assert digest_of(model) != before
    table.copy_(kept)


def test_pieces_of_any_size_have_the_same_sum(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_of(model)
    monkeypatch.setattr(policy, "PIECE", 1000)
    assert digest_of(model) == before


def write_digest(ranks: Ranks, sizes: dict[str, int], checkpoint: str, path: str) -> None:
    parallel.start(ranks, Sizes(**sizes))
    found = digest_of(load_model(Path(checkpoint)))
    Path(f"{path}-{ranks.rank}").write_text(found)
    parallel.stop()


def test_the_digest_is_the_same_in_every_layout(undisturbed: Run, model: LoadedModel, tmp_path: Path) -> None:
    checkpoint, path = str(undisturbed.out / "final"), str(tmp_path / "digest")
    assert run_ranks(4, write_digest, {"tp": 2, "pp": 2}, checkpoint, path) == [0] * 4
    assert {Path(f"{path}-{rank}").read_text() for rank in range(4)} == {digest_of(model)}
