"""Evol-Instruct: the eliminations one by one, and whole with a teacher that knows the sample world."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stages.formats.chat.chats import Chat, Part, read_chats, write_chats
from stages.formats.chat.rejects import Reject
from stages.formats.chat.syntheses import read_synthesis
from stages.shared.contract import InputFile
from stages.shared.errors import Checkpointed
from stages.synthesize import run
from stages.synthesize.config import OPERATIONS, SynthesizeConfig
from stages.synthesize.evolution import Evolution, check_response, judged
from stages.synthesize.pool import Instruction
from stages.synthesize.wording import Wording
from tests.stages.harness import make_task, run_stage
from tests.stages.synthesize.world import answer, place_of, write_pool
from tests.stages.teacher.scripted import Reply, ScriptedTeacher, misbehaving

EN, ZH = Wording("evol_instruct", "en", {}), Wording("evol_instruct", "zh", {})
SIZE, ROUNDS = 12, 4


@pytest.mark.parametrize("text", ["Equal", "equal.", "**Equal**", " The same.", "Equal. (Not 'Not Equal'.)"])
def test_an_equal_judgement_is_no_gain(text: str) -> None:
    assert judged(text, EN) is False


@pytest.mark.parametrize(
    "text", ["Not Equal", "Not equal", "**not  equal**", "They are not exactly equal.", "Unequal", "Not the same"]
)
def test_equal_within_not_equal_is_a_gain(text: str) -> None:
    assert judged(text, EN) is True


def test_chinese_judgements_are_read_and_others_say_nothing() -> None:
    assert [judged(text, ZH) for text in ("相等", "相同。", "不相等", "不完全相同", "Not Equal", "")] == [
        False, False, True, True, True, None,
    ]  # fmt: skip
    assert judged("I cannot tell", EN) is None


@pytest.mark.parametrize(
    ("text", "wording", "reason"),
    [
        ("sorry " + "word " * 78, EN, "apology"),
        ("I am SORRY.", EN, "apology"),
        ("很抱歉，" + "字" * 76, ZH, "apology"),
        ("...", EN, "no_content"),
        ("", EN, "no_content"),
        ("the of and.", EN, "no_content"),
        ("的了。", ZH, "no_content"),
    ],
)
def test_a_response_that_says_nothing_is_eliminated(text: str, wording: Wording, reason: str) -> None:
    with pytest.raises(Reject) as caught:
        check_response(text, wording)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "wording"),
    [("sorry " + "word " * 79, EN), ("Paris.", EN), ("No.", EN), ("42", EN), ("抱歉" + "字" * 78, ZH), ("巴黎", ZH)],
)
def test_another_response_is_kept(text: str, wording: Wording) -> None:
    check_response(text, wording)


@pytest.mark.parametrize(
    ("text", "wording", "reason"),
    [
        ("Rewrite the given prompt.", EN, "copies_the_prompt"),
        ("#rewritten PROMPT#: add", EN, "copies_the_prompt"),
        ("The Created Prompts are here", EN, "copies_the_prompt"),
        ("#改写后的提示#：加", ZH, "copies_the_prompt"),
        ("I'm sorry, but I can't assist with that.", EN, "refusal"),
        ("...", EN, "no_content"),
        ("Add  1.\n", EN, "no_gain"),
    ],
)
def test_an_evolution_that_copies_its_prompt_or_says_nothing_is_eliminated(
    text: str, wording: Wording, reason: str
) -> None:
    evolution = Evolution([], settings(), wording, 0)
    with pytest.raises(Reject) as caught:
        evolution._check_text(text, "Add 1.")
    assert caught.value.reason == reason
    evolution._check_text("Rewrite the prompt I was given", "Add 1.")


def settings(**given: Any) -> Any:
    return SynthesizeConfig(evol_instruct={"rounds": ROUNDS, **given}).evol_instruct


def configured(url: str, zh: bool = False, rounds: int = ROUNDS, **given: Any) -> SynthesizeConfig:
    teacher = {"url": url, "model": "m"}
    evol = {"rounds": rounds, "language": "zh" if zh else "en"}
    return SynthesizeConfig(**{"chats": "x", "evol_instruct": evol, "teacher": teacher, **given})


def pool(path: Path, zh: bool = False) -> dict[str, tuple[InputFile, ...]]:
    chats = list(read_chats(write_pool(path, SIZE, zh)))
    pair = chats[0].messages
    picture = pair[0]._replace(parts=(Part(type="picture", key="k"),))
    chats.insert(3, Chat(id="long", messages=pair * 2))
    chats.insert(5, Chat(id="c0", messages=(picture, pair[1])))
    write_chats(path, chats)
    return {"chats": (InputFile(path, ""),)}


@pytest.mark.parametrize("zh", [False, True])
def test_the_pool_keeps_its_size_over_all_rounds(tmp_path: Path, zh: bool) -> None:
    with ScriptedTeacher(answer) as server:
        outputs = run_stage(configured(server.url, zh=zh), pool(tmp_path / "pool.jsonl", zh), tmp_path / "run")
    found = read_synthesis(outputs["synthesis"][0].path)
    assert [(each.candidates, each.pool) for each in found.rounds] == [(SIZE, SIZE)] * ROUNDS
    assert found.rejected["not_one_question"] == 2
    assert found.candidates == found.kept + sum(found.rejected.values()) == SIZE * ROUNDS + 2
    assert len(found.rejected) >= 5
    chats = {chat.id: chat for chat in read_chats(outputs["chats"][0].path)}
    assert len(chats) == SIZE + found.kept
    for chat in chats.values():
        if chat.provenance:
            (parent,) = chat.provenance["parents"]
            assert chats[parent].messages[0].text in chat.messages[0].text
            assert place_of(chat.messages[0].text) in chat.messages[1].text
            assert chat.provenance["how"] in OPERATIONS
            assert chat.provenance["kept"].startswith("judged ")
    family = found.families[0]
    assert [relative.parents for relative in family[1:]] == [(relative.id,) for relative in family[:-1]]


def test_troubles_shares_and_stops_change_no_byte_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    inputs = pool(tmp_path / "pool.jsonl")
    made = []
    with ScriptedTeacher(answer) as calm, ScriptedTeacher(misbehaving(answer)) as rough:
        for place, (server, shares) in enumerate(((calm, 1), (rough, 3))):
            outputs = run_stage(configured(server.url, rounds=2, shares=shares), inputs, tmp_path / str(place))
            made.append(b"".join(file.path.read_bytes() for file in outputs["chats"]))
        asked = calm.charged.keys()
        assert asked == rough.charged.keys()
    with ScriptedTeacher(answer) as server:
        config = configured(server.url, rounds=2)
        (step,) = config.plan(inputs).steps
        for stop in range(4):
            unit = make_task(config, step, 0, inputs, tmp_path / "2")
            with pytest.raises(Checkpointed):
                run.evolve(dataclasses.replace(unit, should_stop=lambda: True))
            unit.out.rename(tmp_path / f"attempt {stop}")
        outputs = run_stage(config, inputs, tmp_path / "2")
        assert server.charged.keys() == asked
        assert set(server.arrivals.values()) == {1}
    made.append(outputs["chats"][0].path.read_bytes())
    assert made[0] == made[1] == made[2]


def test_operations_are_drawn_with_equal_probability() -> None:
    evolution = Evolution([Instruction(id=str(number), instruction="x") for number in range(6000)], settings(), EN, 0)
    drawn = Counter(attempt.operation for attempt in evolution._drawn(1))
    assert drawn.keys() == set(OPERATIONS)
    assert all(abs(count - 1000) < 4 * 29 for count in drawn.values())


def test_a_failed_evolution_is_asked_again_with_another_draw(tmp_path: Path) -> None:
    with ScriptedTeacher(lambda *_: Reply(text="Equal")) as server:
        config = configured(server.url, originals=False)
        outputs = run_stage(config, pool(tmp_path / "pool.jsonl"), tmp_path / "run")
    found = read_synthesis(outputs["synthesis"][0].path)
    assert found.requests["evolve"] == SIZE * ROUNDS
    assert found.rejected == {"no_gain": SIZE * ROUNDS, "not_one_question": 2}
    assert outputs["chats"][0].path.read_bytes() == b""
