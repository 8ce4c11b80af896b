"""Costs of cells: what makes one dearer, what is learned, and that nothing of it is part of an identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.config import EvaluateConfig
from stages.evaluate.cost import START_SECONDS, Requests, learned
from stages.formats.benchmarks.layout import INFO
from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.shared.contract import InputFile
from stages.shared.files import write_json
from stages.shared.machine import Gpu, Machine

SMALL = ModelConfig(num_layers=2, dim=64, num_heads=4, seq_len=64)
LARGE = ModelConfig(num_layers=32, dim=4096, num_heads=32, seq_len=2048)
FIRST, SECOND = "pretrain/first", "pretrain/second"


def coming(name: str, model: ModelConfig) -> InputFile:
    about = PlannedModel(model=model, dtype="bf16", tokenizer="").text()
    return InputFile(Path("not made"), f"pretrain/{name}", section="pretrain", about=about)


def prepared(folder: Path, rows: int, row_bytes: int) -> InputFile:
    home = folder / "baber___piqa/default/0.0.0/x"
    home.mkdir(parents=True)
    splits = {name: {"num_examples": rows, "num_bytes": rows * row_bytes} for name in ("train", "validation")}
    write_json(home / INFO, {"splits": splits})
    return InputFile(home, "")


def costs(
    *checkpoints: InputFile,
    step: str = "",
    machine: Machine = Machine(),  # noqa: B008  (frozen)
    seconds: dict[str, float] | None = None,
    datasets: tuple[InputFile, ...] = (),
    **settings: Any,
) -> dict[str, float]:
    tokenizer = (InputFile(Path("tokenizer.model"), "", count=32_000),)
    inputs = {"checkpoints": checkpoints, "tokenizer": tokenizer, "datasets": datasets}
    return dict(EvaluateConfig.model_validate(settings).costs(step, inputs, machine, seconds or {}))


def work(cost: float) -> float:
    return cost - START_SECONDS


def test_questions_shots_length_and_parameters_make_a_cell_dearer(tmp_path: Path) -> None:
    tasks = [{"task": "piqa", "num_fewshot": [0, 3]}, {"task": "piqa", "limit": 10}]
    found = costs(coming("first", LARGE), datasets=(prepared(tmp_path, 100, 400),), tasks=tasks)
    none, three, ten = (work(found[f"{FIRST}/piqa{name}"]) for name in ("", "@3-shot", "@first10"))
    assert three == pytest.approx(4 * none)
    assert ten == pytest.approx(none / 10)
    assert none == pytest.approx(2 * 6.74e9 * 100 * 100 / 50e9, rel=0.01), "6.7 B parameters, 100 tokens a question"
    longer = costs(coming("first", LARGE), datasets=(prepared(tmp_path / "b", 100, 800),), tasks=["piqa"])
    assert work(longer[f"{FIRST}/piqa"]) == pytest.approx(2 * none)
    small = costs(coming("first", SMALL), tasks=["piqa"])
    assert work(small[f"{FIRST}/piqa"]) < none / 100


def test_a_prompt_is_no_longer_than_the_models_sequences() -> None:
    assert Requests(10, 5000, 200).tokens(2048) == 10 * 2248


def test_ranks_gpus_and_parts_make_a_unit_cheaper() -> None:
    alone = costs(coming("first", LARGE), tasks=["piqa"])
    ranks = costs(coming("first", LARGE), tasks=["piqa"], layout={"tp": 4})
    gpu = costs(coming("first", LARGE), tasks=["piqa"], machine=Machine(gpu=Gpu.model_validate("a100-80gb")))
    key = f"{FIRST}/piqa"
    assert work(ranks[key]) == pytest.approx(work(alone[key]) / 4)
    assert gpu[key] < alone[key] / 100
    parted = {"tasks": [{"task": "piqa", "parts": 2}]}
    parts = costs(coming("first", LARGE), step="answers", **parted)
    assert [work(parts[f"{key}/part-{part}-of-2"]) for part in range(2)] == pytest.approx([work(alone[key]) / 2] * 2)
    assert costs(coming("first", LARGE), **parted) == {key: START_SECONDS}, "it reads the answers of the parts"


def test_a_measured_cell_says_what_it_takes_on_another_model() -> None:
    settings: dict[str, Any] = {"tasks": ["piqa", "generate", "perplexity"]}
    both = (coming("first", SMALL), coming("second", LARGE))
    guess = costs(*both, **settings)
    measured = {f"{FIRST}/piqa": 10 * guess[f"{FIRST}/piqa"], f"{FIRST}/generate": 2 * guess[f"{FIRST}/generate"]}
    found = costs(*both, seconds=measured, **settings)
    ratios = {key: found[key] / guess[key] for key in guess}
    assert ratios == pytest.approx({
        f"{FIRST}/piqa": 10, f"{FIRST}/generate": 2, f"{FIRST}/perplexity": 6,
        f"{SECOND}/piqa": 10, f"{SECOND}/generate": 2, f"{SECOND}/perplexity": 6,
    })  # fmt: skip


def test_a_unit_that_found_its_answers_made_teaches_nothing() -> None:
    guess, cells = {"final/a": 10.0, "best/a": 10.0, "new/a": 20.0}, {"final/a": "a", "best/a": "a", "new/a": "a"}
    assert learned(guess, cells, {"final/a": 30.0, "best/a": 0.1})["new/a"] == 60.0
    assert learned(guess, cells, {"gone/a": 1.0}) == guess


def test_models_and_data_that_nothing_describes_have_a_cost_and_endpoints_and_the_alarm_none(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")
    settings = {"endpoints": {"mine": {"url": "http://x/v1", "model": "m"}}, "tasks": ["mmlu", "own", "facts"]}
    found = costs(InputFile(damaged, "damaged"), InputFile(Path("nowhere"), "later", section="align"), **settings)
    assert set(found) == {f"{name}/{task}" for name in ("damaged", "later") for task in ("mmlu", "own", "facts")}
    assert found["later/mmlu"] > 50 * work(found["later/own"]) > 0
    assert costs(coming("first", SMALL), step="alarm", alarm={}) == {}
