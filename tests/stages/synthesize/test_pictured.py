"""Instructions about pictures and curated descriptions, whole, with a teacher that knows the sample world."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from stages.formats.chat.chats import Chat, Message, Part, read_chats, text_message, write_chats
from stages.formats.chat.syntheses import read_synthesis
from stages.formats.pictures.collections import Collection
from stages.sample.pictures.config import PicturesConfig
from stages.shared.contract import InputFile
from stages.shared.errors import Checkpointed, ConfigError
from stages.synthesize import pictured
from stages.synthesize.config import SHOWN, SynthesizeConfig
from tests.stages.harness import make_task, run_stage
from tests.stages.synthesize.world import answer
from tests.stages.teacher.scripted import ScriptedTeacher, misbehaving

COUNT = 24


def configured(url: str, method: str, zh: bool = False, **given: Any) -> SynthesizeConfig:
    reads = {"llava": "pictures", "curate": "chats"}[method]
    settings = {"language": "zh" if zh else "en", **given.pop(method, {})}
    teacher = {"url": url, "model": "m", **given.pop("teacher", {})}
    return SynthesizeConfig.model_validate({reads: "x", method: settings, "teacher": teacher, **given})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[InputFile, ...]]:
    config = PicturesConfig(purpose="captions", pictures=COUNT, size=48)
    return {"pictures": run_stage(config, {}, tmp_path_factory.mktemp("pictures"))["pictures"]}


@pytest.fixture
def descriptions(tmp_path: Path) -> dict[str, tuple[InputFile, ...]]:
    """Return long descriptions of pictures with faults, as a model writes them, and one chat that is none."""
    chats = []
    for number in range(COUNT):
        text = (
            f"The picture shows {number} herons near a wide river. They look to the left. ### They look to the left. It"
        )
        text += " is a calm day and the hills behind the water are green and brown."
        user = Message("user", (Part("picture", key=f"{number:032x}"), Part("text", "Describe it.")))
        chats.append(Chat(id=f"d{number}", messages=(user, text_message("assistant", text))))
    chats.append(Chat(id="blind", messages=(text_message("user", "Hello"), text_message("assistant", "Hello"))))
    chats.append(Chat(id="sorry", messages=(chats[0].messages[0], text_message("assistant", "Sorry, I see nothing."))))
    write_chats(tmp_path / "described.jsonl", chats)
    return {"chats": (InputFile(tmp_path / "described.jsonl", ""),)}


@pytest.mark.parametrize("zh", [False, True])
def test_each_picture_has_a_chat_of_each_kind_or_a_reason(
    pictures: dict[str, tuple[InputFile, ...]], tmp_path: Path, zh: bool
) -> None:
    with ScriptedTeacher(answer) as server:
        outputs = run_stage(configured(server.url, "llava", zh), pictures, tmp_path / "run")
    chats = list(read_chats(outputs["chats"][0].path))
    (found,) = (read_synthesis(file.path) for file in outputs["synthesis"])
    with Collection(pictures["pictures"][0].path) as collection:
        captions = {each.key: each.captions for each in (collection[place] for place in range(COUNT))}
    assert found.candidates == 3 * COUNT == len(chats) + sum(found.rejected.values())
    assert set(found.rejected) >= {"refusal", "names_its_source", "cut_answer", "unpaired_turns"}
    assert set(found.rejected) & {"same_question", "several_questions"}
    assert found.requests == dict.fromkeys(SHOWN, COUNT)
    turns = {"conversation": 2, "detail": 1, "complex": 1}
    for chat in chats:
        (key,) = chat.provenance["parents"]
        assert [part.key for part in chat.messages[0].parts if part.type == "picture"] == [key]
        assert len(chat.messages) == 2 * turns[chat.provenance["how"]]
        assert chat.messages[1].text == captions[key][zh]
        assert chat.provenance["teacher"] == "m"
        assert chat.id == f"{key}-{chat.provenance['how']}"
    assert len({chat.messages[0].parts[0].type for chat in chats}) == 2


def test_a_prompt_shows_examples_then_captions_and_the_largest_boxes(
    pictures: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    bodies: list[Any] = []

    def listening(body: Any, number: int) -> Any:
        bodies.append(body)
        return answer(body, number)

    with ScriptedTeacher(listening) as server:
        settings = {"kinds": ["detail"], "max_boxes": 2}
        run_stage(configured(server.url, "llava", llava=settings), pictures, tmp_path / "run")
    assert len(bodies) == COUNT
    assert {tuple(each["role"] for each in body["messages"]) for body in bodies} == {
        ("system", "user", "assistant", "user"),
    }
    lines = [body["messages"][-1]["content"].splitlines() for body in bodies]
    assert all(sum("[" in line for line in each) <= 2 for each in lines)
    assert any("heron: [" in line or "fox: [" in line for each in lines for line in each)


@pytest.mark.parametrize("method", ["llava", "curate"])
def test_troubles_shares_and_a_replay_change_no_byte(
    pictures: dict[str, tuple[InputFile, ...]],
    descriptions: dict[str, tuple[InputFile, ...]],
    tmp_path: Path,
    method: str,
) -> None:
    made, inputs = [], pictures if method == "llava" else descriptions
    with ScriptedTeacher(answer) as calm, ScriptedTeacher(misbehaving(answer)) as rough:
        for place, (server, shares) in enumerate(((calm, 1), (rough, 3))):
            outputs = run_stage(configured(server.url, method, shares=shares), inputs, tmp_path / str(place))
            made.append(b"".join(file.path.read_bytes() for file in outputs["chats"]))
    replay = {"replay": True, "answers": str(tmp_path / "1" / "answers")}
    config = configured("http://127.0.0.1:9/v1", method, teacher=replay, shares=2)
    made.append(b"".join(file.path.read_bytes() for file in run_stage(config, inputs, tmp_path / "2")["chats"]))
    assert made[0] == made[1] == made[2]


def test_stopped_it_goes_on_to_the_same_bytes_and_asks_nothing_twice(
    pictures: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    with ScriptedTeacher(answer) as server:
        whole = run_stage(configured(server.url, "llava"), pictures, tmp_path / "whole")
    with ScriptedTeacher(answer) as server:
        config = configured(server.url, "llava", teacher={"concurrency": 1})
        task = make_task(config, config.plan(pictures).steps[0], 0, pictures, tmp_path / "stopped")
        with pytest.raises(Checkpointed):
            pictured.show(dataclasses.replace(task, should_stop=lambda: len(server.charged) >= 5))
        task.out.rename(tmp_path / "attempt")
        stopped = run_stage(config, pictures, tmp_path / "stopped")
        assert set(server.arrivals.values()) == {1}
    assert whole["chats"][0].path.read_bytes() == stopped["chats"][0].path.read_bytes()


def test_descriptions_are_mended_and_those_that_stay_bad_are_counted(
    descriptions: dict[str, tuple[InputFile, ...]], tmp_path: Path
) -> None:
    with ScriptedTeacher(answer) as server:
        outputs = run_stage(configured(server.url, "curate"), descriptions, tmp_path / "run")
    chats = list(read_chats(outputs["chats"][0].path))
    (found,) = (read_synthesis(file.path) for file in outputs["synthesis"])
    assert found.candidates == COUNT + 2 == found.kept + sum(found.rejected.values())
    assert found.rejected["not_one_picture_and_answer"] == 1
    assert set(found.rejected) >= {"apology", "repeats_itself", "another_description"}
    assert found.requests == {"mend": COUNT}
    assert found.mended["changed"] == found.kept == len(chats) > COUNT / 3
    for chat in chats:
        assert chat.messages[0].parts[0].key == f"{int(chat.id[1:]):032x}"
        assert chat.messages[1].text.count("They look to the left.") == 1
        assert "#" not in chat.messages[1].text
        assert chat.provenance["how"] == "mend" and chat.provenance["parents"] == [chat.id]


def test_a_method_takes_its_own_input_alone() -> None:
    for given, name in (
        ({"llava": {}, "chats": "x"}, "chats"),
        ({"curate": {}, "pictures": "x"}, "pictures"),
        ({"llava": {}}, "pictures"),
        ({"curate": {}}, "chats"),
    ):
        config = SynthesizeConfig.model_validate({"teacher": {"url": "http://localhost:1/v1", "model": "m"}, **given})
        with pytest.raises(ConfigError, match=rf"^{name}"):
            config.plan({})
