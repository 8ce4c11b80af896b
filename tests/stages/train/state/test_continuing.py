"""A training that goes on from a checkpoint: its own with more steps, or another's with other settings."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.formats.metrics import read_metrics
from stages.model.checkpoint.reading import weights_digest
from stages.pretrain.config import PretrainConfig
from stages.shared.errors import DataError
from stages.train.run import largest_difference
from stages.train.stability.guard import GuardState
from stages.train.state.continuing import (
    changes,
    is_on_our_way,
    position,
    require_checkpoint,
    same_split,
    scale_ratio,
)
from stages.train.state.progress import Best, Progress
from stages.train.state.same_model import require_same_model
from tests.stages.model.saved import cut
from tests.stages.train.equal import assert_equal, same_files
from tests.stages.train.ranks import CHECKPOINTED, DEEP, TINY, Run, losses, settings, train

ENOUGH = 1e-4
"""Nats a token by which a loss may differ."""
SHORT = {"steps": 20, "checkpoint_every": 20}
SMALL: dict[str, Any] = {"model": TINY["model"] | {"num_layers": 2, "dim": 32}, "warmup_steps": 3}
EXPERTS = {"model": TINY["model"] | {"moe": {"num_experts": 4, "top_k": 2}}}
ZERO2, ZERO3 = ({"engine": "deepspeed", "layout": {"dp": 2, "zero": zero}} for zero in (2, 3))


def work(run: Run) -> Path:
    return Path(run.folder) / "work"


def checkpoint(run: Run, step: int) -> str:
    return str(work(run) / "checkpoints" / f"step-{step:07d}")


def kept(run: Run) -> list[str]:
    return sorted(path.name for path in run.published.iterdir())


def finished(run: Run, name: str, **settings: Any) -> Run:
    """Train a run to its end; like a worker, remove its work folder."""
    other = replace(run, folder=f"{run.folder}-{name}", config=settings)
    assert set(train(other)) == {0}
    shutil.rmtree(work(other))
    return other


def stopped(run: Run, step: int, **settings: Any) -> Run:
    """Train a run up to a step and leave it there."""
    other = replace(run, folder=run.folder + "-before", config=settings)
    assert set(train(replace(other, stop_at=step))) == {CHECKPOINTED}
    return other


def largest(run: Run, other: Run) -> float:
    return max(abs(one - two) for one, two in zip(losses(run), losses(other), strict=True))


def rows(run: Run) -> list[dict[str, Any]]:
    return [*read_metrics(run.out / "metrics.jsonl")]


MEASURED = SMALL | {"heldout_batches": 1, "heldout_every": 5, "checkpoint_keep_every": 8}


@pytest.mark.parametrize("plans", [[12], [12, 18]], ids=["kept", "planned anew"])
def test_more_steps_go_on_from_the_last_with_the_bits_of_an_undisturbed_run(run: Run, plans: list[int]) -> None:
    longer = MEASURED | {"steps": 18, "earlier_steps": [12], "lr_schedule": {"plans": plans}}
    before = finished(run, "before", **MEASURED, steps=12)
    assert kept(before) == ["step-0000008", "step-0000012"]
    whole = finished(run, "whole", **longer)
    after = replace(run, config=longer, kin=(before.folder,))
    assert train(replace(after, die_at=15)) == [-9]
    assert after.checkpoints[-1] == "step-0000012"
    assert train(after) == [0]
    assert rows(after)[:12] == rows(before)
    assert_equal(after, whole)
    assert same_files(after.out / "best", whole.out / "best")
    assert kept(after) == kept(whole)


@pytest.mark.parametrize(
    ("then", "now"),
    [({"shape": "constant"}, {"shape": "constant"}), ({"shape": "constant"}, {"shape": "wsd", "decay_steps": 4})],
    ids=["constant", "a cool-down to come"],
)
def test_a_stable_rate_goes_on_and_cools_down_at_the_new_end(
    run: Run, then: dict[str, Any], now: dict[str, Any]
) -> None:
    before = finished(run, "before", **SMALL, steps=12, lr_schedule=then)
    longer = SMALL | {"steps": 18, "earlier_steps": [12], "lr_schedule": now}
    whole = finished(run, "whole", **longer)
    after = replace(run, config=longer, kin=(before.folder,))
    assert train(replace(after, die_at=1)) == [0]  # step 1 is never done
    assert rows(after)[:12] == rows(before)
    assert_equal(after, whole)


def test_a_half_done_run_goes_on_where_its_later_steps_alone_differ(run: Run) -> None:
    before = stopped(run, 7, **SMALL, steps=12)
    longer = SMALL | {"steps": 18, "earlier_steps": [12], "lr_schedule": {"plans": [12]}, "checkpoint_keep_every": 9}
    after = replace(run, config=longer, kin=(before.folder,))
    assert train(replace(after, die_at=5)) == [0]
    assert rows(after)[:7] == [*read_metrics(work(before) / "metrics.jsonl")][:7]
    other = replace(run, folder=run.folder + "-other", config=longer | {"lr": 1e-3}, kin=(before.folder,))
    assert train(replace(other, die_at=5)) == [-9]  # another rate from the first step on: nothing of it is used


def test_a_checkpoint_that_must_be_published_and_is_gone_is_made_again(run: Run) -> None:
    both = SMALL | {"lr_schedule": {"shape": "constant"}}
    before = finished(run, "before", **both, steps=12)
    longer = both | {"steps": 18, "earlier_steps": [12], "checkpoint_keep_every": 6}
    after = replace(run, config=longer, kin=(before.folder,))
    assert train(replace(after, die_at=3)) == [-9]
    assert train(after) == [0]
    assert kept(after) == ["step-0000006", "step-0000012", "step-0000018"]


def test_the_best_and_the_last_stay_with_everything(run: Run) -> None:
    rising = SMALL | {"steps": 9, "lr": 0.3, "warmup_steps": 9, "heldout_batches": 2, "heldout_every": 3}
    both = finished(run, "both", **rising)
    assert kept(both) == ["step-0000003", "step-0000009"]
    assert weights_digest(both.published / "step-0000003", 300) == weights_digest(both.out / "best", 300)
    last = finished(run, "last", **rising, checkpoint_keep_at_end=["last"])
    assert kept(last) == ["step-0000009"]
    none = finished(run, "none", **rising, checkpoint_keep_at_end=[])
    assert not none.published.exists()


def test_weights_alone_start_a_training_with_another_rate_and_layout_that_survives_kills(run: Run) -> None:
    before = finished(run, "before", **SMALL, steps=6)
    for start in (before.out / "final", before.published / "step-0000006"):
        config = SMALL | {
            **{"steps": 8, "lr": 1e-3, "seed": 7, "layout": {"dp": 2}, "global_batch": 4, "continue_with": "weights"},
            **{"model": SMALL["model"] | {"seq_len": 16}, "checkpoint_every": 3},
        }
        after = replace(run, folder=f"{run.folder}-{start.name}", config=config, continue_from=str(start))
        assert train(replace(after, die_at=5))[1] == -9
        assert train(after) == [0, 0]
        assert weights_digest(after.out / "untrained", 300) == weights_digest(before.out / "final", 300)
        assert [(row["step"], row["tokens"]) for row in rows(after)] == [(step, step * 64) for step in range(1, 9)]
        assert losses(after)[0] < losses(before)[0] - 0.2


def test_everything_goes_on_with_another_batch_rate_and_engine(run: Run) -> None:
    before = finished(run, "before", **SMALL, steps=6)
    config = SMALL | {"steps": 10, "lr": 1e-3, "global_batch": 4, **ZERO2}
    after = replace(run, config=config, continue_from=str(before.published / "step-0000006"))
    assert train(after) == [0, 0]
    found = rows(after)
    assert [row["step"] for row in found] == [7, 8, 9, 10]
    assert [row["tokens"] for row in found] == [6 * 8 * 32 + count * 4 * 32 for count in (1, 2, 3, 4)]
    assert found[0]["loss"] < losses(before)[-1] + 0.2


def test_saved_at_tp2_pp2_it_goes_on_at_dp2_and_survives_kills_there(run: Run, undisturbed: Run, capsys: Any) -> None:
    other = stopped(run, 20, layout={"tp": 2, "pp": 2})
    pair = replace(run, config={"layout": {"dp": 2}}, continue_from=checkpoint(other, 20))
    whole = replace(pair, folder=run.folder + "-whole")
    assert train(whole) == [0, 0]
    found = largest(whole, undisturbed)
    with capsys.disabled():
        print(f"\nsaved at tp 2 pp 2, continued at dp 2: largest difference of 50 losses {found:.1e}")
    assert found < ENOUGH
    assert train(replace(pair, die_at=24))[1] == -9  # before its first checkpoint after the one that it was given
    assert pair.checkpoints == ["step-0000020"]
    shutil.rmtree(work(other) / "checkpoints" / "step-0000020" / "rng-00000.json", ignore_errors=True)
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
    after_it = replace(run, config=SHORT | both | after, continue_from=checkpoint(other, 10))
    assert set(train(after_it)) == {0}
    undisturbed = replace(other, folder=run.folder + "-whole")
    assert set(train(undisturbed)) == {0}
    assert largest(after_it, undisturbed) < 1e-5
    assert [(row["step"], row["tokens"]) for row in rows(after_it)] == [
        (row["step"], row["tokens"]) for row in rows(undisturbed)
    ]


def test_in_the_same_layout_it_ends_with_the_same_bits(run: Run) -> None:
    pair = {**SHORT, "layout": {"dp": 2}, "dtype": "bf16"}
    other = stopped(run, 10, **pair)
    after = replace(run, config=pair, continue_from=checkpoint(other, 10))
    assert {*train(after), *train(other)} == {0}
    assert largest(after, other) == 0
    assert weights_digest(after.out / "final", 300) == weights_digest(other.out / "final", 300)


def test_metrics_that_are_not_there_are_not_missed_and_a_damaged_checkpoint_is_an_error(run: Run) -> None:
    other = stopped(run, 19, **SHORT | {"checkpoint_every": 9})
    alone = Path(run.folder + "-alone") / "a" / "b"
    shutil.copytree(work(other) / "checkpoints", alone)
    after = replace(run, config=SHORT, continue_from=str(alone / "step-0000019"))
    assert train(after) == [0]
    assert [row["step"] for row in rows(after)] == [20]
    assert train(other) == [0]
    assert largest_difference(after.out / "metrics.jsonl", other.out / "metrics.jsonl", 1e-9) == 0
    cut(alone / "step-0000018" / "__0_0.distcp")
    damaged = replace(after, folder=run.folder + "-none", continue_from=str(alone / "step-0000018"))
    assert train(damaged) == [DataError.exit_code]
    assert "incomplete or damaged checkpoint" in Path(damaged.folder, "error-0.txt").read_text("utf-8")


def test_weights_alone_are_no_checkpoint_with_everything(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "state.json").touch()
    with pytest.raises(
        DataError, match=r"best: holds weights alone\. Name a folder step-\.\.\., or set continue_with to"
    ):
        require_checkpoint(tmp_path / "best")
    with pytest.raises(DataError, match=r"step-0000004: is no checkpoint of a training"):
        require_checkpoint(tmp_path / "step-0000004")


def state(config: PretrainConfig, **changes: Any) -> dict[str, Any]:
    identity = config.model_dump(mode="json", include={*config.weights_depend_on(), "heldout_every"})
    return {
        **{"step": 10, "identity": {"stage": "pretrain", "version": config.version, **identity}},
        **{"sources": {"a": [1]}, "start": "", "dtype": config.dtype},
        **{"model": config.model.model_dump(mode="json"), "vocab_size": 300, "tokenizer_sha256": "x"},
        **changes,
    }


def config(**changes: Any) -> PretrainConfig:
    return settings(Run("", "", changes))


def on_our_way(then: dict[str, Any], now: PretrainConfig, **changes: Any) -> bool:
    return is_on_our_way(then, state(now, **changes), now)


def test_a_checkpoint_is_on_our_way_where_it_has_our_bytes() -> None:
    constant = config(lr_schedule={"shape": "constant"})
    longer = config(lr_schedule={"shape": "constant"}, steps=90, earlier_steps=[50])
    assert on_our_way(state(constant), longer)
    assert on_our_way(state(config()), config(steps=90, earlier_steps=[50], lr_schedule={"plans": [50]}))
    assert on_our_way(state(config()), config(steps=90, earlier_steps=[50], lr_schedule={"plans": [50, 90]}))
    assert not on_our_way(state(config(), step=4), config(steps=90))  # the order of the data is another one
    assert not on_our_way(state(longer, step=60), constant)
    for name, value in (("seed", 2), ("layout", {"dp": 2}), ("global_batch", 16), ("z_loss", 0.1)):
        assert not on_our_way(state(constant), config(lr_schedule={"shape": "constant"}, **{name: value}))
    for name in ("sources", "start", "vocab_size", "tokenizer_sha256"):
        assert not on_our_way(state(constant), constant, **{name: "other"})
    measured = {"heldout_batches": 1, "lr_schedule": {"shape": "constant"}}
    assert not on_our_way(state(config(**measured, heldout_every=5)), config(**measured, heldout_every=4))
    assert not on_our_way(state(constant) | {"identity": state(constant)["identity"] | {"version": 1}}, constant)


def test_another_model_is_refused_with_both_values() -> None:
    def refusal(then: dict[str, Any], ours: PretrainConfig, **changes: Any) -> str:
        with pytest.raises(DataError) as caught:
            require_same_model(Path("there"), then, state(ours, **changes), ours)
        return str(caught.value)

    ours = config(layout={"tp": 2, "pp": 2}, microbatch=4, lr=1e-5, model=TINY["model"] | {"seq_len": 64})
    require_same_model(Path("there"), state(config()), state(ours), ours)
    assert refusal(state(config()), config(dtype="bf16", model=TINY["model"] | {"ffn_dim": 64})) == (
        "there: a checkpoint of another model: dtype is 'fp32' there, 'bf16' here; "
        "model.ffn_dim is 128 there, 64 here. Set what it has, or continue_with weights"
    )
    assert "tokenizer_sha256 is 'x' there, 'y' here" in refusal(state(config()), config(), tokenizer_sha256="y")
    heads = {"model": TINY["model"] | {"num_heads": 5, "num_kv_heads": 5, "dim": 160, "ffn_dim": 160}}
    said = refusal(state(config(**heads)), config(**heads, layout={"tp": 5}))
    assert said == "there: has 384 rows of the vocabulary, layout.tp 5 640. Choose a layout.tp that divides 384"


def test_what_differs_is_listed() -> None:
    found = changes(state(config()), state(config(lr=1e-3, layout={"dp": 2}), sources={"b": [1]}))
    assert found == ["layout.dp 1 -> 2", "lr 0.002 -> 0.001", "other data: a", "other data: b"]


def test_the_data_go_on_where_their_order_is_the_same_and_begin_anew_elsewhere() -> None:
    done = Progress(step=10, tokens=2560, best=Best(step=5, loss=2.0), guard=GuardState(losses=(2.0,)))

    def ours(now: PretrainConfig, **changes: Any) -> Progress:
        return position(state(config()), state(now, **changes), done, now)

    assert ours(config(lr=1e-3, layout={"dp": 2})) == done
    half = ours(config(global_batch=4))
    assert half.feed == {"step": 10, "sequences": 80, "planned": 400}
    assert (half.guard, half.best) == (GuardState(), done.best)
    for now, changed in ((config(), {"sources": {"b": [1]}}), (config(seed=2), {}), (config(mixture={"a": 1}), {})):
        anew = ours(now, **changed)
        assert anew == Progress(step=10, tokens=2560, feed={"step": 10, "sequences": 0, "planned": 0})
    again = position(state(config()), state(config()), half, config(global_batch=4))  # continued once more
    assert again.feed["sequences"] == 80


def test_a_ranks_generators_are_its_own_only_where_it_does_the_same() -> None:
    assert same_split(state(config()), state(config(threads=2, microbatch=4)))
    assert not same_split(state(config()), state(config(layout={"dp": 2})))


def test_fp16s_scale_follows_the_microbatch() -> None:
    assert scale_ratio(state(config(microbatch=2)), config(microbatch=8)) == 0.25
    assert scale_ratio(state(config()), config()) == 1.0
