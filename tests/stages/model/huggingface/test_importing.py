"""Weights from folders that transformers wrote: the same logits, and clear words for what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from megatron.core.models.gpt import GPTModel
from safetensors.torch import load_file, save_file

from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.config import ModelConfig
from stages.model.decoder import build_model
from stages.model.huggingface.importing import import_weights
from stages.shared.errors import DataError
from stages.shared.task import Ranks
from tests.stages.model.folders import SHAPE, SHAPES, VOCAB_SIZE, make_tokenizer, random_release, tokens


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer(make_tokenizer(tmp_path_factory.mktemp("tokenizer")))


def imported(folder: Path, tokenizer: Tokenizer, changes: dict[str, Any]) -> GPTModel:
    parallel.start(Ranks())
    config = ModelConfig(**SHAPE | changes)
    model = build_model(config, tokenizer.vocab_size).eval()
    import_weights(model, config, folder, tokenizer, seed=0)
    return model


def logits_of(model: GPTModel, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(ids, torch.arange(ids.size(1)).expand_as(ids), None)


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_an_imported_model_gives_transformers_logits(
    changes: dict[str, Any], tmp_path: Path, tokenizer: Tokenizer
) -> None:
    theirs = random_release(tmp_path, changes)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    with torch.no_grad():
        expected = theirs(tokens()).logits
    assert expected.std() > 0.3
    ours = logits_of(imported(tmp_path, tokenizer, changes), tokens())[..., :VOCAB_SIZE]
    print(f"largest difference of a logit: {(ours - expected).abs().max():.1e}")
    assert (ours - expected).abs().max() < 1e-4


def test_new_pieces_start_at_the_mean_of_the_old_rows(tmp_path: Path, tokenizer: Tokenizer) -> None:
    theirs = random_release(tmp_path, {}, vocab_size=280)
    model = imported(tmp_path, tokenizer, {})
    for ours, old in (
        (model.embedding.word_embeddings.weight, theirs.get_input_embeddings().weight),
        (model.output_layer.weight, theirs.get_output_embeddings().weight),
    ):
        assert torch.equal(ours[:280], old)
        assert (ours[280:] - old.mean(0)).abs().max() < 1e-7
        assert ours.shape == (384, 64)


def test_rows_beyond_the_tokenizers_pieces_are_dropped(tmp_path: Path, tokenizer: Tokenizer) -> None:
    theirs = random_release(tmp_path, {}, vocab_size=320)
    rows = imported(tmp_path, tokenizer, {}).embedding.word_embeddings.weight
    assert torch.equal(rows[:VOCAB_SIZE], theirs.get_input_embeddings().weight[:VOCAB_SIZE])
    assert (rows[VOCAB_SIZE:] - rows[:VOCAB_SIZE].mean(0)).abs().max() < 1e-7


def test_a_recipe_of_another_shape_is_told_the_right_one(tmp_path: Path, tokenizer: Tokenizer) -> None:
    random_release(tmp_path, {"num_kv_heads": 2, "ffn_dim": 80})
    with pytest.raises(DataError, match=r"another shape .* section num_kv_heads: 2, ffn_dim: 80"):
        imported(tmp_path, tokenizer, {})


def test_a_tokenizer_with_other_ids_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    random_release(tmp_path, {})
    make_tokenizer(tmp_path, text=["what badgers count is another text: Arlen's 12 stones?"])
    with pytest.raises(DataError, match=r"tokenizer\.model: piece \d+ is"):
        imported(tmp_path, tokenizer, {})


def break_index(folder: Path, **files: str) -> None:
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"] |= files
    path.write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"lm_head.weight": "../evil.safetensors"}, r"names '\.\./evil\.safetensors'"),
        ({"lm_head.weight": "pytorch_model.bin"}, r"names 'pytorch_model\.bin'"),
        ({"lm_head.weight": "gone.safetensors"}, r"gone\.safetensors: not there"),
        (
            {"model.layers.0.self_attn.q_proj.bias": "model-00001-of-00004.safetensors"},
            r"00001-of-\d+\.safetensors: lacks tensor .*q_proj\.bias\. model.safetensors.index.json names it",
        ),
    ],
)
def test_an_index_that_cannot_be_followed_is_refused(
    files: dict[str, str], message: str, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    random_release(tmp_path, {})
    names = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    break_index(tmp_path, **{tensor: names[0] if file.startswith("model-") else file for tensor, file in files.items()})
    with pytest.raises(DataError, match=message):
        imported(tmp_path, tokenizer, {})


def test_a_missing_or_misshapen_tensor_is_named(tmp_path: Path, tokenizer: Tokenizer) -> None:
    theirs = random_release(tmp_path / "folder", {})
    theirs.save_pretrained(tmp_path / "whole")
    path = tmp_path / "whole" / "model.safetensors"
    weights = load_file(path)
    save_file({name: weight for name, weight in weights.items() if name != "model.norm.weight"}, path)
    with pytest.raises(DataError, match=r"lacks tensor model\.norm\.weight"):
        imported(tmp_path / "whole", tokenizer, {})
    save_file(weights | {"model.norm.weight": torch.ones(3)}, path)
    with pytest.raises(DataError, match=r":model\.norm\.weight: shape \[3\]\. config\.json says \[64\]"):
        imported(tmp_path / "whole", tokenizer, {})


def test_pickled_weights_are_not_read(tmp_path: Path, tokenizer: Tokenizer) -> None:
    random_release(tmp_path, {})
    for path in [*tmp_path.glob("*.safetensors"), tmp_path / "model.safetensors.index.json"]:
        path.unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"pickled weights \(pytorch_model\.bin\) are not read"):
        imported(tmp_path, tokenizer, {})


def test_a_cut_file_is_named(tmp_path: Path, tokenizer: Tokenizer) -> None:
    random_release(tmp_path, {})
    path = sorted(tmp_path.glob("*.safetensors"))[0]
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match=rf"{path.name}.*unreadable"):
        imported(tmp_path, tokenizer, {})
