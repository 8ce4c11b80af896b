"""Answers to questions on pictures: the first ones to look at, and all of them as chats."""

from __future__ import annotations

from pathlib import Path

from stages.evaluate.backends.dialogue import Dialogue
from stages.evaluate.cells import Cell
from stages.evaluate.harness import Watched, measure
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.evaluate.tasks.perceived import show
from stages.evaluate.tasks.seen import SHOWN, write_answers
from stages.formats.chat.chats import read_chats
from stages.formats.kinds import KINDS
from stages.formats.seen import read_seen
from stages.pictures.album import Album
from tests.stages.evaluate.seeing import colour_of, make_exam, make_pictures
from tests.stages.evaluate.tasks.test_perceived import Sees, Shows


def test_the_first_questions_have_pictures_and_all_answers_are_chats(tmp_path: Path) -> None:
    keys = make_pictures(tmp_path / "pictures", SHOWN + 4)
    album = Album([tmp_path / "pictures"])
    use_datasets(tmp_path / "home", [])
    loaded = load_cell(Cell(task="colour"), make_exam(tmp_path / "exam", keys))
    for task in loaded["tasks"].values():
        show(task, Cell(task="colour"), {"pictures": album})
    dialogue = Dialogue(Shows(), multiturn=True, system="")
    measured = measure(Watched(Sees(keys), dialogue), loaded, None, dialogue.options)
    write_answers(tmp_path, loaded, measured, album)
    seen = read_seen(tmp_path / KINDS.seen.file)
    assert [(each.pictures, each.answer, each.right, each.is_right) for each in seen.answered] == [
        ((key,), colour_of(number), colour_of(number), True) for number, key in enumerate(keys[:SHOWN])
    ]
    assert set(seen.pictures) == set(keys[:SHOWN])
    chats = list(read_chats(tmp_path / KINDS.rollouts.file))
    assert [chat.messages[0].parts[0].key for chat in chats] == keys
    assert [chat.messages[1].text for chat in chats] == [colour_of(number) for number in range(len(keys))]
    assert {chat.provenance["source"] for chat in chats} == {"colour"}
