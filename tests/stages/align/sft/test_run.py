"""Fine-tuning from chats to a model: through the harness, and on real ranks."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.formats.chat.templates import ChatEncoder, load_template
from stages.formats.metrics import read_metrics
from stages.formats.readings import read_readings
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import load_model
from stages.release.config import ReleaseConfig
from stages.shared.contract import InputFile
from tests.stages.align.sft.world import CONTROLS, SETTINGS, chats, settings
from tests.stages.harness import run_stage, run_unit
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import Run, digest, losses, train

World = Mapping[str, tuple[InputFile, ...]]
HELD: dict[str, Any] = {"heldout": 0.2, "heldout_batches": 1, "heldout_every": 4}
MIXTURE = {"mixture": {"large": 1.0, "small": 1.0}}
ADAPTED: dict[str, Any] = {
    "noise": 5.0,
    "model": {
        **SETTINGS["model"],
        "lora": {"rank": 4, "alpha": 16, "targets": ["qkv", "proj", "fc1", "fc2"], "embeddings": True},
    },
}
"""Adapters on every matrix, and noise; the start is a finished run."""
LAYOUTS: list[dict[str, Any]] = [
    {"layout": {"tp": 2, "pp": 2, "dp": 2}},
    {"layout": {"tp": 2, "sp": True, "recompute": "full"}, "microbatch": 4},
    {"layout": {"dp": 2, "zero": 3}, "engine": "deepspeed", "microbatch": 1},
]


@pytest.fixture(scope="module")
def rows(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of packed rows, with the tokenizer."""
    folder = tmp_path_factory.mktemp("rows")
    config = settings(**HELD)
    encode, pack, _ = config.plan(world).steps
    for place in range(len(encode.units)):
        run_unit(config, encode, place, world, folder)
    run_unit(config, pack, 0, world, folder)
    packed = folder / "steps" / "pack" / "00000"
    shutil.copy(world["tokenizer"][0].path, packed / "tokenizer.model")
    return str(packed)


def fine_tuning(folder: Path, rows: str, **changes: Any) -> Run:
    return Run(
        str(folder), rows, {**SETTINGS, **HELD, **MIXTURE, "steps": 8, "checkpoint_every": 3, **changes}, "align.sft"
    )


