"""The tokens stage's plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.tokens.config import TokensConfig, dataset_name


def test_there_is_a_unit_a_file_and_a_dataset_a_source() -> None:
    files = tuple(InputFile(Path(f"{i}.zst"), source) for i, source in enumerate(["b", "a", "b"]))
    plan = TokensConfig(documents="x", tokenizer="x").plan({"documents": files})
    assert [(step.name, [unit.key for unit in step.units]) for step in plan.steps] == [
        ("encode", ["b/0.zst", "a/1.zst", "b/2.zst"]),
        ("merge", ["all"]),
    ]
    assert [(output.kind.name, output.source) for output in plan.outputs] == [
        ("tokens", "b"),
        ("tokens", "a"),
        ("heldout", ""),
        ("token_counts", ""),
    ]


def test_one_more_file_leaves_the_units_of_the_others_as_they_are() -> None:
    files = tuple(InputFile(Path(f"{i}.zst"), "a", unit=f"dump/{i}.warc") for i in range(4))
    tokenizer = (InputFile(Path("tokenizer.model"), ""),)
    config = TokensConfig(documents="x", tokenizer="x")
    before, after = (config.plan({"documents": some, "tokenizer": tokenizer}).steps[0] for some in (files[1:], files))
    assert after.units[1:] == before.units
    assert (after.units[0].key, after.units[0].inputs) == ("dump/0.warc", {"documents": files[:1]})


@pytest.mark.parametrize("source", ["CC-MAIN-2024-10", "../../etc", "a/b", "a b\n\"'$(x)", ".", "数"])
def test_any_source_name_is_one_safe_file_name(source: str) -> None:
    name = dataset_name(source)
    assert Path(name).name == name
    assert name.startswith("tokens-")
    assert name.isascii()
    assert not set(name) & set(" \n\"'$/")
