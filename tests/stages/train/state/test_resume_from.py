"""A run that goes on from another's checkpoint, in another layout."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.formats.metrics import read_metrics
from stages.pretrain.config import PretrainConfig
from stages.shared.errors import DataError
from stages.train.run import largest_difference
from stages.train.state.resume_from import checkpoints_among, require_same_training, same_split, scale_ratio
from tests.stages.model.saved import cut
from tests.stages.train.equal import assert_equal
from tests.stages.train.ranks import CHECKPOINTED, DEEP, TINY, Run, losses, settings, train

ENOUGH = 1e-4
"""Nats a token by which a loss may differ."""
SHORT = {"steps": 20, "checkpoint_every": 20}
EXPERTS = {"model": TINY["model"] | {"moe": {"num_experts": 4, "top_k": 2}}}
ZERO2, ZERO3 = ({"engine": "deepspeed", "layout": {"dp": 2, "zero": zero}} for zero in (2, 3))


def work(run: Run) -> Path:
    return Path(run.folder) / "work"


def stopped(run: Run, step: int, **settings: Any) -> Run:
    """Train a run up to a step and leave it there."""
    other = replace(run, folder=run.folder + "-before", config=settings)
    assert set(train(replace(other, stop_at=step))) == {CHECKPOINTED}
    return other


def continuing(run: Run, other: Run, **settings: Any) -> Run:
    return replace(run, resume_from=(str(work(other) / "checkpoints"),), config=settings)


def largest(run: Run, other: Run) -> float:
    return max(abs(one - two) for one, two in zip(losses(run), losses(other), strict=True))


def test_saved_at_tp2_pp2_it_goes_on_at_dp2_and_survives_kills_there(run: Run, undisturbed: Run, capsys: Any) -> None:
    other = stopped(run, 20, layout={"tp": 2, "pp": 2})
    pair = continuing(run, other, layout={"dp": 2})
    whole = replace(pair, folder=run.folder + "-whole")
    assert train(whole) == [0, 0]
    found = largest(whole, undisturbed)
    with capsys.disabled():
        print(f"\nsaved at tp 2 pp 2, continued at dp 2: largest difference of 50 losses {found:.1e}")
    assert found < ENOUGH
    assert train(replace(pair, die_at=24))[1] == -9  # before its first checkpoint after the one that it was given
    assert pair.checkpoints == ["step-0000020"]
    shutil.rmtree(other.folder)
    assert train(replace(pair, die_at=33))[1] == -9
    assert train(pair) == [0, 0]
    assert_equal(pair, whole)


@pytest.mark.parametrize(
    ("before", "after", "both"),
    [
        ({"layout": {"dp": 2}}, {"microbatch": 4}, {}),
        ({"layout": {"dp": 2, "ep": 2}}, {}, EXPERTS),
        ({"layout": {"tp": 2, "sp": True}}, ZERO3, {}),
        (ZERO2, {"layout": {"pp": 2, "interleave": 2}}, {"model": DEEP}),
    ],
    ids=["dp 2 to dp 1", "ep 2 to ep 1", "megatron to deepspeed", "deepspeed to megatron"],
)
def test_any_layout_and_engine_goes_on_from_any_other(
    run: Run, before: dict[str, Any], after: dict[str, Any], both: dict[str, Any]
) -> None:
    other = stopped(run, 10, **SHORT, **both, **before)
    after_it = continuing(run, other, **SHORT, **both, **after)
    assert set(train(after_it)) == {0}
    undisturbed = replace(other, folder=run.folder + "-whole")
    assert set(train(undisturbed)) == {0}
    assert largest(after_it, undisturbed) < 1e-5
    rows, whole = (read_metrics(each.out / "metrics.jsonl") for each in (after_it, undisturbed))
    assert [(row["step"], row["tokens"]) for row in rows] == [(row["step"], row["tokens"]) for row in whole]


def test_in_the_same_layout_it_ends_with_the_same_bits(run: Run) -> None:
    pair = {**SHORT, "layout": {"dp": 2}, "dtype": "bf16"}
    other = stopped(run, 10, **pair)
    after = continuing(run, other, **pair)
    assert {*train(after), *train(other)} == {0}
    assert_equal(after, other)


def test_a_damaged_one_is_passed_over_and_metrics_that_are_not_there_are_not_missed(run: Run, corpus: str) -> None:
    other = stopped(run, 19, **SHORT | {"checkpoint_every": 9})
    cut(work(other) / "checkpoints" / "step-0000019" / "__0_0.distcp")
    alone = Path(run.folder + "-alone") / "a" / "b"
    shutil.copytree(work(other) / "checkpoints", alone)
    after = replace(run, resume_from=(str(alone),), config=SHORT)
    assert train(after) == [0]
    assert [row["step"] for row in read_metrics(after.out / "metrics.jsonl")] == [19, 20]
    assert train(other) == [0]
    assert largest_difference(after.out / "metrics.jsonl", other.out / "metrics.jsonl", 1e-9) == 0
    assert train(replace(run, folder=run.folder + "-none", resume_from=(corpus,))) == [DataError.exit_code]
    said = Path(run.folder + "-none/error-0.txt").read_text("utf-8")
    assert said.endswith(
        "Name a folder step-..., which checkpoint_keep_every publishes, or a run's work/.../checkpoints"
    )


def test_where_nothing_is_sound_the_run_says_so(run: Run) -> None:
    other = stopped(run, 3, **SHORT)
    folder = work(other) / "checkpoints" / "step-0000003"
    (folder / "complete.json").unlink()
    assert train(replace(run, resume_from=(str(folder),), config=SHORT)) == [DataError.exit_code]
    said = Path(run.folder, "error-0.txt").read_text("utf-8")
    assert said == f"{folder}: no checkpoint in it is sound. Name another checkpoint, or train without resume_from"


def test_a_path_is_a_checkpoint_or_holds_some(tmp_path: Path) -> None:
    for name in ("step-0000020", "step-0000003", ".step-0000021.tmp", "step-by-step"):
        (tmp_path / name).mkdir()
    assert [path.name for path in checkpoints_among([tmp_path])] == ["step-0000003", "step-0000020"]
    assert checkpoints_among([tmp_path / "step-0000003"]) == [tmp_path / "step-0000003"]
    with pytest.raises(DataError, match=r"nowhere: holds no checkpoint \(step-\.\.\.\) of a training\. Name a folder"):
        checkpoints_among([tmp_path / "nowhere"])
    with pytest.raises(DataError, match=r"step-0000004: holds no checkpoint"):
        checkpoints_among([tmp_path / "step-0000004"])
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "state.json").touch()
    with pytest.raises(DataError, match="best: holds weights alone, without the state that training continues from"):
        checkpoints_among([tmp_path / "best"])


def state(config: PretrainConfig, **changes: Any) -> dict[str, Any]:
    identity = config.model_dump(mode="json", include=set(config.weights_depend_on()))
    return {
        **{"step": 10, "identity": {"stage": "pretrain", **identity}, "sources": {"a": [1]}},
        **{"model": config.model.model_dump(mode="json"), "vocab_size": 300, "tokenizer_sha256": "x"},
        **changes,
    }


def config(**changes: Any) -> PretrainConfig:
    return settings(Run("", "", changes))


def refusal(then: dict[str, Any], ours: PretrainConfig, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        require_same_training(Path("there"), then, state(ours, **changes), ours)
    return str(caught.value)


def test_how_the_work_is_split_may_differ_and_nothing_else() -> None:
    ours = config(layout={"tp": 2, "pp": 2, "recompute": "full"}, microbatch=4, threads=3)
    require_same_training(Path("there"), state(config()), state(ours), ours)
    assert refusal(state(config()), config(lr=1e-3, optimizer={"eps": 1e-6}, microbatch=4)) == (
        "there: a checkpoint of another training: lr is 0.002 there, 0.001 here; "
        "optimizer.eps is 1e-08 there, 1e-06 here. "
        "Set what it has; only layout, microbatch, threads and engine may differ"
    )
    assert "tokenizer_sha256 is 'x' there, 'y' here" in refusal(state(config()), config(), tokenizer_sha256="y")
    ramp = {"start": 2, "increment": 2, "sequences": 9}
    assert "ramp.increment is None there, 2 here" in refusal(state(config()), config(ramp=ramp))


def test_other_data_is_refused() -> None:
    assert refusal(state(config()), config(), sources={"a": [2], "b": []}) == (
        "there: a checkpoint of a run on other data: a, b. Put the data back, or give this run its own folder"
    )


def test_a_training_that_is_over_has_nothing_to_go_on_with() -> None:
    assert "has all 50 steps: none is left to train" in refusal(state(config(), step=50), config())


def test_a_vocabulary_padded_to_other_rows_is_refused() -> None:
    heads = {"model": TINY["model"] | {"num_heads": 5, "num_kv_heads": 5, "dim": 160, "ffn_dim": 160}}
    said = refusal(state(config(**heads)), config(**heads, layout={"tp": 5}))
    assert said == "there: has 384 rows of the vocabulary, layout.tp 5 640. Choose a layout.tp that divides 384"


def test_a_ranks_generators_are_its_own_only_where_it_does_the_same() -> None:
    assert same_split(state(config()), state(config(threads=2, microbatch=4)))
    assert not same_split(state(config()), state(config(layout={"dp": 2})))


def test_fp16s_scale_follows_the_microbatch() -> None:
    assert scale_ratio(state(config(microbatch=2)), config(microbatch=8)) == 0.25
    assert scale_ratio(state(config()), config()) == 1.0
