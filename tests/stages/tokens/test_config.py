"""The tokens stage's plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.tokens.config import TokensConfig, dataset_name


def test_there_is_a_shard_a_file_and_a_dataset_a_source() -> None:
    files = tuple(InputFile(Path(f"{i}.zst"), source) for i, source in enumerate(["b", "a", "b"]))
    plan = TokensConfig(documents="x", tokenizer="x").plan({"documents": files})
    assert [(step.name, step.shards) for step in plan.steps] == [("encode", 3), ("merge", 1)]
    assert [(output.kind, output.source) for output in plan.outputs] == [
        ("tokens", "b"),
        ("tokens", "a"),
        ("heldout", ""),
        ("token_counts", ""),
    ]


@pytest.mark.parametrize("source", ["CC-MAIN-2024-10", "../../etc", "a/b", "a b\n\"'$(x)", ".", "数"])
def test_any_source_name_is_one_safe_file_name(source: str) -> None:
    name = dataset_name(source)
    assert Path(name).name == name
    assert name.startswith("tokens-")
    assert name.isascii()
    assert not set(name) & set(" \n\"'$/")
