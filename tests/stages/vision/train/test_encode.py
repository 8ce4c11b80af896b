"""Chats with pictures become examples: planned positions, order, and counted reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.chats.encode import EXAMPLES, HELDOUT
from stages.chats.encoded import COUNTS, REJECTS, rows_name
from stages.formats.chat.chats import Chat, Message, Part, text_message, write_chats
from stages.formats.chat.packed import Example
from stages.formats.chat.pictured import PicturedRows
from stages.formats.documents import DocumentWriter
from stages.formats.pictures.collections import Collection
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.shared.errors import EXIT_NEVER, DataError
from stages.shared.files import read_json
from tests.stages.harness import run_unit, unit_folder
from tests.stages.vision.train.world import about, settings

World = Mapping[str, tuple[InputFile, ...]]
PICTURE_ID = 305
POSITIONS = 4


def keys_of(seen: World) -> list[str]:
    with Collection(seen["pictures"][0].path) as pictures:
        return [row["key"].decode() for row in pictures.rows]


def encoded(messages: list[tuple[Message, ...]], seen: World, folder: Path, **changes: Any) -> Path:
    """Encode chats; return the folder of their examples."""
    folder.mkdir(exist_ok=True)
    chats = (Chat(id=str(number), messages=each) for number, each in enumerate(messages))
    write_chats(folder / "chats.jsonl", chats)
    inputs = {**seen, "chats": (InputFile(folder / "chats.jsonl", "chats"),)}
    config = settings(**changes)
    run_unit(config, config.plan(inputs).steps[0], 0, inputs, folder)
    return unit_folder(folder, "encode", 0)


def examples(folder: Path, name: str = EXAMPLES) -> list[Example]:
    rows = PicturedRows(folder / name)
    return [rows.example(number) for number in range(len(rows.lengths))]


def test_pictures_keep_their_places_and_order_and_take_planned_positions(seen: World, tmp_path: Path) -> None:
    one, other, *_ = keys_of(seen)
    parts = (Part("text", "a "), Part("picture", key=one), Part("text", " b "), Part("picture", key=other))
    folder = encoded(
        [(Message("user", parts), text_message("assistant", "yes")), about(other, answer="no")], seen, tmp_path
    )
    mixed, single = examples(folder)
    assert [(each.positions, each.key) for each in mixed.pictures] == [(POSITIONS, one), (POSITIONS, other)]
    assert [each.key for each in single.pictures] == [other]
    for found in (mixed, single):
        places = np.concatenate([np.arange(each.start, each.start + each.positions) for each in found.pictures])
        assert places.tolist() == np.flatnonzero(found.tokens == PICTURE_ID).tolist()
        assert not found.is_learned[places].any()
    codec = Tokenizer(seen["tokenizer"][0].path)
    first, second = (each.start for each in mixed.pictures)
    assert codec.decode(mixed.tokens[first + POSITIONS : second].tolist()).strip() == "b"


def test_a_picture_of_several_squares_takes_the_positions_of_each(seen: World, tmp_path: Path) -> None:
    tall = keys_of(seen)[2]  # 16 x 40
    eyes = {**settings().model.model_dump()["eyes"], "max_tiles": 3}
    (found,) = examples(encoded([about(tall, answer="yes")], seen, tmp_path, model={"eyes": eyes}))
    assert [each.positions for each in found.pictures] == [(3 + 1) * POSITIONS]


def test_what_cannot_be_learned_is_counted_with_its_reason_and_replaced_by_nothing(seen: World, tmp_path: Path) -> None:
    keys = keys_of(seen)
    good = about(keys[0], answer="red")
    folder = encoded(
        [
            good,
            about("f" * 32, answer="a picture that no collection has"),
            about("<image>\n'; rm -rf", answer="a hostile key"),
            about(*keys[:16], answer="more positions than a row has"),
            (Message("user", (Part("audio", key="a"),)), text_message("assistant", "a sound")),
            (text_message("user", "show me"), Message("assistant", (Part("picture", key=keys[0]),))),
            good,
        ],
        seen,
        tmp_path,
        max_missing=0.5,
    )
    counts = read_json(folder / COUNTS)
    assert counts["counts"] == {"no_picture": 2, "not_in_template": 2, "too_long": 1}
    assert counts["chats"] == 7
    assert [[each.key for each in found.pictures] for found in examples(folder)] == [[keys[0]]] * 2
    details = {sample["record"]: sample["detail"] for sample in read_json(folder / REJECTS)}
    assert "f" * 32 in details[2]
    assert "tokens" in details[4]


def test_more_than_one_chat_in_a_hundred_with_a_missing_picture_stops_the_run(seen: World, tmp_path: Path) -> None:
    good = about(keys_of(seen)[0], answer="red")
    bad = [about(f"{number:032x}", answer="red") for number in range(2)]
    counts = read_json(encoded([good] * 99 + bad[:1], seen, tmp_path / "few") / COUNTS)
    assert counts["counts"] == {"no_picture": 1}
    with pytest.raises(DataError, match=r"2 of 101 chats name pictures that no collection has .*line 100: 0{32}") as e:
        encoded([good] * 99 + bad, seen, tmp_path / "many")
    assert e.value.exit_code == EXIT_NEVER
    assert "raise `max_missing` = 0.01" in str(e.value)


def test_the_name_of_the_placeholder_in_a_text_is_text(seen: World, tmp_path: Path) -> None:
    messages = (text_message("user", "what is <image>?"), text_message("assistant", "<image> is a tag"))
    (found,) = examples(encoded([messages], seen, tmp_path))
    assert not (found.tokens == PICTURE_ID).any()
    assert "<image>" in Tokenizer(seen["tokenizer"][0].path).decode(found.tokens.tolist())


def test_chats_about_one_picture_are_held_out_together(seen: World, tmp_path: Path) -> None:
    messages = [about(key, answer="yes", text=text) for key in keys_of(seen) for text in ("Is it?", "Or not?")]
    folder = encoded(messages, seen, tmp_path, heldout=0.5)
    apart, kept = ({each.pictures[0].key for each in examples(folder, name)} for name in (HELDOUT, EXAMPLES))
    assert len(apart) > 5
    assert len(kept) > 5
    assert not apart & kept
    assert len(examples(folder, HELDOUT)) == 2 * len(apart)


def test_rows_count_the_positions_of_pictures_and_hold_documents_and_text_too(seen: World, tmp_path: Path) -> None:
    with DocumentWriter(tmp_path / "pages.jsonl.zst") as writer:
        page = {"id": "1", "url": "http://x", "language": "en", "language_score": 1.0, "source": "s", "dump": "d"}
        writer.write({**page, "text": "a long page. " * 40})
    inputs = {**seen, "documents": (InputFile(tmp_path / "pages.jsonl.zst", "pages", mb=0.1),)}
    config = settings(documents="x")
    encode, pack, _ = config.plan(inputs).steps
    for place in range(len(encode.units)):
        run_unit(config, encode, place, inputs, tmp_path)
    run_unit(config, pack, 0, inputs, tmp_path)
    folder = unit_folder(tmp_path, "pack", 0)
    seen_rows, pages = (PicturedRows(folder / rows_name(name)) for name in ("seen", "pages"))
    assert len(seen_rows.places) > len(seen_rows)
    assert not len(pages.places)
    for number in range(len(seen_rows)):
        row, places = seen_rows.row(number), seen_rows.pictures(number)
        assert len(row.tokens) <= config.model.seq_len
        assert int((row.tokens == PICTURE_ID).sum()) == int(places["positions"].sum())


def test_the_bytes_do_not_depend_on_where_the_pictures_lie(seen: World, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.symlink_to(seen["pictures"][0].path)
    messages = [about(keys_of(seen)[0], answer="red")]
    other = {**seen, "pictures": (replace(seen["pictures"][0], path=moved),)}
    one, two = (encoded(messages, each, tmp_path / name) for name, each in (("a", seen), ("b", other)))
    assert all((one / path.name).read_bytes() == path.read_bytes() for path in two.iterdir())
