"""Checkpoints as folders that transformers loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.checkpoint.load import DTYPES, load_model
from stages.model.checkpoint.names import STATE
from stages.model.config import ModelConfig
from stages.model.decoder import build_model
from stages.model.huggingface.exporting import export_checkpoint, plan_shards
from stages.model.huggingface.importing import import_weights
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json
from stages.shared.task import Ranks
from tests.stages.model.folders import SHAPE, SHAPES, VOCAB_SIZE, make_tokenizer, tokens
from tests.stages.model.saved import save_untrained, seal


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def make_checkpoint(folder: Path, tokenizer: Path, changes: dict[str, Any]) -> Path:
    save_untrained(folder, ModelConfig(**SHAPE | changes), vocab_size=VOCAB_SIZE)
    write_json(folder / STATE, read_json(folder / STATE) | {"tokenizer_sha256": Tokenizer(tokenizer).sha256})
    seal(folder)
    return folder


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_an_exported_model_gives_the_same_logits_and_comes_back_bit_for_bit(
    changes: dict[str, Any], tmp_path: Path, tokenizer: Path
) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", tokenizer, changes)
    count = export_checkpoint(checkpoint, tmp_path / "release", tokenizer, shard_bytes=100_000)
    assert len(list((tmp_path / "release").glob("*.safetensors"))) > 1
    ours = load_model(checkpoint)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "release", dtype="auto").eval()
    assert sum(weight.numel() for weight in theirs.parameters()) == count
    with torch.no_grad():
        expected = theirs(tokens()).logits
    assert expected.std() > 0.3
    print(f"largest difference of a logit: {(ours.logits(tokens()) - expected).abs().max():.1e}")
    assert (ours.logits(tokens()) - expected).abs().max() < 1e-4
    again = build_model(ours.config, VOCAB_SIZE)
    import_weights(again, ours.config, tmp_path / "release", Tokenizer(tokenizer), seed=0)
    for name, weight in ours.model.named_parameters():
        rows = VOCAB_SIZE if name.endswith(("word_embeddings.weight", "output_layer.weight")) else len(weight)
        assert torch.equal(weight[:rows], again.get_parameter(name)[:rows]), name


def test_the_tokenizer_comes_along_and_gives_the_same_ids(tmp_path: Path, tokenizer: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", tokenizer, {})
    export_checkpoint(checkpoint, tmp_path / "release", tokenizer)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "release")
    for text in ("the heron counts 12 stones", "  two  spaces\n", "\u00e9\u4e2d\U0001f600"):
        ids = Tokenizer(tokenizer).encode(text)
        assert theirs(text)["input_ids"] == [2, *ids]  # as every document of the training begins
        assert theirs(text, add_special_tokens=False)["input_ids"] == ids
        assert theirs.decode(theirs(text)["input_ids"], skip_special_tokens=True) == text
    assert (theirs.bos_token_id, theirs.eos_token_id) == (2, 2)


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_model_of_16_bits_stays_one(name: str, tmp_path: Path, tokenizer: Path) -> None:
    parallel.start(Ranks())
    checkpoint = tmp_path / "checkpoint"
    save_untrained(checkpoint, ModelConfig(**SHAPE), vocab_size=VOCAB_SIZE, dtype=DTYPES[name])
    state = {"tokenizer_sha256": Tokenizer(tokenizer).sha256, "dtype": name}
    write_json(checkpoint / STATE, read_json(checkpoint / STATE) | state)
    seal(checkpoint)
    export_checkpoint(checkpoint, tmp_path / "release", tokenizer)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "release", dtype="auto")
    assert {weight.dtype for weight in theirs.parameters()} == {DTYPES[name]}


def test_a_folder_is_written_whole_and_twice_the_same(tmp_path: Path, tokenizer: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", tokenizer, {})
    (tmp_path / ".one.tmp").mkdir()
    (tmp_path / ".one.tmp" / "left-by-a-kill.safetensors").write_bytes(b"x")
    for name in ("one", "two", "two"):
        export_checkpoint(checkpoint, tmp_path / name, tokenizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint", "one", "two"]
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    expected = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"]
    assert names == expected
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_another_tokenizer_or_half_of_one_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", tokenizer, {})
    with pytest.raises(DataError, match="not the tokenizer of"):
        export_checkpoint(checkpoint, tmp_path / "release", make_tokenizer(tmp_path / "other", vocab_size=286))
    lone = make_tokenizer(tmp_path / "lone")
    lone.with_name("tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"no tokenizer\.json beside it"):
        export_checkpoint(checkpoint, tmp_path / "release", lone)


@pytest.mark.parametrize("changes", [{"position": "alibi"}, {"position": "glm"}, {"norm": "layernorm"}])
def test_what_transformers_does_not_have_is_refused(changes: dict[str, Any], tmp_path: Path, tokenizer: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", tokenizer, changes)
    with pytest.raises(DataError, match=rf"transformers has no such model \(model\.{next(iter(changes))}"):
        export_checkpoint(checkpoint, tmp_path / "release", tokenizer)
    assert not (tmp_path / "release").exists()


def test_65_billion_parameters_go_into_files_of_five_gigabytes() -> None:
    shards = plan_shards(ModelConfig(num_layers=80, dim=8192, num_heads=64), 32_000, width=2, shard_bytes=5 * 10**9)
    assert sum(shard.size for shard in shards) == 2 * 65_285_660_672
    assert max(shard.size for shard in shards) <= 5 * 10**9
    assert shards[0].name == f"model-00001-of-{len(shards):05d}.safetensors"
    names = [name for shard in shards for part in shard.parts for name in part.names]
    assert len(names) == len(set(names)) == 80 * 9 + 3
    assert names[-1] == "lm_head.weight"
