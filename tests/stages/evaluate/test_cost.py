"""Costs of cells: what makes one dearer, what is learned, and that nothing of it is part of an identity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.evaluate.backends.settings import EndpointSettings
from stages.evaluate.config import EvaluateConfig
from stages.evaluate.cost import START_SECONDS, Requests, endpoint_seconds
from stages.formats.benchmarks.layout import INFO
from stages.model.checkpoint.settings import PlannedModel
from stages.model.config import ModelConfig
from stages.shared.contract import Cost, InputFile
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
    parts: dict[str, int] | None = None,
    datasets: tuple[InputFile, ...] = (),
    **settings: Any,
) -> dict[str, float]:
    found = estimates(*checkpoints, step=step, machine=machine, parts=parts, datasets=datasets, **settings)
    return {key: cost.core_seconds for key, cost in found.items()}


def estimates(
    *checkpoints: InputFile,
    step: str = "",
    machine: Machine = Machine(),  # noqa: B008  (frozen)
    parts: dict[str, int] | None = None,
    datasets: tuple[InputFile, ...] = (),
    **settings: Any,
) -> dict[str, Cost]:
    tokenizer = (InputFile(Path("tokenizer.model"), "", count=32_000),)
    inputs = {"checkpoints": checkpoints, "tokenizer": tokenizer, "datasets": datasets}
    return dict(EvaluateConfig.model_validate(settings).costs(step, inputs, machine, parts or {}))


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


def test_a_shipped_variants_number_of_texts_counts() -> None:
    alone, many = (
        costs(coming("first", LARGE), tasks=[{"task": "gsm8k_cot", "variant": name}]) for name in ("", "llama")
    )
    assert work(many[f"{FIRST}/gsm8k_cot@llama"]) > 10 * work(alone[f"{FIRST}/gsm8k_cot"])


def test_a_prompt_is_no_longer_than_the_models_sequences() -> None:
    assert Requests(10, 5000, 200).tokens(2048) == 10 * 2248


def test_ranks_gpus_and_parts_make_a_unit_cheaper() -> None:
    alone = costs(coming("first", LARGE), tasks=["piqa"])
    ranks = costs(coming("first", LARGE), tasks=["piqa"], layout={"tp": 4})
    gpu = costs(coming("first", LARGE), tasks=["piqa"], machine=Machine(gpu=Gpu.model_validate("a100-80gb")))
    key = f"{FIRST}/piqa"
    assert work(ranks[key]) == pytest.approx(work(alone[key]) / 4)
    assert gpu[key] < alone[key] / 100
    parted: dict[str, Any] = {"tasks": ["piqa"], "parts": {key: 2}}
    parts = costs(coming("first", LARGE), step="answers", **parted)
    assert [work(parts[f"{key}/part-{part}-of-2"]) for part in range(2)] == pytest.approx([work(alone[key]) / 2] * 2)
    assert costs(coming("first", LARGE), **parted) == {key: START_SECONDS}, "it reads the answers of the parts"


def test_an_endpoint_costs_by_requests_tokens_concurrency_and_rate() -> None:
    def seconds(requests: Requests, **limits: Any) -> float:
        settings = EndpointSettings.model_validate({"url": "http://x/v1", "model": "m", "concurrency": 1, **limits})
        return work(endpoint_seconds([requests], settings))

    few = Requests(100, 200)
    assert seconds(Requests(300, 200)) == pytest.approx(3 * seconds(few))
    assert seconds(Requests(100, 200, asked=4)) == pytest.approx(4 * seconds(few)), "a request for each choice"
    assert seconds(Requests(100, 200, texts=256)) > 5 * seconds(few)
    assert seconds(Requests(100, 9000)) > seconds(few)
    assert seconds(Requests(100, 9000), seq_len=200) == pytest.approx(seconds(few)), "longer prompts are cut"
    assert seconds(few, concurrency=10) == pytest.approx(seconds(few) / 10)
    assert seconds(few, concurrency=10, requests_per_minute=6) == pytest.approx(1000), "the rate is the limit"


def test_what_answers_and_what_is_asked_tell_which_measured_cells_are_alike() -> None:
    gpu = Machine(gpu=Gpu.model_validate("a100-80gb"))
    endpoint = {"url": "http://x/v1", "model": "m"}
    asked: dict[str, Any] = {"tasks": ["gsm8k"], "endpoints": {"mine": endpoint}, "machine": gpu}
    found = estimates(coming("first", SMALL), **asked)
    assert {(each.kind, each.like) for each in found.values()} == {
        ("own on a100-80gb", "gsm8k"), ("m at x (completions)", "gsm8k")
    }  # fmt: skip
    merged = estimates(coming("first", SMALL), parts={f"{FIRST}/gsm8k": 2}, tasks=["gsm8k"])
    assert merged[f"{FIRST}/gsm8k"].kind == "own on cores, merging"


def test_models_and_data_that_nothing_describes_have_a_cost_and_the_alarm_has_none(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text("{")
    settings = {"endpoints": {"mine": {"url": "http://x/v1", "model": "m"}}, "tasks": ["mmlu", "own", "facts"]}
    found = costs(InputFile(damaged, "damaged"), InputFile(Path("nowhere"), "later", section="align"), **settings)
    assert set(found) == {
        f"{name}/{task}" for name in ("damaged", "later", "mine") for task in ("mmlu", "own", "facts")
    }
    assert found["later/mmlu"] > 50 * work(found["later/own"]) > 0
    assert costs(coming("first", SMALL), step="alarm", alarm={}) == {}
