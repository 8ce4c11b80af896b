"""Rows of compared responses: whole prompts, each in one row, in the same bytes whatever the files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from stages.chats.encoded import rows_name
from stages.formats.chat.compared import ComparedRows
from stages.formats.chat.packing import read_packing
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.align.ranked import Trained, reward_settings
from tests.stages.harness import run_unit, unit_folder

World = Mapping[str, tuple[InputFile, ...]]


def pack(ranked: World, folder: Path, files: list[list[str]]) -> Path:
    """Encode and pack files of lines of one source; return the folder of rows."""
    folder.mkdir()
    for number, lines in enumerate(files):
        (folder / f"{number}.jsonl").write_text("\n".join(lines), "utf-8")
    given = tuple(InputFile(folder / f"{number}.jsonl", "given") for number in range(len(files)))
    inputs = {"preferences": given, "tokenizer": ranked["tokenizer"]}
    config = reward_settings()
    encode, step, *_ = config.plan(inputs).steps
    for place in range(len(encode.units)):
        run_unit(config, encode, place, inputs, folder)
    run_unit(config, step, 0, inputs, folder)
    return unit_folder(folder, "pack", 0)


def lines_of(ranked: World) -> list[str]:
    return ranked["preferences"][0].path.read_text("utf-8").splitlines()


def test_rows_hold_whole_prompts_and_do_not_depend_on_the_division_into_files(ranked: World, tmp_path: Path) -> None:
    lines = lines_of(ranked)
    one = pack(ranked, tmp_path / "one", [lines])
    two = pack(ranked, tmp_path / "two", [lines[:7], lines[7:]])
    rows, name = ComparedRows(one / rows_name("given")), rows_name("given")
    for path in rows.files:
        assert path.read_bytes() == (two / path.name).read_bytes()
    assert max(rows.row_tokens) <= 256
    assert len(rows) < 60
    prompts = [prompt for row in range(len(rows)) for prompt in {int(each) for each in rows.ranks(row)[:, 0]}]
    assert sorted(prompts) == list(range(60))
    assert len(rows.lengths) == sum(len(json.loads(line)["ranks"]) for line in lines)
    assert name == "rows-given.bin"


def test_a_prompt_that_several_people_ranked_is_in_one_row(ranked: World, tmp_path: Path) -> None:
    lines = lines_of(ranked)
    again = [line for line in lines if len(json.loads(line)["ranks"]) == 2]  # two such rankings fit into a row
    rows = ComparedRows(pack(ranked, tmp_path / "twice", [lines, again]) / rows_name("given"))
    prompts = [int(prompt) for row in range(len(rows)) for prompt in {*rows.ranks(row)[:, 0].tolist()}]
    assert sorted(prompts) == list(range(60))
    assert sum(rows.ranks(row)[:, 1].max() for row in range(len(rows))) >= 1


def test_the_report_counts_what_was_packed(trained: Trained) -> None:
    found = read_packing(trained.outputs["packing"][0].path)
    assert {name: source.chats for name, source in found.sources.items()} == {"people": 60, "rules": 30}
    assert all(0.5 < found.fill(name) <= 1 for name in found.sources)


def test_a_source_without_a_comparison_is_refused_with_its_reasons(ranked: World, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of 1 prompts of source 'given'.*unreadable"):
        pack(ranked, tmp_path / "none", [["{}"]])
