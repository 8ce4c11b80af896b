"""The pretrain stage's plan and its checks on the login node."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.formats.kinds import KINDS
from stages.pretrain.config import PretrainConfig
from stages.shared.contract import WHOLE, InputFile, Output
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine

TOKENS = {"tokens": tuple(InputFile(Path(f"tokens-{s}.bin"), s) for s in ("web", "books"))}


def test_all_ranks_of_the_layout_work_on_one_unit() -> None:
    config = PretrainConfig(tokens="x", tokenizer="x", layout={"tp": 2, "pp": 2, "dp": 2})
    plan = config.plan(TOKENS)
    (step,) = plan.steps
    assert (step.units, step.ranks, step.shape, step.resumes) == (WHOLE, 8, "train", True)
    assert [(output.file, output.kind.name, output.source) for output in plan.outputs] == [
        ("final", "checkpoint", "final"),
        ("untrained", "checkpoint", "untrained"),
        (f"step-{config.steps:07d}", "state", f"step-{config.steps}"),
        ("metrics.jsonl", "metrics", ""),
        ("readings.json", "readings", ""),
        ("layers.jsonl", "layers", ""),
        ("ranks.json", "rank_times", ""),
    ]


def test_settings_that_change_no_weight_are_not_in_the_identity() -> None:
    (step,) = PretrainConfig(tokens="x", tokenizer="x").plan(TOKENS).steps
    left_out = set(PretrainConfig.model_fields) - set(step.uses) - set(step.reads)
    seen = {name for name in left_out if name.startswith("checkpoint_")} | {
        "layer_stats_every",
        "log_every",
        "tensorboard",
        "heldout_every",
        "timeout_min",
        "deterministic",
    }
    assert left_out - seen == {
        *("train_tokens", "init_from", "continue_from", "continue_step", "reference", "tolerance")
    }
    (checked,) = PretrainConfig(tokens="x", tokenizer="x", reference="x").plan(TOKENS).steps
    assert set(checked.uses) - set(step.uses) == {"tolerance"}


def test_where_the_best_is_found_out_it_comes_out() -> None:
    plan = PretrainConfig(tokens="x", tokenizer="x", heldout_batches=4, heldout_every=100).plan(TOKENS)
    assert Output(step="", unit="all", kind=KINDS.checkpoint, name="best", source="best") in plan.outputs
    assert {"heldout_batches", "heldout_every"} <= set(plan.steps[0].uses)
    with pytest.raises(ConfigError, match="heldout_batches = 0: must be at least 1 with heldout_every"):
        PretrainConfig(tokens="x", tokenizer="x", heldout_every=100)


@pytest.mark.parametrize(
    ("mixture", "message"),
    [
        ({"web": 1.0, "book": 1.0}, r"mixture\.book = 1\.0: must be a source of tokens \(did you mean 'books'\?\)"),
        ({"web": 1.0}, "mixture = .*: must be a weight for every source of tokens, 'books' too"),
    ],
)
def test_a_mixture_must_name_the_sources(mixture: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PretrainConfig(tokens="x", tokenizer="x", mixture=mixture).plan(TOKENS)


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_a_weight_must_be_above_nothing(weight: float) -> None:
    with pytest.raises(ConfigError, match=r"mixture\.web = .*: must be a weight above 0"):
        PretrainConfig(tokens="x", tokenizer="x", mixture={"web": weight})
    with pytest.raises(ValidationError, match="finite number"):
        PretrainConfig(tokens="x", tokenizer="x", mixture={"web": float("nan")})


def test_a_plan_says_how_often_each_source_is_read() -> None:
    config = PretrainConfig(
        **{"tokens": "x", "tokenizer": "x", "mixture": {"web": 3.0, "books": 1.0}, "model": {"seq_len": 100}},
        **{"steps": 100, "global_batch": 10, "microbatch": 1},
    )
    sizes = {"web": 0.2, "books": 0.008}  # MB: 100,000 and 4,000 tokens
    files = tuple(InputFile(file.path, file.source, sizes[file.source]) for file in TOKENS["tokens"])
    told = config.forecast("", {"tokens": files}, Machine())
    rows = dict(told.rows)
    assert rows["data"] == "about: web 75.0%, read 0.75 times; books 25.0%, read 6.25 times"
    assert rows["repeated"].startswith("books 6.2 times: beyond 4")
    assert [source["epochs"] for source in told.data["sources"]] == [0.75, 6.25]
    rows = dict(told.rows)
    assert "Chinchilla's" in rows["budget"]
    assert rows["sources"].count(" h") == 2
    assert "data" not in dict(config.forecast("", TOKENS, Machine()).rows)  # nobody knows their sizes


def test_blanks_and_glms_positions_come_together() -> None:
    with pytest.raises(ConfigError, match=r"blanks = None: must be \{\} or its settings, for position glm"):
        PretrainConfig(tokens="x", tokenizer="x", model={"position": "glm"})
    with pytest.raises(ConfigError, match=r"blanks = .*: must be set for position glm alone"):
        PretrainConfig(tokens="x", tokenizer="x", blanks={})
    with pytest.raises(ConfigError, match=r"model\.seq_len = 8: must be at least 16 with blanks"):
        PretrainConfig(tokens="x", tokenizer="x", blanks={}, model={"position": "glm", "seq_len": 8})


def test_blanks_are_filled_from_the_whole_sequence() -> None:
    with pytest.raises(ConfigError, match=r"attend_across_documents = False: must be true with blanks"):
        PretrainConfig(tokens="x", tokenizer="x", blanks={}, model={"position": "glm"}, attend_across_documents=False)


@pytest.mark.parametrize("field", ["init_from", "continue_from"])
def test_a_start_from_what_another_run_made_is_an_input(field: str) -> None:
    config = PretrainConfig(tokens="x", tokenizer="x", **{field: "folder"})
    folder = InputFile(Path("step-0000100"), "folder")
    assert field in config.plan(TOKENS | {field: (folder,)}).steps[0].reads
    assert field not in PretrainConfig(tokens="x", tokenizer="x").plan(TOKENS).steps[0].reads
    with pytest.raises(ConfigError, match=rf"{field} = 'folder': must be one folder, not 2"):
        config.plan(TOKENS | {field: (folder, folder)})


def test_experts_are_shared_out_over_data_parallel_ranks() -> None:
    experts = {"moe": {"num_experts": 4}}
    config = PretrainConfig(tokens="x", tokenizer="x", model=experts, microbatch=4, layout={"dp": 4, "ep": 2})
    assert config.layout.ranks == 4
    with pytest.raises(ConfigError, match=r"layout\.tp = 2: must be 1 with experts"):
        PretrainConfig(tokens="x", tokenizer="x", model=experts, layout={"tp": 2})
    with pytest.raises(ConfigError, match=r"layout\.ep = 2: must be 1: the model has no experts"):
        PretrainConfig(tokens="x", tokenizer="x", layout={"dp": 2, "ep": 2})
