"""Preferences become compared responses: ids, marks, ranks, and counted reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.align.encode import COMPARED, DEMONSTRATIONS, HELDOUT
from stages.align.pack import merged
from stages.chats.encoded import COUNTS, REJECTS
from stages.formats.chat.compared import ComparedRows
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.files import read_json
from tests.stages.align.ranked import reward_settings
from tests.stages.harness import run_unit, unit_folder

World = Mapping[str, tuple[InputFile, ...]]
GOOD = {
    "prompt": [{"role": "user", "content": "Who?"}],
    "responses": [{"text": "I."}, {"text": "You."}, {"text": "No."}],
    "ranks": [2, 1, 2],
}


def encode(ranked: World, folder: Path, lines: list[Any], **changes: Any) -> Path:
    """Encode lines as a file of preferences; return the unit's folder."""
    path = folder / "given.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8")
    inputs = {"preferences": (InputFile(path, "given"),), "tokenizer": ranked["tokenizer"]}
    config = reward_settings(**changes)
    run_unit(config, config.plan(inputs).steps[0], 0, inputs, folder)
    return unit_folder(folder, "encode", 0)


def texts(ranked: World, rows: ComparedRows, number: int = 0) -> list[str]:
    """Return the marked texts of a prompt's responses."""
    tokenizer = Tokenizer(ranked["tokenizer"][0].path)
    return [tokenizer.decode(each.tokens[each.is_learned].tolist()) for each in rows.prompt(number).examples]


def test_all_responses_of_a_prompt_are_one_row_with_their_ranks(ranked: World, tmp_path: Path) -> None:
    rows = ComparedRows(encode(ranked, tmp_path, [GOOD]) / COMPARED)
    assert texts(ranked, rows) == ["I.", "You.", "No."]
    assert rows.ranks(0).tolist() == [[0, 0, 2], [0, 0, 1], [0, 0, 2]]
    starts = {bytes(each.tokens[: each.is_learned.argmax()]) for each in rows.prompt(0).examples}
    assert len(starts) == 1


def test_binarised_responses_are_compared_with_themselves(ranked: World, tmp_path: Path) -> None:
    rows = ComparedRows(encode(ranked, tmp_path, [GOOD], binarised=True) / COMPARED)
    assert texts(ranked, rows) == ["GOOD:You.", "BAD:You.", "BAD:I.", "GOOD:I."]
    assert rows.ranks(0).tolist() == [[0, 0, 1], [0, 0, 2], [0, 1, 1], [0, 1, 2]]


def test_records_that_cannot_be_learned_from_are_counted_with_samples(ranked: World, tmp_path: Path) -> None:
    wordy = {**GOOD, "responses": [{"text": "word " * 300}, {"text": "b"}, {"text": "c"}]}
    lines: list[Any] = [
        GOOD,
        "{",
        "[]",
        {**GOOD, "ranks": [1, 1, 1]},
        {**GOOD, "ranks": [1, 2]},
        wordy,
        {**GOOD, "prompt": [{"role": "user", "parts": [{"type": "picture", "key": "a"}]}]},
        "[" * 100_000,
    ]
    folder = encode(ranked, tmp_path, lines)
    counts = read_json(folder / COUNTS)
    assert counts["counts"] == {"all_tied": 1, "not_in_template": 1, "too_long": 1, "unreadable": 4}
    assert counts["prompts"] == len(lines)
    assert len(ComparedRows(folder / COMPARED)) == 1
    assert {each["record"] for each in read_json(folder / REJECTS)} == {2, 3, 4, 5, 6, 7, 8}


def test_a_long_prompt_is_cut_behind_its_first_token_and_the_end_stays(ranked: World, tmp_path: Path) -> None:
    prompt = [{"role": "user", "content": "many words " * 200}]
    folder = encode(ranked, tmp_path, [GOOD, {**GOOD, "prompt": prompt}], too_long="cut")
    assert read_json(folder / COUNTS)["counts"] == {"cut": 1}
    rows = ComparedRows(folder / COMPARED)
    whole, cut = rows.prompt(0).examples[0], rows.prompt(1).examples[0]
    assert len(cut.tokens) == 256 // 3
    assert cut.tokens[0] == whole.tokens[0]
    assert cut.tokens[-4:].tolist() == whole.tokens[-4:].tolist()
    assert texts(ranked, rows, 1) == ["I.", "You.", "No."]


def test_a_share_of_the_prompts_or_whole_files_are_held_out(ranked: World, tmp_path: Path) -> None:
    lines = [{**GOOD, "prompt": [{"role": "user", "content": f"Who is {number}?"}]} for number in range(40)]
    folder = encode(ranked, tmp_path, lines, heldout=0.3)
    kept, apart = (len(ComparedRows(folder / name)) for name in (COMPARED, HELDOUT))
    assert kept + apart == 40
    assert 4 < apart < 20
    assert len(ComparedRows(folder / DEMONSTRATIONS)) == 0
    again = tmp_path / "again"
    again.mkdir()
    inputs = {**ranked, "heldout_preferences": ranked["preferences"][1:], "preferences": ranked["preferences"][:1]}
    config = reward_settings(heldout_preferences="x")
    encode_step = config.plan(inputs).steps[0]
    run_unit(config, encode_step, 1, inputs, again)
    assert [len(ComparedRows(unit_folder(again, "encode", 1) / name)) for name in (COMPARED, HELDOUT)] == [0, 30]


@pytest.mark.parametrize("count", [1, 2])
def test_records_of_one_prompt_are_one_prompt_and_are_not_compared_with_each_other(
    ranked: World, tmp_path: Path, count: int
) -> None:
    rows = ComparedRows(encode(ranked, tmp_path, [GOOD] * count) / COMPARED)
    found = merged([rows.prompt(number) for number in range(count)])
    assert [comparison for comparison, _ in found.ranks] == [number for number in range(count) for _ in range(3)]
