"""The planner's memory of several models against what torch reports, and its operations against torch's count."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from stages.model.checkpoint.measured import write_measured
from stages.model.checkpoint.settings import RewardScale
from stages.train.planner.memory import device_memory
from stages.train.planner.phases import phase_operations
from tests.stages.align.sft.world import CONTROLS
from tests.stages.train.planner.allocated import peaks
from tests.stages.train.ranks import Run, finish, make_task, settings, start, train

PIECES = 300
"""Of the tests' tokenizer."""
MODEL = {"num_layers": 4, "dim": 256, "num_heads": 8, "num_kv_heads": 4, "ffn_dim": 768, "seq_len": 64}
POLICY = {**MODEL, "extra_tokens": [*CONTROLS, "<|score|>"], "init_std": 0.05}
SETTINGS: dict[str, Any] = {
    **{"model": POLICY, "steps": 4, "global_batch": 4, "microbatch": 2, "warmup_steps": 1, "tensorboard": False},
    **{"prompts_per_round": 8, "max_new_tokens": 8, "rollout_batch": 4},
}
RANKED: dict[str, Any] = {
    "model": {**POLICY, "seq_len": 256},
    **{"steps": 4, "global_batch": 4, "microbatch": 2, "warmup_steps": 1, "epochs": 100.0, "tensorboard": False},
}
"""For rows of ranked responses."""


@pytest.fixture(scope="module")
def starts(prompts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A policy, and a reward model with a scale."""
    folder = tmp_path_factory.mktemp("starts")
    run = Run(str(folder), str(prompts), {**SETTINGS, "rule": str(prompts / "rule.json"), "steps": 2}, "align.ppo")
    assert train(run) == [0]
    write_measured(run.out / "final-value", folder / "reward", RewardScale(shift=0.0))
    return {"policy": str(run.out / "final"), "reward": str(folder / "reward")}


def require_as_planned(run: Run, least: float = 0.95) -> None:
    """Compare the peak of a run's fullest rank with the plan.

    The plan is of rows as long as the model's. A round's are cut behind their responses, which may take less.
    """
    config = settings(run)
    planned = device_memory(config.workload(PIECES), config.planned_layout, on_gpu=False)
    measured = max(peaks(run))
    shown = {name: round(size / 1e6, 2) for name, size in {**planned.models, **planned.phases}.items()}
    print(f"measured {measured / 1e6:.1f} MB, planned {planned.allocated / 1e6:.1f}: {shown}")
    assert least * planned.allocated <= measured <= 1.05 * planned.allocated


def test_the_memory_of_four_models_is_what_torch_reports(starts: dict[str, str], prompts: Path, tmp_path: Path) -> None:
    with_text = {**SETTINGS, **starts, "ptx": {"batch": 4}, "tokens": "x"}
    require_as_planned(Run(str(tmp_path), str(prompts), with_text, "align.ppo"))


def test_models_are_split_by_tensor_parallelism_and_groups_need_no_value_network(prompts: Path, tmp_path: Path) -> None:
    grouped = {"advantages": "group", "samples": 2, "prompts_per_round": 4, "rule": str(prompts / "rule.json")}
    split = {"layout": {"tp": 2}, "dtype": "bf16"}
    require_as_planned(Run(str(tmp_path), str(prompts), {**SETTINGS, **grouped, **split}, "align.ppo"), least=0.9)


def test_a_reference_beside_the_policy_and_a_scalar_head_are_counted(
    starts: dict[str, str], rows: str, tmp_path: Path
) -> None:
    run = Run(str(tmp_path / "dpo"), rows, RANKED, "align.dpo", continue_from=starts["policy"])
    require_as_planned(run)
    scalar = {**RANKED, "model": {**RANKED["model"], "head": "scalar"}}
    require_as_planned(
        replace(run, folder=str(tmp_path / "reward"), config=scalar, stage="align.reward", continue_from="")
    )


def _count(run: Run, rank: int) -> None:
    """Be a rank that counts the operations of a training, by the model that reads and for all updates together."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    from stages.train.models import Models  # noqa: PLC0415

    found: Counter[str] = Counter()

    def counted(method: str, name: Any) -> None:
        plain = getattr(Models, method)

        def counting(*given: Any, **named: Any) -> Any:
            with FlopCounterMode(display=False) as counter:
                made = plain(*given, **named)
            found[name(given)] += counter.get_total_flops()
            return made

        setattr(Models, method, counting)

    counted("annotate", lambda given: f"{given[1]} forward")
    counted("accumulate", lambda given: "updates")
    task = make_task(run, rank)
    module, _, function = task.config.run.partition(":")
    getattr(import_module(module), function)(task)
    (Path(run.folder) / "operations.json").write_text(json.dumps(found), "utf-8")


def operations(run: Run) -> tuple[dict[str, int], dict[str, float]]:
    """Return the counted operations, and those of the plan without attention's, of which torch counts none on a CPU."""
    assert finish(start(run, _count)) == [0]
    config = settings(run)
    bare = config.workload(PIECES)
    planned = {name: config.steps * number for name, number in phase_operations(bare).items()}
    attention = config.steps * bare.tokens * bare.shape.attention_operations
    for name in planned:
        rows = (bare.global_batch + bare.text) / bare.global_batch if name == "policy update" else 1
        if name != "sampling":
            planned[name] -= attention * rows * (1 if name.endswith("forward") else 3)
    return json.loads((Path(run.folder) / "operations.json").read_text("utf-8")), planned


def test_operations_of_whole_rows_are_those_that_torch_counts(rows: str, tmp_path: Path) -> None:
    scalar = {**RANKED, "model": {**RANKED["model"], "head": "scalar"}, "steps": 2}
    found, planned = operations(Run(str(tmp_path), rows, scalar, "align.reward"))
    assert found["updates"] == planned["update"]


def test_operations_of_rounds_are_a_bound_for_the_longest_prompts_and_responses(
    starts: dict[str, str], prompts: Path, tmp_path: Path
) -> None:
    changes = {"steps": 2, "ptx": {"batch": 2}, "tokens": "x", "ema": None}
    found, planned = operations(Run(str(tmp_path), str(prompts), {**SETTINGS, **starts, **changes}, "align.ppo"))
    for name in ("reward", "reference", "policy", "value"):
        assert 0.2 * planned[f"{name} forward"] < found[f"{name} forward"] <= planned[f"{name} forward"]
    updates = planned["policy update"] + planned["value update"]
    assert 0.2 * updates < found["updates"] <= updates
