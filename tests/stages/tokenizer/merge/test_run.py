"""The stage through its contract: both orders, and what transformers reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer as HfTokenizer

from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.shared.contract import InputFile
from stages.tokenizer.merge.config import MergeConfig
from tests.stages.harness import run_stage
from tests.stages.tokenizer.merge.models import CHINESE, chinese, written
from tests.stages.tokens.bpe.models import hard_texts, model


def merge(folder: Path, order: str) -> Path:
    base, added = written(folder / "a.model", model()), written(folder / "b.model", chinese())
    config = MergeConfig.model_validate({"tokenizer": "x", "added": "x", "order": order})
    inputs = {"tokenizer": (InputFile(base, ""),), "added": (InputFile(added, ""),)}
    assert (
        config.plan(inputs).outputs[0].count
        == Tokenizer(run_stage(config, inputs, folder / "run")["tokenizer"][0].path).vocab_size
    )
    return next((folder / "run").rglob("tokenizer.model"))


def test_tokenizer_json_gives_the_ids_of_the_merged_model(tmp_path: Path) -> None:
    path = merge(tmp_path, "last")
    hf, ours = HfTokenizer.from_file(str(path.with_name(TOKENIZER_JSON))), Tokenizer(path)
    for text in [*CHINESE[:2], *(text for text in hard_texts(300) if "\ud800" not in text)]:
        assert hf.encode(text).ids == ours.encode(text), repr(text[:100])


def test_the_published_order_has_no_tokenizer_json_and_the_log_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = merge(tmp_path, "first")
    assert not path.with_name(TOKENIZER_JSON).exists()
    assert "no tokenizer.json" in capsys.readouterr().err
