"""From pictures and chats to a model that sees: through the harness, and on real ranks."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemReader

from stages.formats.chat.pictured import PicturedRows
from stages.model.checkpoint.copying import copy_part
from stages.model.checkpoint.load import build_for_reading, load_model
from stages.model.decoder import initialise
from stages.pictures.album import Album
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.chats.rows import packed_rows
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import CHECKPOINTED, Run, losses, train
from tests.stages.vision.train.world import SETTINGS, settings

World = Mapping[str, tuple[InputFile, ...]]
HELD: dict[str, Any] = {"heldout": 0.2, "heldout_batches": 1, "heldout_every": 4}
JOIN_ALONE: dict[str, Any] = {"train": ["join"], "features": "cached", "lr": 1e-2}
ADAPTED: dict[str, Any] = {
    "train": ["join", "decoder"],
    "model": {**SETTINGS["model"], "lora": {"rank": 4, "alpha": 16}},
    "lr": 1e-2,
}


@pytest.fixture(scope="module")
def rows(seen: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of packed rows, with the tokenizer."""
    return packed_rows(settings(**HELD), seen, tmp_path_factory.mktemp("rows"))


def training(folder: Path, rows: str, **changes: Any) -> Run:
    steps = {"steps": 8, "checkpoint_every": 3}
    return Run(str(folder), rows, {**SETTINGS, **HELD, **steps, "pictures": "unused", **changes}, "vision.train")


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


@pytest.mark.parametrize(
    "changes",
    [{"layout": {"tp": 2, "pp": 2, "dp": 2}}, {"layout": {"tp": 2, "sp": True, "recompute": "full"}, "microbatch": 4}],
    ids=str,
)
def test_losses_are_those_of_a_single_process_in_any_layout(
    changes: dict[str, Any], rows: str, alone: Run, tmp_path: Path
) -> None:
    run = training(tmp_path, rows, **changes)
    assert set(train(run)) == {0}
    assert losses(run) == pytest.approx(losses(alone), abs=1e-4)
    assert losses(run)[-1] < losses(run)[0] - 0.5


@pytest.mark.parametrize(
    ("stage", "layout"),
    [(JOIN_ALONE, {"tp": 2, "pp": 2, "dp": 2}), (ADAPTED, {"tp": 2, "sp": True, "recompute": "full"})],
    ids=["join", "adapters"],
)
def test_named_parts_alone_are_trained_in_any_layout(
    stage: dict[str, Any], layout: dict[str, Any], rows: str, alone: Run, tmp_path: Path
) -> None:
    single = from_there(alone, tmp_path / "single", rows, **stage)
    assert train(single) == [0]
    before, after = (dict(load_model(run.out / "final").model.named_parameters()) for run in (alone, single))
    trained = ("join.", *(("adapter_",) if stage is ADAPTED else ()))
    for name, weight in after.items():
        is_trained = any(part in name for part in trained)
        assert is_trained == (name not in before or not torch.equal(weight, before[name])), name
    stored = FileSystemReader(Path(single.folder) / "work" / "checkpoints" / single.checkpoints[-1])
    kept = [name for name in stored.read_metadata().state_dict_metadata if name.startswith("optimizer.state.exp_avg.")]
    assert kept
    assert all(any(part in name for part in trained) for name in kept)
    split = from_there(alone, tmp_path / "split", rows, **stage, layout=layout)
    assert set(train(split)) == {0}
    assert losses(split) == pytest.approx(losses(single), abs=1e-4)


def test_killed_ten_times_at_random_places_it_ends_with_the_bytes_of_an_undisturbed_run(
    rows: str, alone: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    with capsys.disabled():
        print(f"\nseed {seed}")
    draw = random.Random(seed)
    whole, killed = (
        from_there(alone, tmp_path / name, rows, **JOIN_ALONE, steps=30, checkpoint_every=2)  # type: ignore[arg-type]
        for name in ("whole", "killed")
    )
    for _ in range(10):  # in a step of the next three, or in a part of the next checkpoint
        saved = int(killed.checkpoints[-1].removeprefix("step-")) if killed.checkpoints else 0
        places = {"die_at": saved + draw.randint(1, 3)}, {"die_in": draw.choice(("write", "commit", "mark"))}
        assert train(replace(killed, **draw.choice(places))) == [-9]
    assert train(killed) == [0]
    assert train(whole) == [0]
    assert_equal(killed, whole)


def test_stopped_on_two_ranks_it_goes_on_with_the_same_samples_on_one(rows: str, alone: Run, tmp_path: Path) -> None:
    stopped = training(tmp_path / "stopped", rows, layout={"dp": 2})
    assert train(replace(stopped, stop_at=5)) == [CHECKPOINTED] * 2
    state = Path(stopped.folder) / "work" / "checkpoints" / stopped.checkpoints[-1]
    going_on = training(tmp_path / "going_on", rows, continue_from="x")
    assert train(replace(going_on, continue_from=str(state))) == [0]
    assert losses(going_on)[-3:] == pytest.approx(losses(alone)[5:], abs=1e-4)


def test_the_join_of_a_checkpoint_is_taken_whole_and_another_kind_is_refused(alone: Run) -> None:
    there, config = load_model(alone.out / "final"), settings().model
    model = build_for_reading(config, there.vocab_size, torch.float32)
    initialise(model, config, seed=9)
    copy_part(model, "join", alone.out / "final", config)
    theirs, ours = (dict(each.named_parameters()) for each in (there.model, model))
    for name in ours:
        is_taken = name.startswith("join.")
        assert torch.equal(ours[name], theirs[name]) or not is_taken
    assert not torch.equal(ours["encoder.positions"], theirs["encoder.positions"])
    linear = settings(model={"eyes": {**SETTINGS["model"]["eyes"], "join": {"kind": "linear"}}}).model
    with pytest.raises(DataError, match="has another join"):
        copy_part(model, "join", alone.out / "final", linear)


def test_pictures_of_any_resolution_are_planned_trained_and_looked_at_alike(seen: World, tmp_path: Path) -> None:
    eyes = {**SETTINGS["model"]["eyes"], "any_resolution": "llava"}
    model = {"model": {**SETTINGS["model"], "eyes": eyes, "seq_len": 128}}
    packed = packed_rows(settings(**HELD, **model), seen, tmp_path / "encoded")
    run = training(tmp_path / "run", packed, **model)
    assert train(run) == [0]
    assert losses(run)[-1] < losses(run)[0]
    before, after = (load_model(run.out / name) for name in ("untrained", "final"))
    assert not torch.equal(before.model.join.newline, after.model.join.newline)
    album = Album([seen["pictures"][0].path])
    places = np.concatenate([PicturedRows(path).places for path in Path(packed).glob("rows-*.bin")])
    assert len({*places["positions"].tolist()}) == 3, "one count for each size of the pictures"
    assert after.sense is not None
    for place in places[:6]:
        key = place["key"].decode()
        rows_SD = after.sense.rows(after.sense.cut(album.load(key)))
        assert len(rows_SD) == place["positions"]
        ends = (rows_SD == after.model.join.newline).all(1).sum()
        assert ends == after.config.eyes.scheme.layout(album.size(key)).kept[0]  # type: ignore[union-attr]
