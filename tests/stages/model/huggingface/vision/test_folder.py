"""Vision encoders from folders that transformers wrote, and into them: the same features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionModel, SiglipVisionModel

from stages.model import parallel
from stages.model.huggingface.vision.config import to_vision_json
from stages.model.huggingface.vision.folder import VisionFolder, export_encoder, import_encoder
from stages.model.vision.config import VisionConfig
from stages.model.vision.encoder import VisionEncoder, build_encoder
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json
from stages.shared.task import Ranks
from tests.stages.gloo import run_ranks
from tests.stages.model.huggingface.vision.folders import random_clip, random_encoder
from tests.stages.model.huggingface.vision.ranks import OURS, features_of_a_rank, pixels


def imported(folder: Path, **settings: Any) -> VisionEncoder:
    parallel.start(Ranks())
    encoder = build_encoder(VisionConfig(**OURS | settings)).eval()
    import_encoder(encoder, folder)
    return encoder


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    assert theirs.std() > 0.3
    return float((ours - theirs).abs().max())


@torch.no_grad()
def test_clips_hidden_states_are_transformers(tmp_path: Path) -> None:
    theirs = random_encoder(tmp_path)(pixels(), output_hidden_states=True)
    for layer in (-1, -2, 0, 2):
        ours = imported(tmp_path, layer=layer, class_token=True)(pixels())
        assert difference(ours, theirs.hidden_states[layer]) < 1e-4
    assert difference(imported(tmp_path)(pixels()), theirs.hidden_states[-2][:, 1:]) < 1e-4
    whole = imported(tmp_path, layer=-1, final_norm=True, class_token=True)(pixels())
    assert difference(whole[:, 0], theirs.pooler_output) < 1e-4


@torch.no_grad()
def test_siglips_hidden_states_are_transformers(tmp_path: Path) -> None:
    theirs = random_encoder(tmp_path, "siglip")(pixels(), output_hidden_states=True)
    assert difference(imported(tmp_path, family="siglip")(pixels()), theirs.hidden_states[-2]) < 1e-4
    whole = imported(tmp_path, family="siglip", layer=-1, final_norm=True)(pixels())
    assert difference(whole, theirs.last_hidden_state) < 1e-4
    assert {*VisionFolder(tmp_path).ignored} == {"head"}


@torch.no_grad()
def test_both_styles_of_names_are_read(tmp_path: Path) -> None:
    theirs = random_encoder(tmp_path)(pixels(), output_hidden_states=True).hidden_states[-2][:, 1:]
    plain = load_file(tmp_path / "model.safetensors")
    is_old = any(name.startswith("vision_model.") for name in plain)
    other = {name.removeprefix("vision_model.") if is_old else f"vision_model.{name}": plain[name] for name in plain}
    positions = "embeddings.position_ids" if is_old else "vision_model.embeddings.position_ids"
    save_file({**other, positions: torch.arange(17)[None]}, tmp_path / "model.safetensors")
    assert difference(imported(tmp_path)(pixels()), theirs) < 1e-4
    assert not VisionFolder(tmp_path).ignored


@torch.no_grad()
def test_of_a_whole_clip_the_encoder_is_read_and_the_rest_counted(tmp_path: Path) -> None:
    theirs = random_clip(tmp_path).vision_model(pixels(), output_hidden_states=True).hidden_states[-2][:, 1:]
    assert difference(imported(tmp_path)(pixels()), theirs) < 1e-4
    ignored = VisionFolder(tmp_path).ignored
    assert {*ignored} == {"text_model", "logit_scale", "visual_projection", "text_projection"}
    assert ignored["text_model"] == 2 + 3 * 16 + 2


@torch.no_grad()
def test_positions_of_another_size_are_interpolated_as_transformers_does(tmp_path: Path) -> None:
    theirs = random_encoder(tmp_path)
    larger = theirs(pixels(42), output_hidden_states=True, interpolate_pos_encoding=True).hidden_states[-2][:, 1:]
    assert difference(imported(tmp_path, picture_size=42)(pixels(42)), larger) < 1e-4
    assert difference(imported(tmp_path)(pixels(42)), larger) < 1e-4


@pytest.mark.parametrize(("family", "kind"), [("clip", CLIPVisionModel), ("siglip", SiglipVisionModel)])
@torch.no_grad()
def test_a_written_folder_gives_transformers_the_same_features(family: str, kind: Any, tmp_path: Path) -> None:
    random_encoder(tmp_path / "theirs", family)
    config = VisionConfig(**OURS | {"family": family}).whole
    export_encoder(config, VisionFolder(tmp_path / "theirs").read, tmp_path / "it's ours")
    theirs, loading = kind.from_pretrained(tmp_path / "it's ours", output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    ours = imported(tmp_path / "theirs", family=family, layer=-1, class_token=family == "clip")(pixels())
    assert difference(ours, theirs(pixels(), output_hidden_states=True).hidden_states[-1]) < 1e-4
    again = VisionFolder(tmp_path / "it's ours")
    assert again.config == config.model_copy(update={"layer": -1})


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_pytorch_tanh"])
def test_the_activation_is_the_folders(activation: str, tmp_path: Path) -> None:
    random_encoder(tmp_path, hidden_act=activation)
    found = VisionFolder(tmp_path).config
    assert to_vision_json(found)["hidden_act"] == activation
    with torch.no_grad():
        parallel.start(Ranks())
        encoder = build_encoder(found)
    at = torch.tensor([-2.2704])
    assert encoder.config.activation_func(at).item() == pytest.approx(
        {"quick_gelu": -0.046658, "gelu": -0.026323, "gelu_pytorch_tanh": -0.026}[activation], abs=1e-3
    )


def test_another_encoder_than_the_recipes_is_refused(tmp_path: Path) -> None:
    random_encoder(tmp_path, hidden_act="gelu")
    with pytest.raises(DataError, match=r"another encoder than .* encoder section activation: gelu$"):
        imported(tmp_path)
    with pytest.raises(DataError, match=r"encoder section num_layers: 3, activation: gelu$"):
        imported(tmp_path, num_layers=4, layer=-1)


def test_a_missing_an_unknown_and_a_misshapen_tensor_are_named(tmp_path: Path) -> None:
    random_encoder(tmp_path)
    whole = load_file(tmp_path / "model.safetensors")
    name = next(name for name in whole if name.endswith("layers.1.mlp.fc1.bias"))
    less = {other: tensor for other, tensor in whole.items() if other != name}
    for tensors, message in (
        (less, rf"lacks tensor {name}"),
        (
            {**whole, name.replace("layers.1", "layers.3"): whole[name].clone()},
            r"unknown tensor .*layers\.3\.mlp.*3 layers",
        ),
        ({**whole, name: torch.zeros(3)}, r"fc1\.bias: shape \[3\]"),
        ({"text_model.x": torch.zeros(1)}, "no tensor embeddings.patch_embedding.weight"),
    ):
        save_file(tensors, tmp_path / "model.safetensors")
        with pytest.raises(DataError, match=message):
            VisionFolder(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "vit"}, "model_type 'vit'. Use a CLIP or SigLIP folder"),
        ({"hidden_act": "relu"}, "hidden_act 'relu'"),
        ({"num_channels": 1}, "num_channels 1"),
        ({"hidden_size": "wide"}, "misstates"),
        ({"vision_config": 3}, "model_type None"),
    ],
)
def test_a_config_that_no_encoder_of_ours_has_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    random_encoder(tmp_path)
    write_json(tmp_path / "config.json", read_json(tmp_path / "config.json") | change)
    with pytest.raises(DataError, match=message):
        VisionFolder(tmp_path)


def test_two_tensor_parallel_ranks_give_one_ranks_features_and_gradients(tmp_path: Path) -> None:
    random_encoder(tmp_path)
    encoder, given = imported(tmp_path), pixels().requires_grad_()
    features = encoder(given)
    features.square().mean().backward()
    assert run_ranks(2, features_of_a_rank, str(tmp_path)) == [0, 0]
    expected = features.detach(), given.grad, encoder.patches.weight.grad
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for ours, theirs in zip(found, expected, strict=True):
            scale = max(float(theirs.abs().max()), 1.0)
            assert float((ours - theirs).abs().max()) < 1e-6 * scale
