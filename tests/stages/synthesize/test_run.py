"""Self-Instruct and Alpaca's variant, whole, with a teacher that knows the sample world."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages.formats.chat.chats import read_chats
from stages.formats.chat.syntheses import read_synthesis
from stages.shared.contract import InputFile
from stages.shared.errors import Checkpointed, DataError
from stages.synthesize import findings, run
from stages.synthesize.config import SynthesizeConfig
from stages.synthesize.pool import read_instructions
from stages.text.dedup.rouge import RougeIndex
from tests.stages.harness import make_task, run_stage, step_folder
from tests.stages.synthesize.world import SEEDS, answer, write_seeds
from tests.stages.teacher.scripted import Reply, ScriptedTeacher, misbehaving

WANTED = 30
CANARY = "sk-canary-7b21"


def thinking(body: Mapping[str, Any], number: int) -> Reply:
    """Answer as the other teacher, after some thoughts."""
    reply = answer(body, number)
    return dataclasses.replace(reply, text=f"<think>\nOutput: no. 9. Nothing.\n</think>\n\n{reply.text}")


def configured(url: str, method: str = "self_instruct", zh: bool = False, **given: Any) -> SynthesizeConfig:
    settings = {"instructions": WANTED, "per_round": 2, "language": "zh" if zh else "en"}
    teacher = {"url": url, "model": "m", **given.pop("teacher", {})}
    return SynthesizeConfig(**{"files": "x", method: settings, "teacher": teacher, **given})


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def seeds(tmp_path: Path) -> dict[str, tuple[InputFile, ...]]:
    return {"files": (InputFile(write_seeds(tmp_path / "seeds.jsonl"), ""),)}


@pytest.mark.parametrize("zh", [False, True])
def test_a_pool_grows_and_every_instruction_has_parents_or_a_reason(tmp_path: Path, zh: bool) -> None:
    seeds = {"files": (InputFile(write_seeds(tmp_path / "seeds.jsonl", zh), ""),)}
    with ScriptedTeacher(answer) as server:
        outputs = run_stage(configured(server.url, zh=zh, shares=2), seeds, tmp_path / "run")
    (grown, *answered) = (read_synthesis(file.path) for file in outputs["synthesis"])
    folder = step_folder(tmp_path / "run", "generate") / "00000"
    kept = read_instructions(folder / run.INSTRUCTIONS)
    known = {f"seed_{number}" for number in range(SEEDS)}
    index = RougeIndex()
    for each in kept:
        assert index.nearest(each.instruction, least=0.7) == (0.0, -1)
        index.add(each.instruction)
        assert len(each.parents) == 8
        assert set(each.parents) <= known | {other.id for other in kept if other.round < each.round}
        machine = [name for name in each.parents if name.startswith("g")]
        assert len(machine) == (2 if each.round > 1 else 0)
    assert (grown.kept, grown.candidates) == (WANTED, WANTED + sum(grown.rejected.values()))
    assert len(grown.rejected) >= 3
    rejected = [json.loads(line) for line in (folder / findings.REJECTED).read_text().splitlines()]
    assert len(rejected) == sum(grown.rejected.values())
    assert all(each["reason"] and len(each["parents"]) == 8 for each in rejected)
    assert [relative.how for relative in grown.families[0]][-1] == "generate"
    chats = [chat for file in outputs["chats"] for chat in read_chats(file.path)]
    assert len(chats) == SEEDS + 1 + sum(each.kept for each in answered) > SEEDS + WANTED / 2
    assert {chat.provenance.get("how") for chat in chats} == {None, "input_first", "output_first"}
    assert {name for each in answered for name in each.rejected} >= {"no_instance", "blank_output", "same_instance"}
    assert sum(each.requests["classify"] for each in answered) == WANTED


@pytest.mark.parametrize("method", ["self_instruct", "alpaca"])
def test_troubles_shares_and_a_replay_change_no_byte(
    seeds: dict[str, tuple[InputFile, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    made = []
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with ScriptedTeacher(thinking) as calm, ScriptedTeacher(misbehaving(answer)) as rough:
        for place, (server, shares) in enumerate(((calm, 1), (rough, 3))):
            outputs = run_stage(configured(server.url, method, shares=shares), seeds, tmp_path / str(place))
            made.append(b"".join(file.path.read_bytes() for file in outputs["chats"]))
        assert calm.charged.keys() == rough.charged.keys()
        assert calm.keys == rough.keys == {CANARY}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    replay = {"replay": True, "answers": str(tmp_path / "1" / "answers")}
    config = configured("http://127.0.0.1:9/v1", method, teacher=replay, shares=2)
    made.append(b"".join(file.path.read_bytes() for file in run_stage(config, seeds, tmp_path / "2")["chats"]))
    assert made[0] == made[1] == made[2]


def test_stopped_anywhere_it_goes_on_to_the_same_bytes_and_asks_nothing_twice(
    seeds: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    with ScriptedTeacher(answer) as server:
        run_stage(configured(server.url), seeds, tmp_path / "whole")
        asked = len(server.charged)
    with ScriptedTeacher(answer) as server:
        config = configured(server.url, teacher={"concurrency": 1})
        (step, _) = config.plan(seeds).steps
        for stop in range(1, 4):
            task = make_task(config, step, 0, seeds, tmp_path / "stopped")
            with pytest.raises(Checkpointed):
                run.generate(dataclasses.replace(task, should_stop=lambda: len(server.charged) >= stop))  # noqa: B023
            task.out.rename(tmp_path / f"attempt {stop}")
        run_stage(config, seeds, tmp_path / "stopped")
        assert len(server.charged) == asked
        assert set(server.arrivals.values()) == {1}
    assert files_of(tmp_path / "whole" / "steps") == files_of(tmp_path / "stopped" / "steps")


def test_without_formats_an_input_stands_below_its_instruction(
    seeds: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    settings = {"instructions": 4, "formats": False}
    with ScriptedTeacher(answer) as server:
        config = configured(server.url, self_instruct=settings, originals=False)
        outputs = run_stage(config, seeds, tmp_path / "run")
    made = {
        each.id: each
        for each in read_instructions(step_folder(tmp_path / "run", "generate") / "00000" / run.INSTRUCTIONS)
    }
    chats = list(read_chats(outputs["chats"][0].path))
    assert chats
    for chat in chats:
        (parent,) = chat.provenance["parents"]
        assert chat.messages[0].text.partition("\n\n")[0] == made[parent].instruction


def test_a_teacher_that_repeats_itself_ends_the_growth(seeds: dict[str, tuple[InputFile, ...]], tmp_path: Path) -> None:
    again = Reply(text="Tell the story of the oldest well in town.")
    with ScriptedTeacher(lambda _body, _number: again) as server:
        outputs = run_stage(configured(server.url, originals=False), seeds, tmp_path / "run")
    (grown, _) = (read_synthesis(file.path) for file in outputs["synthesis"])
    assert grown.kept == 1
    assert len(grown.rounds) == 6
    assert grown.rejected == {"too_similar": grown.candidates - 1}


def test_a_teacher_that_gives_nothing_of_use_is_named(seeds: dict[str, tuple[InputFile, ...]], tmp_path: Path) -> None:
    match = r"no instruction was kept \({'too_short': 10}\)"
    with ScriptedTeacher(lambda *_: Reply(text="No.")) as server, pytest.raises(DataError, match=match):
        run_stage(configured(server.url), seeds, tmp_path / "run")


def test_alpaca_asks_for_whole_tasks(seeds: dict[str, tuple[InputFile, ...]], tmp_path: Path) -> None:
    with ScriptedTeacher(answer) as server:
        outputs = run_stage(configured(server.url, "alpaca"), seeds, tmp_path / "run")
    chats = list(read_chats(outputs["chats"][0].path))
    grown = read_synthesis(outputs["synthesis"][0].path)
    assert len(chats) == SEEDS + 1 + WANTED
    assert grown.rejected["cut_answer"] >= 1
    for chat in chats[SEEDS + 1 :]:
        assert len(chat.provenance["parents"]) == 3
        assert all(name.startswith("seed_") for name in chat.provenance["parents"])
