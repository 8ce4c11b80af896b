"""A checkpoint is released as a folder, and the folder starts another training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.formats.metrics import read_metrics
from stages.model.checkpoint.load import load_model
from stages.pretrain.config import PretrainConfig
from stages.release.config import ReleaseConfig
from stages.shared.contract import InputFile
from stages.tokenizer.hf import to_tokenizer_json
from tests.stages.harness import run_stage
from tests.stages.train.corpus import write_corpus

SETTINGS = {
    "model": {"num_layers": 2, "dim": 48, "num_heads": 4, "ffn_dim": 96, "seq_len": 32},
    **{"steps": 12, "global_batch": 8, "microbatch": 8, "lr": 5e-3, "warmup_steps": 3},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_corpus(tmp_path_factory.mktemp("corpus") / "it's a corpus")
    model = (folder / "tokenizer.model").read_bytes()
    (folder / "tokenizer.json").write_text(to_tokenizer_json(model), encoding="utf-8")
    return folder


def test_a_trained_model_is_released_and_starts_another_training(corpus: Path, tmp_path: Path) -> None:
    data = {
        "tokens": (InputFile(corpus / "tokens-large.bin", "large"),),
        "tokenizer": (InputFile(corpus / "tokenizer.model", ""),),
    }
    config = PretrainConfig.model_validate({**SETTINGS, "tokens": "x", "tokenizer": "x"})
    first = run_stage(config, data, tmp_path / "first")
    checkpoints = first["checkpoint"]
    released = run_stage(ReleaseConfig(), data | {"checkpoints": checkpoints}, tmp_path / "release")
    (folder,) = (file.path for file in released["release"])

    theirs, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer("bace difo gulu")["input_ids"]])
    with torch.no_grad():
        expected = theirs(ids).logits
    assert (load_model(checkpoints[0].path).logits(ids) - expected).abs().max() < 1e-4

    started = PretrainConfig.model_validate({**SETTINGS, "tokens": "x", "tokenizer": "x", "init_from": "x", "seed": 2})
    second = run_stage(started, data | {"init_from": released["release"]}, tmp_path / "second")
    before, after = (read_metrics(run["metrics"][0].path) for run in (first, second))
    assert after[0]["loss"] == pytest.approx(before[-1]["loss"], abs=0.3)
    assert after[0]["loss"] < before[0]["loss"] - 1
    final, start = (load_model(file.path).model for file in (checkpoints[0], second["checkpoint"][1]))
    weight = "decoder.layers.1.self_attention.linear_qkv.weight"
    assert torch.equal(final.get_parameter(weight), start.get_parameter(weight))
