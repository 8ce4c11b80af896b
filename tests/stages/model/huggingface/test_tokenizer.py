"""The tokenizer's files of a folder. Their use by transformers: tests/stages/align/sft/test_run.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from stages.formats.chat.templates import load_template
from stages.formats.tokenizer import Tokenizer
from stages.model.config import ModelConfig
from stages.model.huggingface.tokenizer import write_tokenizer
from stages.shared.contract import InputFile
from stages.shared.files import read_json
from tests.stages.align.sft.conftest import world  # noqa: F401


def test_a_template_without_control_tokens_ends_with_the_end_of_sequence(
    world: dict[str, tuple[InputFile, ...]],  # noqa: F811
    tmp_path: Path,
) -> None:
    path = world["tokenizer"][0].path
    write_tokenizer(path, tmp_path, ModelConfig(), load_template("alpaca"))
    end = Tokenizer(path).eos_id
    assert read_json(tmp_path / "generation_config.json")["eos_token_id"] == [end]
    assert "### Response:" in AutoTokenizer.from_pretrained(tmp_path).chat_template


def test_without_a_template_there_is_none_and_extra_tokens_keep_their_ids(
    world: dict[str, tuple[InputFile, ...]],  # noqa: F811
    tmp_path: Path,
) -> None:
    write_tokenizer(world["tokenizer"][0].path, tmp_path, ModelConfig(extra_tokens=("<a>", "<b c>")), None)
    assert not (tmp_path / "generation_config.json").exists()
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.chat_template is None
    assert theirs.convert_tokens_to_ids(["<a>", "<b c>"]) == [300, 301]
    assert theirs("<b c>", add_special_tokens=False)["input_ids"] == [301]


def test_a_template_whose_tokens_the_model_lacks_is_an_error(
    world: dict[str, tuple[InputFile, ...]],  # noqa: F811
    tmp_path: Path,
) -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        write_tokenizer(world["tokenizer"][0].path, tmp_path, ModelConfig(), load_template("chatml"))
