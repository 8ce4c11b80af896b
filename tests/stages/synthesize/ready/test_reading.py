"""Published files, read whole through the stage."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.formats.chat.chats import read_chats
from stages.formats.chat.syntheses import read_synthesis
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from stages.synthesize.config import SynthesizeConfig
from tests.launching import DATA
from tests.stages.harness import run_stage

INSTRUCT = DATA / "instruct"


def read(folder: Path, format_: str, *paths: Path) -> dict[str, tuple[InputFile, ...]]:
    config = SynthesizeConfig(files={"x": ["..."]}, read={"x": {"format": format_}})
    return run_stage(config, {"files": tuple(InputFile(path, "x") for path in paths)}, folder)


@pytest.mark.skipif(not INSTRUCT.exists(), reason="the published files are not here")
@pytest.mark.parametrize(
    ("name", "format_", "records", "chats"),
    [
        ("vicuna_dummy_conversation.json", "sharegpt", 250, 250),
        ("seed_tasks.jsonl", "self_instruct", 175, 175),
        ("user_oriented_instructions.jsonl", "self_instruct", 126, 126),
    ],
)
def test_published_files_are_read_whole(tmp_path: Path, name: str, format_: str, records: int, chats: int) -> None:
    outputs = read(tmp_path, format_, INSTRUCT / name)
    synthesis = read_synthesis(outputs["synthesis"][0].path)
    assert (synthesis.candidates, synthesis.kept, sum(synthesis.rejected.values())) == (records, chats, 0)
    made = list(read_chats(outputs["chats"][0].path))
    assert len(made) == len({chat.id for chat in made}) == chats


def test_every_record_is_a_chat_or_has_a_reason_and_a_sample(tmp_path: Path) -> None:
    rows: list[Any] = [{"instruction": f"i{n}", "input": "", "output": f"o{n}"} for n in range(5)]
    rows += [{"instruction": "", "output": "o"}, {"instruction": "i"}, 3]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    outputs = read(tmp_path / "run", "alpaca", tmp_path / "a.jsonl")
    synthesis = read_synthesis(outputs["synthesis"][0].path)
    assert synthesis.rejected == {"blank_turn": 1, "other_format": 1, "not_an_object": 1, "unreadable_record": 1}
    assert synthesis.candidates == synthesis.kept + sum(synthesis.rejected.values()) == 9
    assert {(sample["reason"], sample["record"]) for sample in synthesis.samples} == {
        ("blank_turn", 6), ("other_format", 7), ("not_an_object", 8), ("unreadable_record", 9),
    }  # fmt: skip
    chats = list(read_chats(outputs["chats"][0].path))
    assert [chat.id for chat in chats] == [f"x/a.jsonl/{n}" for n in range(1, 6)]
    assert chats[1].provenance == {"source": "x/a.jsonl", "format": "alpaca", "record": 2}


def test_whole_trees_and_flat_messages_give_the_same_chats(tmp_path: Path) -> None:
    reply = {"message_id": "b", "parent_id": "a", "message_tree_id": "a", "text": "answer", "role": "assistant"}
    root = {"message_id": "a", "parent_id": None, "message_tree_id": "a", "text": "question", "role": "prompter"}
    orphan = {**reply, "message_id": "c", "parent_id": "z"}
    tree = {"message_tree_id": "a", "prompt": {**root, "replies": [reply]}}
    (tmp_path / "flat.jsonl").write_text("\n".join(map(json.dumps, (root, reply, orphan))))
    (tmp_path / "trees.jsonl").write_text(json.dumps(tree))
    outputs = read(tmp_path / "run", "oasst", tmp_path / "flat.jsonl", tmp_path / "trees.jsonl")
    flat, trees = ([chat.messages for chat in read_chats(file.path)] for file in outputs["chats"])
    assert [[message.text for message in messages] for messages in flat] == [["question", "answer"]]
    assert flat == trees
    assert read_synthesis(outputs["synthesis"][0].path).rejected == {"parent_is_missing": 1}


def test_a_file_of_another_format_is_one_sentence_with_its_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "x"}\n')
    with pytest.raises(DataError, match=r"none of 1 records gives a chat \({'other_format': 1}\)\. Set `read.x."):
        read(tmp_path / "run", "sharegpt", tmp_path / "a.jsonl")
