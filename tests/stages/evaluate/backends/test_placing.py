"""A model with eyes on a small exam: engine against forward pass, batches, parts, refusals, and what is written."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stages.evaluate.backends.asking import own_template
from stages.evaluate.backends.dialogue import Conversation
from stages.evaluate.backends.placing import Placing
from stages.evaluate.config import EvaluateConfig
from stages.formats.chat.chats import Message, Part, read_chats, text_message
from stages.formats.chat.templates import PICTURE, SOUND
from stages.formats.kinds import KINDS
from stages.formats.results import Results, read_results, read_samples
from stages.formats.seen import read_seen
from stages.generate.features import Features
from stages.model.checkpoint.load import load_model
from stages.model.checkpoint.settings import read_settings
from stages.pictures.album import Album
from stages.pictures.sounds import SoundShelf
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from tests.stages.evaluate.seeing import CHOICE, CONTROLS, EYES, QUERIES, make_exam, make_pictures
from tests.stages.evaluate.tiny import make_checkpoint, train_tokenizer
from tests.stages.evaluate.units import Inputs, flat, run_units
from tests.stages.evaluate.world import define
from tests.stages.generate.tiny import seen_pass
from tests.stages.gloo import run_ranks
from tests.stages.harness import run_stage
from tests.stages.speech.train.world import EARS, write_sounds

COUNT = 8
BLIND = ("", ",pictures-shuffled", ",pictures-none")
TASKS = [{"task": "colour"}, {"task": "caption"}, {"task": "words", "pictures": "shown"}]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("seen")
    tokenizer = train_tokenizer(folder / "tok")
    make_checkpoint(folder / "blind", tokenizer, extra_tokens=CONTROLS[:-1])
    make_checkpoint(folder / "sees", tokenizer, extra_tokens=CONTROLS, eyes=EYES)
    keys = make_pictures(folder / "pictures", COUNT)
    return {
        "checkpoints": (InputFile(folder / "sees", "sees", 1.0),),
        "tokenizer": (InputFile(tokenizer, "tokenizer", 1.0),),
        "pictures": (InputFile(folder / "pictures", "pictures", 1.0),),
        "definitions": tuple(InputFile(path, path.name, 1.0) for path in make_exam(folder / "exam", keys)),
    }


def evaluated(inputs: Inputs, folder: Path, **given: Any) -> dict[str, dict[str, Path]]:
    """Return the files of each cell by kind."""
    config = EvaluateConfig.model_validate({"pictures": "x", "definitions": "x", "tasks": TASKS, **given})
    found: dict[str, dict[str, Path]] = {}
    for kind, files in run_stage(config, inputs, folder).items():
        for file in files:
            found.setdefault(file.unit.partition("/")[2], {})[kind] = file.path
    return found


def scored(results: Results) -> list[tuple[str, float]]:
    return [(score.metric, score.value) for score in results.scores]


def test_answers_are_those_of_the_forward_pass_with_pictures_in_their_places(inputs: Inputs, tmp_path: Path) -> None:
    found = evaluated(inputs, tmp_path)
    assert set(found) == {
        *(f"{task}@chat{blind}" for task in ("colour", "caption") for blind in BLIND),
        "words@chat",
    }
    model = load_model(inputs["checkpoints"][0].path)
    album = Album([inputs["pictures"][0].path])
    placing, features = Placing(album, model.sense), Features()
    template = own_template("stagecoach", inputs["checkpoints"][0].path, inputs["tokenizer"][0].path, placing)
    for blind in BLIND:
        for sample in list(read_samples(found[f"colour@chat{blind}"]["samples"]))[:3]:
            (prompt, *rest), *_ = sample.arguments
            keys = rest[1]["pictures"] if len(rest) > 1 else []
            message = Message("user", (*(Part("picture", key=key) for key in keys), Part("text", "Which colour?")))
            conversation = Conversation(template, (message,), "")
            assert prompt == conversation
            given = conversation.given_ids()
            assert sum(token < 0 for token in given) == QUERIES * len(keys)
            for key, squares in placing.shown([given]).items():
                assert model.sense is not None
                features.add(key, model.sense.rows(squares))
            for (_, choice, *_), (logprob, _) in zip(
                sample.arguments, [each[0] for each in sample.responses], strict=True
            ):
                whole = conversation.ids(choice)
                expected = torch.log_softmax(seen_pass(model, whole, features).double(), -1)
                wanted = sum(float(expected[at - 1, whole[at]]) for at in range(len(given), len(whole)))
                assert float(logprob) == pytest.approx(wanted, abs=1e-5)


def test_a_model_with_ears_is_asked_with_sounds_with_those_of_others_and_with_none(
    inputs: Inputs, tmp_path: Path
) -> None:
    tokenizer = inputs["tokenizer"][0].path
    ears = {**EARS, "join": {"kind": "mlp", "init_std": 0.5}}
    make_checkpoint(tmp_path / "hears", tokenizer, extra_tokens=(*CONTROLS[:-1], SOUND), ears=ears)
    keys = [*write_sounds(tmp_path / "sounds", COUNT)]
    rows = [{"sound": key, "question": "Which?", "choices": ["red", "blue"], "answer": 0} for key in keys]
    task = {name: value for name, value in CHOICE.items() if name != "doc_to_image"}
    files = define(tmp_path / "own", "tone", {"test": rows}, **task, doc_to_audio=["sound"])
    given = {
        "checkpoints": (InputFile(tmp_path / "hears", "hears", 1.0),),
        "tokenizer": inputs["tokenizer"],
        "sounds": (InputFile(tmp_path / "sounds", "sounds", 1.0),),
        "definitions": tuple(InputFile(path, path.name, 1.0) for path in files),
    }
    found = evaluated(given, tmp_path / "run", pictures=None, sounds="x", tasks=[{"task": "tone"}])
    assert set(found) == {"tone@chat", "tone@chat,sounds-shuffled", "tone@chat,sounds-none"}
    model, features = load_model(tmp_path / "hears"), Features()
    placing = Placing(SoundShelf([tmp_path / "sounds"]), model.sense)
    template = own_template("stagecoach", tmp_path / "hears", tokenizer, placing)
    heard = {}
    for cell, files_of in found.items():
        sample = next(iter(read_samples(files_of["samples"])))
        (_, *rest), *_ = sample.arguments
        heard[cell] = rest[1]["pictures"] if len(rest) > 1 else []
        message = Message("user", (*(Part("audio", key=key) for key in heard[cell]), Part("text", "Which?")))
        conversation = Conversation(template, (message,), "")
        for key, cut in placing.shown([conversation.given_ids()]).items():
            assert model.sense is not None
            features.add(key, model.sense.rows(cut))
        whole, start = conversation.ids("red"), len(conversation.given_ids())
        expected = torch.log_softmax(seen_pass(model, whole, features).double(), -1)
        wanted = sum(float(expected[at - 1, whole[at]]) for at in range(start, len(whole)))
        assert float(sample.responses[0][0][0]) == pytest.approx(wanted, abs=1e-5)
    assert [len(each) for each in heard.values()].count(1) == 2
    assert heard["tone@chat"] != heard["tone@chat,sounds-shuffled"]
    with pytest.raises(ConfigError, match="sounds = 'x': must be null with pictures"):
        evaluated({**given, **inputs}, tmp_path / "both", sounds="x")


@pytest.mark.parametrize("layout", [{"tp": 2}, {"pp": 2}], ids=str)
def test_a_layout_gives_the_answers_of_one_process(layout: dict[str, int], inputs: Inputs, tmp_path: Path) -> None:
    settings = {"pictures": "x", "definitions": "x", "tasks": TASKS, "batch_tokens": 16, "layout": layout}
    alone = evaluated(inputs, tmp_path / "alone")
    assert run_ranks(2, run_units, EvaluateConfig.model_validate(settings), inputs, tmp_path) == [0, 0]
    for cell, files in alone.items():
        there = tmp_path / f"sees-{cell}"
        one, other = read_results(files["results"]), read_results(there / KINDS.results.file)
        assert [(each.metric, each.value) for each in other.scores] == [
            (each.metric, each.value) for each in one.scores
        ]
        answers = [[list(each.responses) for each in read_samples(path)] for path in
                   (there / KINDS.samples.file, files["samples"])]  # fmt: skip
        assert flat(answers[0]) == pytest.approx(flat(answers[1]), abs=1e-4)


def test_batches_and_parts_change_no_answer_and_what_is_seen_is_written(inputs: Inputs, tmp_path: Path) -> None:
    one = evaluated(inputs, tmp_path / "one", batch_tokens=16, tasks=[{"task": "caption"}])
    many = evaluated(inputs, tmp_path / "many", tasks=[{"task": "caption", "parts": 2}])
    texts = {}
    for cell, files in one.items():
        assert files["samples"].read_bytes() == many[cell]["samples"].read_bytes()
        texts[cell] = [sample.responses[0][0] for sample in read_samples(files["samples"])]
    assert len({tuple(each) for each in texts.values()}) == 3  # the pictures change the answers
    assert len(set(texts["caption@chat,pictures-none"])) == 1
    shown = one["caption@chat"]
    seen = read_seen(shown["seen"])
    assert [each.answer for each in seen.answered] == texts["caption@chat"]
    assert sorted(each.pictures for each in seen.answered) == sorted((key,) for key in seen.pictures)
    assert (seen.answered[1].right, seen.answered[1].is_right, len(seen.answered)) == ("green", False, COUNT)
    image = Image.open(io.BytesIO(base64.b64decode(next(iter(seen.pictures.values())).partition(",")[2])))
    assert image.format == "WEBP"
    chats = list(read_chats(shown["rollouts"]))
    assert [chat.messages[-1].text for chat in chats] == texts["caption@chat"]
    assert [part.type for part in chats[0].messages[0].parts] == ["picture", "text"]
    assert "rollouts" not in one["caption@chat,pictures-none"]
    keys = [read_results(files["results"]).key for files in one.values()]
    assert {key.variant for key in keys} == {"", "pictures-shuffled", "pictures-none"}


def test_a_model_that_reads_text_alone_is_refused_and_asked_without_pictures(inputs: Inputs, tmp_path: Path) -> None:
    blind = {**inputs, "checkpoints": (InputFile(inputs["checkpoints"][0].path.with_name("blind"), "blind", 1.0),)}
    with pytest.raises(
        ConfigError, match="checkpoints = None: must be checkpoints with an encoder and a join for colour"
    ):
        evaluated(blind, tmp_path / "shown", tasks=[{"task": "colour"}])
    found = evaluated(blind, tmp_path / "none", tasks=[{"task": "colour", "pictures": "none"}])
    assert list(found) == ["colour@chat,pictures-none"]


def test_a_question_longer_than_the_model_is_refused_with_its_positions(inputs: Inputs, tmp_path: Path) -> None:
    keys = [json.loads(line)["picture"] for line in inputs["definitions"][1].path.read_text().splitlines()]
    row = {"picture": keys[0], "question": "word " * 60, "choices": ["a", "b"], "answer": 0}
    files = define(tmp_path / "own", "long", {"test": [row]}, **CHOICE)
    given = {**inputs, "definitions": tuple(InputFile(path, path.name, 1.0) for path in files)}
    wanted = r"pictures = '\d+ positions': must be pictures and questions of at most 4\d positions"
    with pytest.raises(ConfigError, match=wanted):
        evaluated(given, tmp_path / "run", tasks=[{"task": "long", "pictures": "shown"}])


def test_text_that_looks_like_a_picture_is_text(inputs: Inputs) -> None:
    placing = Placing(Album([inputs["pictures"][0].path]), None)
    checkpoint, tokenizer = inputs["checkpoints"][0].path, inputs["tokenizer"][0].path
    template = own_template("stagecoach", checkpoint, tokenizer, placing)
    typed = Conversation(template, (text_message("user", f"{PICTURE} What is it? {PICTURE}"),), "")
    assert min(typed.ids()) >= 0
    settings = read_settings(checkpoint)
    assert settings.config.token_id(PICTURE, settings.vocab_size) not in typed.ids()


def test_pictures_are_for_checkpoints_of_ours(inputs: Inputs) -> None:
    endpoint = {"mine": {"url": "http://node7:8000/v1", "model": "m"}}
    config = EvaluateConfig.model_validate(
        {"pictures": "x", "definitions": "x", "endpoints": endpoint, "tasks": [{"task": "caption"}]}
    )
    with pytest.raises(ConfigError, match="pictures = 'x': must be null with endpoints and vllm"):
        config.plan(inputs)