@pytest.fixture(scope="module")
def alone(rows: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on one rank that nothing happened to."""
    run = fine_tuning(tmp_path_factory.mktemp("alone"), rows)
    assert train(run) == [0]
    return run


def test_chats_make_a_model_that_knows_their_answers_better(world: World, tmp_path: Path) -> None:
    made = run_stage(settings(**HELD, steps=30, mixture={"large": 3.0, "small": 1.0}), world, tmp_path)
    found = read_metrics(made["metrics"][0].path)
    assert found[-1]["loss"] < found[0]["loss"] - 1.5
    heldout = [row["heldout"] for row in found if "heldout" in row]
    assert heldout[-1] < heldout[0]
    readings = read_readings(made["readings"][0].path)
    assert [(each.source, each.share) for each in readings] == [("large", 0.75), ("small", 0.25)]
    assert {file.source for file in made["checkpoint"]} == {"final", "untrained", "best"}


@pytest.mark.parametrize("changes", LAYOUTS, ids=str)
def test_losses_are_those_of_a_single_process_in_any_layout(
    changes: dict[str, Any], rows: str, alone: Run, tmp_path: Path
) -> None:
    run = fine_tuning(tmp_path, rows, **changes)
    assert set(train(run)) == {0}
    assert losses(run) == pytest.approx(losses(alone), abs=1e-4)
    assert losses(run)[-1] < losses(run)[0] - 0.5


def test_killed_ten_times_at_random_places_it_ends_with_the_bytes_of_an_undisturbed_run(
    rows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    with capsys.disabled():
        print(f"\nseed {seed}")
    draw = random.Random(seed)
    whole, killed = (fine_tuning(tmp_path / name, rows, steps=36, checkpoint_every=2) for name in ("whole", "killed"))
    for _ in range(10):  # in a step of the next three, or in a part of the next checkpoint
        saved = int(killed.checkpoints[-1].removeprefix("step-")) if killed.checkpoints else 0
        places = {"die_at": saved + draw.randint(1, 3)}, {"die_in": draw.choice(("write", "commit", "mark"))}
        assert train(replace(killed, **draw.choice(places))) == [-9]
    assert train(killed) == [0]
    assert train(whole) == [0]
    assert_equal(killed, whole)


def test_adapters_and_noise_have_the_losses_of_a_single_process_in_any_layout(
    rows: str, alone: Run, tmp_path: Path
) -> None:
    def adapted(name: str, **changes: Any) -> Run:
        start = {"continue_from": "x", "continue_with": "weights", "lr": 1e-2}
        run = fine_tuning(tmp_path / name, rows, **ADAPTED, **start, **changes)
        return replace(run, continue_from=str(alone.out / "final"))

    single = adapted("single")
    assert train(single) == [0]
    assert losses(single)[-1] < losses(single)[0] - 0.1
    for number, layout in enumerate(({"tp": 2, "pp": 2, "dp": 2}, {"tp": 2, "sp": True, "recompute": "full"})):
        split = adapted(str(number), layout=layout)
        assert set(train(split)) == {0}
        assert losses(split) == pytest.approx(losses(single), abs=1e-4)
    killed = adapted("killed")
    assert train(replace(killed, die_at=5)) == [-9]
    assert train(killed) == [0]
    assert digest(killed) == digest(single)


def test_adapters_alone_are_trained_and_kept_and_a_release_merges_them(world: World, tmp_path: Path) -> None:
    base = run_stage(settings(steps=2), world, tmp_path / "base")
    (start,) = (file for file in base["checkpoint"] if file.source == "final")
    lora = {"rank": 4, "alpha": 16, "targets": ["qkv", "fc1", "fc2"]}
    config = settings(model={"lora": lora}, continue_from="x", continue_with="weights", lr=1e-2)
    made = run_stage(config, {**world, "continue_from": (start,)}, tmp_path / "adapted")
    final, untrained = (load_model(made["checkpoint"][number].path) for number in (0, 1))
    before = load_model(start.path)
    old, first, last = (dict(each.model.named_parameters()) for each in (before, untrained, final))
    assert all(torch.equal(last[name], old[name]) for name in old)
    adapters = last.keys() - old.keys()
    assert len(adapters) == 2 * 3 * 2
    assert all(first[name].count_nonzero() == 0 for name in adapters if name.endswith("adapter_out"))
    assert all(not torch.equal(last[name], first[name]) for name in adapters)

    (state,) = made["state"]
    stored = FileSystemReader(state.path).read_metadata().state_dict_metadata
    moments = {name for name in stored if name.startswith("optimizer.state.exp_avg.")}
    assert len(moments) == 2 * 3
    assert all("adapter_" in name for name in moments)

    released = ReleaseConfig(checkpoints="x", tokenizer="x", chat_template="stagecoach")
    inputs = {"checkpoints": made["checkpoint"][:1], "tokenizer": world["tokenizer"]}
    (folder,) = run_stage(released, inputs, tmp_path / "release")["release"]
    theirs = AutoModelForCausalLM.from_pretrained(folder.path)
    ids = torch.randint(300, (2, 40), generator=torch.Generator().manual_seed(1))
    expected = theirs(ids).logits
    found = final.model(ids, torch.arange(40).expand(2, -1))[..., :305]
    assert (found - expected).abs().max() < 1e-5
    assert (before.model(ids, torch.arange(40).expand(2, -1))[..., :305] - expected).abs().max() > 1e-2


@pytest.mark.parametrize("tied", [False, True])
def test_a_release_has_the_chat_template_and_its_tokens_and_starts_another_fine_tuning(
    tied: bool, world: World, tmp_path: Path
) -> None:
    model = {"tied_embeddings": tied}
    made = run_stage(settings(model=model), world, tmp_path / "sft")
    released = ReleaseConfig(checkpoints="x", tokenizer="x", chat_template="stagecoach")
    inputs = {"checkpoints": made["checkpoint"][:1], "tokenizer": world["tokenizer"]}
    (folder,) = run_stage(released, inputs, tmp_path / "release")["release"]
    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(folder.path), AutoTokenizer.from_pretrained(folder.path)

    ours = Tokenizer(world["tokenizer"][0].path)
    template = load_template("stagecoach")
    controls = {name: 300 + number for number, name in enumerate(CONTROLS)}
    encoder = ChatEncoder(template, ours, controls, first_id=ours.eos_id)
    for chat in chats(20, seed=5):
        messages = [{"role": each.role, "content": each.text} for each in chat.messages]
        encoded = encoder.encode(chat.messages).ids
        assert tokenizer.apply_chat_template(messages, return_dict=False) == encoded
        prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, return_dict=False)
        assert prompt == encoder.prompt(chat.messages[:-1])
    assert theirs.generation_config.eos_token_id == [controls["<|end|>"], ours.eos_id]
    assert tokenizer.decode(list(controls.values())) == "".join(CONTROLS)

    loaded = load_model(made["checkpoint"][0].path)
    ids = torch.tensor([encoded[:64]])
    positions = torch.arange(ids.size(1))[None]
    with torch.no_grad():
        assert (loaded.model(ids, positions)[..., :305] - theirs(ids).logits).abs().max() < 1e-4

    names = [*CONTROLS, "<|more|>"]
    again = settings(model={**model, "extra_tokens": names}, init_from="x", steps=1)
    started = run_stage(again, {**world, "init_from": (folder,)}, tmp_path / "again")
    (untrained,) = (file for file in started["checkpoint"] if file.source == "untrained")
    rows = load_model(untrained.path).model.embedding.word_embeddings.weight
    assert torch.equal(rows[:305], theirs.get_input_embeddings().weight)
    assert torch.allclose(rows[305], rows[:305].mean(0), atol=1e-7)


def test_an_untrained_model_knows_as_much_as_chance(alone: Run) -> None:
    assert losses(alone)[0] == pytest.approx(math.log(384), abs=0.3)
