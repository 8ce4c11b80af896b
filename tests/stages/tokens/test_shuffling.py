"""Shuffled documents: each once, in an order of the seed, whatever the division into files."""

from __future__ import annotations

from pathlib import Path

from megatron.core.datasets.indexed_dataset import IndexedDataset

from stages.shared.contract import InputFile
from stages.shared.files import sha256_file
from stages.tokens.config import TokensConfig, dataset_name
from tests.stages.tokens.corpora import TEXTS, encode


def documents(merged: Path, source: str) -> list[tuple[int, ...]]:
    dataset = IndexedDataset(str((merged / dataset_name(source)).with_suffix("")))
    return [tuple(ids.tolist()) for ids in dataset]


def test_each_document_comes_once_in_an_order_of_the_seed(tokenizer: InputFile, tmp_path: Path) -> None:
    plain = documents(encode(tmp_path / "plain", tokenizer, {"s": [TEXTS]}), "s")
    one = documents(encode(tmp_path / "one", tokenizer, {"s": [TEXTS]}, shuffle=1), "s")
    two = documents(encode(tmp_path / "two", tokenizer, {"s": [TEXTS]}, shuffle=2), "s")
    assert sorted(plain) == sorted(one) == sorted(two)
    assert len({tuple(plain), tuple(one), tuple(two)}) == 3
    assert sum(first == second for first, second in zip(plain, one, strict=True)) < 20


def test_shuffled_bytes_do_not_depend_on_the_division_and_sources_differ(tokenizer: InputFile, tmp_path: Path) -> None:
    one = encode(tmp_path / "one", tokenizer, {"s": [TEXTS], "t": [TEXTS]}, shuffle=1)
    many = encode(tmp_path / "many", tokenizer, {"s": [TEXTS[:7], [], TEXTS[7:]], "t": [TEXTS]}, shuffle=1)
    for suffix in (".bin", ".idx"):
        names = [(folder / dataset_name("s")).with_suffix(suffix) for folder in (one, many)]
        assert sha256_file(names[0]) == sha256_file(names[1])
    assert documents(one, "s") != documents(one, "t")


def test_a_source_without_documents_stays_empty(tokenizer: InputFile, tmp_path: Path) -> None:
    merged = encode(tmp_path, tokenizer, {"empty": [[]]}, shuffle=1)
    assert (merged / dataset_name("empty")).stat().st_size == 0


def test_the_order_of_the_files_is_no_new_encoding() -> None:
    plan = TokensConfig(documents="x", tokenizer="y", shuffle=3).plan({})
    assert [step.uses for step in plan.steps] == [("heldout",), ("shuffle",)]
    assert TokensConfig(documents="x", tokenizer="y").plan({}).steps[1].uses == ()
