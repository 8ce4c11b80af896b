"""Settings of a reward model: its plan, and its release as transformers' classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, LlamaForSequenceClassification

from stages.align.scoring import RewardModel, score_batch
from stages.formats.chat.chats import text_message
from stages.formats.chat.templates import load_template
from stages.model.checkpoint.load import join_group, load_model
from stages.model.huggingface.exporting import export_checkpoint
from stages.model.huggingface.importing import load_release
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.shared.files import read_json
from tests.stages.align.ranked import Trained, reward_settings

World = Mapping[str, tuple[InputFile, ...]]
PROMPT = (text_message("user", "1: bread in Amble?"),)
TEXTS = ["bread is 1 pence.", "bread is 8 pence.", "", "bread is 3 pence. " * 5]


@pytest.fixture(scope="module")
def folder(ranked: World, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reward model as a folder of transformers."""
    found = tmp_path_factory.mktemp("release") / "folder"
    join_group()
    export_checkpoint(trained.final, found, ranked["tokenizer"][0].path, template=load_template("stagecoach"))
    return found


def test_the_final_checkpoint_is_that_of_the_measurement(ranked: World) -> None:
    plan = reward_settings(demonstrations="x").plan(ranked)
    assert [step.name for step in plan.steps] == ["encode", "pack", "reward", "measure"]
    assert {(each.name, each.step) for each in plan.outputs if each.kind.name == "checkpoint"} == {
        ("final", "measure"),
        ("untrained", "reward"),
    }
    assert [len(step.units) for step in plan.steps] == [3, 1, 1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frozen_layers": 2}, r"frozen_layers = 2: must be below 2"),
        ({"frozen_layers": 1, "layout": {"pp": 2}}, r"frozen_layers = 1: must be below 1"),
        ({"frozen_layers": 1, "engine": "deepspeed"}, r"frozen_layers = 1: must be 0 with engine deepspeed"),
        ({"frozen_layers": 1, "model": {"lora": {"rank": 4}}}, r"frozen_layers = 1: must be 0 with model.lora"),
        ({"repeated_layers": 1}, r"repeated_layers = 1: must be 0 without continue_with: weights"),
    ],
)
def test_frozen_layers_that_leave_nothing_to_train_or_freeze_are_refused(changes: dict[str, Any], message: str) -> None:
    assert reward_settings(frozen_layers=1).frozen == ("embedding.*", "decoder.layers.0.*")
    with pytest.raises(ConfigError, match=message):
        reward_settings(**changes)


def test_transformers_gives_the_same_scores_whatever_the_batch(ranked: World, trained: Trained, folder: Path) -> None:
    ours = RewardModel(trained.final, ranked["tokenizer"][0].path, "stagecoach")
    inputs = [ours.encoder.encode(PROMPT, text).ids for text in TEXTS]
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert isinstance(theirs, LlamaForSequenceClassification)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    padded = tokenizer.pad({"input_ids": inputs}, return_tensors="pt")
    with torch.no_grad():
        scores = theirs(**{name: padded[name] for name in ("input_ids", "attention_mask")}).logits[:, 0].tolist()
    assert scores == pytest.approx(score_batch(load_model(trained.final), inputs), abs=1e-5)
    described = read_json(folder / "config.json")
    assert described["reward_shift"] == pytest.approx(ours.scale.shift)
    assert described["end_of_context"] == "<|score|>"
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "1: bread in Amble?"}, {"role": "assistant", "content": TEXTS[0]}],
        return_dict=False,
    )
    assert [*rendered, inputs[0][-1]] == inputs[0]


def test_a_classifier_of_transformers_is_a_reward_model(trained: Trained, folder: Path) -> None:
    back = load_release(folder)
    assert back.config.head == "scalar"
    ids = [[1, 2, 300, 7], [5, 6]]
    assert score_batch(back, ids) == pytest.approx(score_batch(load_model(trained.final), ids), abs=1e-6)
