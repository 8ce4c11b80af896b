"""The rows of each source, and the report of what became of its chats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.chats.encoded import rows_name
from stages.formats.chat.chats import write_chats
from stages.formats.chat.packed import PackedRows
from stages.formats.chat.packing import read_packing
from stages.formats.documents import DocumentWriter
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError, DataError
from tests.stages.align.sft.world import chats, settings
from tests.stages.harness import run_unit

World = Mapping[str, tuple[InputFile, ...]]


def pack(inputs: World, folder: Path, **changes: Any) -> Path:
    """Encode and pack the chats; return the folder of the rows."""
    config = settings(**changes)
    encode, packing, _ = config.plan(inputs).steps
    for place in range(len(encode.units)):
        run_unit(config, encode, place, inputs, folder)
    run_unit(config, packing, 0, inputs, folder)
    return folder / "steps" / "pack" / "00000"


def test_every_example_is_in_one_row_of_its_source_and_the_numbers_add_up(world: World, tmp_path: Path) -> None:
    folder = pack(world, tmp_path, heldout=0.2)
    packing = read_packing(folder / "packing.json")
    assert packing.row_tokens == 64
    for source, found in packing.sources.items():
        rows = PackedRows(folder / rows_name(source))
        heldout = PackedRows(folder / rows_name(source, is_heldout=True))
        assert (len(rows), rows.num_tokens, len(rows.lengths)) == (found.rows, found.tokens, found.examples)
        assert (len(heldout), heldout.num_tokens) == (found.heldout_rows, found.heldout_tokens)
        refused = found.counts.get("too_long", 0)
        assert found.examples + found.heldout_examples + refused == found.chats == {"large": 120, "small": 30}[source]
        assert (found.lost_tokens > 0) == (refused > 0)
        assert 0.8 < packing.fill(source) <= 1
        assert found.learned == sum(int(rows.row(number).is_learned.sum()) for number in range(len(rows)))


def test_the_rows_do_not_depend_on_the_division_into_files(world: World, tmp_path: Path) -> None:
    write_chats(tmp_path / "whole.jsonl", chats(120, seed=1))
    whole = {**world, "chats": (InputFile(tmp_path / "whole.jsonl", "large"),)}
    parted = {**world, "chats": world["chats"][:2]}
    one, other = (pack(inputs, tmp_path / str(number), heldout=0.2) for number, inputs in enumerate((whole, parted)))
    files = sorted(path.name for path in one.iterdir())
    assert len(files) == 7
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


def test_documents_are_learned_whole_in_pieces_beside_chats(world: World, tmp_path: Path) -> None:
    texts = ["bread is 4 pence. " * 40, "rope", "milk is 7 pence"]
    path = tmp_path / "documents.jsonl.zst"
    with DocumentWriter(path) as writer:
        for number, text in enumerate(texts):
            writer.write({"id": str(number), "text": text})
    inputs = {**world, "documents": (InputFile(path, "pages", mb=0.1),)}
    folder = pack(inputs, tmp_path, documents="x", mixture={"large": 1.0, "small": 1.0, "pages": 2.0})
    found = read_packing(folder / "packing.json").sources["pages"]
    tokenizer = Tokenizer(world["tokenizer"][0].path)
    lengths = [len(tokenizer.encode(text)) + 2 for text in texts]
    pieces = [min(64, length - start) for length in lengths for start in range(0, length, 64)]
    assert (found.chats, found.tokens, found.examples) == (3, sum(lengths), len(pieces))
    assert found.learned == sum(lengths) - len(pieces)
    rows = PackedRows(folder / rows_name("pages"))
    assert sorted(int(length) for length in rows.lengths) == sorted(pieces)
    with pytest.raises(ConfigError, match="a weight for every source of chats, 'pages' too"):
        settings(documents="x", mixture={"large": 1.0, "small": 1.0}).plan(inputs)


def test_split_chats_lose_nothing_but_parts_without_an_answer(world: World, tmp_path: Path) -> None:
    inputs = {**world, "chats": world["chats"][:1]}
    refused, split = (
        read_packing(pack(inputs, tmp_path / name, too_long=name) / "packing.json").sources["large"]
        for name in ("refuse", "split")
    )
    assert refused.counts["too_long"] == split.counts["split"] > 0
    assert refused.tokens + refused.lost_tokens == split.tokens + split.lost_tokens
    assert split.tokens > refused.tokens
    assert set(Counter(split.counts)) <= {"split", "nothing_learned"}


def test_a_source_without_a_chat_that_can_be_learned_is_an_error_that_names_it(world: World, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("no chat\n", encoding="utf-8")
    inputs = {**world, "chats": (*world["chats"], InputFile(tmp_path / "bad.jsonl", "bad"))}
    with pytest.raises(DataError, match=r"none of 1 chats of source 'bad' can be learned \(\{'unreadable': 1\}\)"):
        pack(inputs, tmp_path / "run")
