"""The pretrain stage through its contract, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from stages.formats.metrics import read_metrics
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.load import load_model
from stages.pretrain.config import PretrainConfig
from stages.shared.contract import InputFile
from stages.shared.errors import DataError
from tests.stages.harness import run_stage
from tests.stages.train.corpus import write_corpus

SETTINGS = {
    "model": {"num_layers": 2, "dim": 48, "num_heads": 4, "ffn_dim": 96, "seq_len": 32},
    **{"steps": 25, "global_batch": 8, "microbatch": 8, "lr": 5e-3, "warmup_steps": 3},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def inputs_from(corpus: Path) -> dict[str, tuple[InputFile, ...]]:
    datasets = tuple(InputFile(corpus / f"tokens-{name}.bin", name) for name in ("large", "small"))
    return {"tokens": datasets, "tokenizer": (InputFile(corpus / "tokenizer.model", ""),)}


def test_the_outputs_are_two_models_and_the_way_between_them(corpus: Path, tmp_path: Path) -> None:
    config = PretrainConfig(tokens="x", tokenizer="x", mixture={"large": 1.0, "small": 1.0}, **SETTINGS)
    outputs = run_stage(config, inputs_from(corpus), tmp_path)
    final, untrained = (load_model(file.path) for file in outputs["checkpoint"])
    tokenizer = Tokenizer(corpus / "tokenizer.model")
    assert (final.step, untrained.step) == (25, 0)
    assert final.tokenizer_sha256 == untrained.tokenizer_sha256 == tokenizer.sha256
    ids = torch.tensor([tokenizer.encode("bace difo gulu ranmel tok")[:20]])
    scores = [
        model.logits(ids[:, :-1]).log_softmax(-1).gather(2, ids[:, 1:, None]).mean() for model in (final, untrained)
    ]
    assert scores[0] > scores[1] + 1
    rows = read_metrics(outputs["metrics"][0].path)
    assert len(rows) == 25
    state = json.loads((outputs["checkpoint"][0].path / "state.json").read_text())
    assert (state["step"], state["feed"], state["identity"]["mixture"]) == (25, {}, {"large": 1.0, "small": 1.0})


def test_a_run_is_compared_with_its_reference(corpus: Path, tmp_path: Path) -> None:
    short = SETTINGS | {"steps": 4}
    first = run_stage(PretrainConfig(tokens="x", tokenizer="x", **short), inputs_from(corpus), tmp_path / "first")
    inputs = inputs_from(corpus) | {"reference": first["metrics"]}
    same = PretrainConfig(tokens="x", tokenizer="x", reference="x", **short)
    run_stage(same, inputs, tmp_path / "same")
    other = PretrainConfig(tokens="x", tokenizer="x", reference="x", **{**short, "seed": 2})
    with pytest.raises(DataError, match=r"metrics\.jsonl:step 1: loss .* further apart than 0\.0001"):
        run_stage(other, inputs, tmp_path / "other")
    longer = PretrainConfig(tokens="x", tokenizer="x", reference="x", **{**short, "steps": 5})
    with pytest.raises(DataError, match="4 steps, not 5"):
        run_stage(longer, inputs, tmp_path / "longer")


def test_a_dataset_that_is_not_there_is_named(corpus: Path, tmp_path: Path) -> None:
    inputs = inputs_from(corpus) | {"tokens": (InputFile(tmp_path / "gone.bin", "gone"),)}
    with pytest.raises(DataError, match=r"gone\.bin: no dataset"):
        run_stage(PretrainConfig(tokens="x", tokenizer="x", **SETTINGS), inputs, tmp_path / "run")
