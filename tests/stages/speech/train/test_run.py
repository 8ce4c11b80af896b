"""From sounds and chats to a model that hears: through the harness, and on real ranks."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.chats.encode import EXAMPLES
from stages.chats.encoded import COUNTS, REJECTS
from stages.formats.chat.chats import Chat, Message, Part, text_message, write_chats
from stages.formats.chat.pictured import PicturedRows
from stages.formats.sounds.collections import Sounds, SoundsWriter
from stages.model.checkpoint.load import load_model
from stages.shared.contract import InputFile
from stages.shared.files import read_json
from tests.stages.chats.rows import packed_rows
from tests.stages.harness import run_unit, unit_folder
from tests.stages.speech.train.world import SETTINGS, about, settings, sound
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import CHECKPOINTED, Run, losses, train

World = Mapping[str, tuple[InputFile, ...]]
HELD: dict[str, Any] = {"heldout": 0.2, "heldout_batches": 1, "heldout_every": 4}
JOIN_ALONE: dict[str, Any] = {"train": ["join"], "features": "cached", "lr": 1e-2}
SOUND_ID = 305


def test_sounds_take_planned_positions_and_what_cannot_be_heard_is_counted(heard: World, tmp_path: Path) -> None:
    with Sounds(heard["sounds"][0].path) as kept:
        one, other = (kept.rows["key"][place].decode() for place in (0, 1))
    short, long = sound(300.0, (100, 16_000), 1), sound(300.0, (80_000, 16_000), 2)
    with SoundsWriter(tmp_path / "more") as writer:
        writer.add(short)
        writer.add(long)
    parts = (Part("text", "a "), Part("audio", key=one), Part("text", " b "), Part("audio", key=other))
    asked = [
        (Message("user", parts), text_message("assistant", "yes")),
        about(short.key, answer="no"),
        about(long.key, answer="no"),
        about("0" * 32, answer="no"),
        (text_message("user", "is <audio> a word?"), text_message("assistant", "no")),
    ]
    write_chats(tmp_path / "chats.jsonl", (Chat(id=str(number), messages=each) for number, each in enumerate(asked)))
    sounds = (*heard["sounds"], InputFile(tmp_path / "more", ""))
    inputs = {**heard, "chats": (InputFile(tmp_path / "chats.jsonl", "chats"),), "sounds": sounds}
    config = settings(max_missing=0.5)
    run_unit(config, config.plan(inputs).steps[0], 0, inputs, tmp_path)
    folder = unit_folder(tmp_path, "encode", 0)
    rows = PicturedRows(folder / EXAMPLES)
    mixed, typed = (rows.example(number) for number in range(len(rows.lengths)))
    # 2,400 samples: 15 frames, 8, 4 features, 2 positions. 2,200 samples of 8 kHz: 27 frames, 14, 7, 4.
    assert [(each.positions, each.key) for each in mixed.pictures] == [(2, one), (4, other)]
    places = np.flatnonzero(mixed.tokens == SOUND_ID)
    assert len(places) == 6
    assert not mixed.is_learned[places].any()
    assert not (typed.tokens == SOUND_ID).any()
    counts = read_json(folder / COUNTS)["counts"]
    assert counts == {"no_positions": 1, "no_sound": 1, "too_long": 1}
    assert {each["reason"] for each in read_json(folder / REJECTS)} == set(counts)


@pytest.fixture(scope="module")
def rows(heard: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of packed rows, with the tokenizer."""
    return packed_rows(settings(**HELD), heard, tmp_path_factory.mktemp("rows"))


def training(folder: Path, rows: str, **changes: Any) -> Run:
    steps = {"steps": 8, "checkpoint_every": 3}
    return Run(str(folder), rows, {**SETTINGS, **HELD, **steps, "sounds": "unused", **changes}, "speech.train")


@pytest.fixture(scope="module")
def alone(rows: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of all parts on one rank that nothing happened to."""
    run = training(tmp_path_factory.mktemp("alone"), rows)
    assert train(run) == [0]
    return run


def from_there(alone: Run, folder: Path, rows: str, **changes: Any) -> Run:
    """Return a training that starts from the weights of `alone`."""
    run = training(folder, rows, continue_from="x", continue_with="weights", **changes)
    return replace(run, continue_from=str(alone.out / "final"))


def test_losses_are_those_of_a_single_process_in_a_layout_of_all_kinds(rows: str, alone: Run, tmp_path: Path) -> None:
    run = training(tmp_path, rows, layout={"tp": 2, "pp": 2, "dp": 2})
    assert set(train(run)) == {0}
    assert losses(run) == pytest.approx(losses(alone), abs=1e-4)
    assert losses(run)[-1] < losses(run)[0] - 0.5


def test_killed_at_random_places_the_join_alone_ends_with_the_bytes_of_an_undisturbed_run(
    rows: str, alone: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    with capsys.disabled():
        print(f"\nseed {seed}")
    draw = random.Random(seed)
    whole, killed = (
        from_there(alone, tmp_path / name, rows, **JOIN_ALONE, steps=12, checkpoint_every=2)  # type: ignore[arg-type]
        for name in ("whole", "killed")
    )
    for _ in range(3):
        saved = int(killed.checkpoints[-1].removeprefix("step-")) if killed.checkpoints else 0
        places = {"die_at": saved + draw.randint(1, 3)}, {"die_in": draw.choice(("write", "commit", "mark"))}
        assert train(replace(killed, **draw.choice(places))) == [-9]
    assert train(killed) == [0]
    assert train(whole) == [0]
    assert_equal(killed, whole)
    before, after = (dict(load_model(run.out / "final").model.named_parameters()) for run in (alone, whole))
    for name, weight in after.items():
        assert name.startswith("join.") != torch.equal(weight, before[name]), name


def test_stopped_on_two_ranks_it_goes_on_with_the_same_samples_on_one(rows: str, alone: Run, tmp_path: Path) -> None:
    stopped = training(tmp_path / "stopped", rows, layout={"dp": 2})
    assert train(replace(stopped, stop_at=5)) == [CHECKPOINTED] * 2
    state = Path(stopped.folder) / "work" / "checkpoints" / stopped.checkpoints[-1]
    going_on = training(tmp_path / "going_on", rows, continue_from="x")
    assert train(replace(going_on, continue_from=str(state))) == [0]
    assert losses(going_on)[-3:] == pytest.approx(losses(alone)[5:], abs=1e-4)
