"""Releases of models that see: transformers' LLaVA with equal logits, and other eyes that only we load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, LlavaForConditionalGeneration

from stages.formats.chat.templates import PICTURE, load_template
from stages.formats.tokenizer import Tokenizer
from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel, load_model
from stages.model.checkpoint.names import STATE
from stages.model.config import ModelConfig
from stages.model.huggingface.exporting import export_checkpoint
from stages.model.huggingface.importing import load_release
from stages.pictures.prepare import normalised
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json
from stages.shared.task import Ranks
from tests.stages.forks import fork_server
from tests.stages.model.folders import SHAPE, VOCAB_SIZE, make_tokenizer
from tests.stages.model.huggingface.vision.ranks import OURS
from tests.stages.model.saved import save_untrained, seal

ENCODER = {**OURS, "init_std": 0.15}
SMALL = {"queries": 3, "num_layers": 2, "dim": 48, "num_heads": 4, "ffn_dim": 40, "init_std": 0.15}
MLP = {"kind": "mlp", "init_std": 0.15}
LLAVAS: dict[str, dict[str, Any]] = {
    "llava": {"encoder": ENCODER, "join": MLP},
    "class token, crop": {"encoder": {**ENCODER, "class_token": True, "layer": -1}, "join": MLP, "fit": "crop"},
    "siglip, stretch": {"encoder": {**ENCODER, "family": "siglip"}, "join": MLP, "fit": "stretch"},
}
OTHERS: dict[str, dict[str, Any]] = {
    "linear": {"encoder": ENCODER, "join": {"kind": "linear", "init_std": 0.15}},
    "qformer": {"encoder": ENCODER, "join": {"kind": "qformer", **SMALL}},
    "abstractor": {"encoder": {**ENCODER, "layer": -1, "final_norm": True}, "join": {"kind": "abstractor", **SMALL}},
    "tiles": {"encoder": ENCODER, "join": MLP, "max_tiles": 4},
}
TEMPLATE = load_template("stagecoach")
PICTURE_ID = VOCAB_SIZE + len(TEMPLATE.controls)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def released(folder: Path, tokenizer: Path, eyes: dict[str, Any]) -> tuple[LoadedModel, Path]:
    """Write a checkpoint and a release of it; return the model of the one and the folder of the other."""
    tokens = (*TEMPLATE.controls, PICTURE)
    config = ModelConfig.model_validate({**SHAPE, "eyes": eyes, "extra_tokens": tokens, "seq_len": 64})
    save_untrained(folder / "checkpoint", config, vocab_size=VOCAB_SIZE)
    state = {"tokenizer_sha256": Tokenizer(tokenizer).sha256}
    write_json(folder / "checkpoint" / STATE, read_json(folder / "checkpoint" / STATE) | state)
    seal(folder / "checkpoint")
    export_checkpoint(folder / "checkpoint", folder / "release", tokenizer, template=TEMPLATE)
    return load_model(folder / "checkpoint"), folder / "release"


def picture() -> Image.Image:
    """Return a picture of 40 x 30."""
    return Image.fromarray(np.random.RandomState(0).randint(0, 256, (30, 40, 3)).astype(np.uint8)).resize((80, 60))


class Seen:
    """The squares of a picture in a sequence of one row."""

    def __init__(self, model: LoadedModel, pixels: torch.Tensor, ids: torch.Tensor, picture_id: int) -> None:
        self.pixels, self.places_S = pixels, (ids[0] == picture_id).nonzero()[:, 0]

    def features(self, encode: Any) -> torch.Tensor:
        features: torch.Tensor = encode(self.pixels)
        return features


@torch.no_grad()
def logits_of(model: LoadedModel, ids: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    positions = torch.arange(ids.size(1)).expand_as(ids)
    seen = Seen(model, pixels, ids, PICTURE_ID)
    logits: torch.Tensor = model.model(ids, positions, perceived=seen)
    return logits[..., : PICTURE_ID + 1]


@pytest.mark.parametrize("eyes", LLAVAS.values(), ids=LLAVAS)
def test_a_llava_gives_transformers_the_same_logits(eyes: dict[str, Any], tokenizer: Path, tmp_path: Path) -> None:
    ours, folder = released(tmp_path, tokenizer, eyes)
    theirs, loading = LlavaForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    processor = AutoProcessor.from_pretrained(folder)
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "the heron counts"}]}]
    text = processor.apply_chat_template(asked, add_generation_prompt=True)
    given = processor(images=picture(), text=text, return_tensors="pt", add_special_tokens=False)
    assert ours.sense is not None
    pixels = torch.from_numpy(normalised(ours.sense.cut(picture()), ours.sense.normalisation))
    assert (given["pixel_values"] - pixels).abs().max() < 0.02
    picture_id = theirs.config.image_token_index
    assert (given["input_ids"] == picture_id).sum() == ours.sense.positions((80, 60))
    with torch.no_grad():
        expected = theirs.eval()(**{**given, "pixel_values": pixels}).logits
    found = logits_of(ours, given["input_ids"], pixels)
    assert expected.std() > 0.3
    print(f"largest difference of a logit: {(found - expected).abs().max():.1e}")
    assert (found - expected).abs().max() < 1e-4
    blind = logits_of(ours, given["input_ids"], pixels.flip(3))
    assert (found - blind).abs().max() > 1e-2


@pytest.mark.parametrize("eyes", [*LLAVAS.values(), *OTHERS.values()], ids=[*LLAVAS, *OTHERS])
def test_a_release_comes_back_bit_for_bit(eyes: dict[str, Any], tokenizer: Path, tmp_path: Path) -> None:
    ours, folder = released(tmp_path, tokenizer, eyes)
    again = load_release(folder)
    assert again.config.eyes == ours.config.eyes
    for name, weight in ours.model.named_parameters():
        rows = VOCAB_SIZE if name.endswith(("word_embeddings.weight", "output_layer.weight")) else len(weight)
        assert torch.equal(weight[:rows], again.model.get_parameter(name)[:rows]), name


def answered(folder: str, out: str) -> None:
    """Load a release, and save its logits of a picture: what a process of its own does."""
    parallel.start(Ranks())
    model, ids = load_release(Path(folder)), torch.tensor([[*[PICTURE_ID] * 16, 7, 8, 9]])
    pixels = torch.linspace(-1, 1, 3 * 28 * 28).view(1, 3, 28, 28)
    torch.save(logits_of(model, ids, pixels), out)


def test_another_process_gets_the_same_logits_bit_for_bit(tokenizer: Path, tmp_path: Path) -> None:
    _, folder = released(tmp_path, tokenizer, LLAVAS["llava"])
    one, other = (str(tmp_path / name) for name in ("one.pt", "other.pt"))
    answered(str(folder), one)
    process = fork_server().Process(target=answered, args=(str(folder), other))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert torch.equal(torch.load(one, weights_only=True), torch.load(other, weights_only=True))


def test_eyes_without_one_of_their_tensors_are_refused(tokenizer: Path, tmp_path: Path) -> None:
    _, folder = released(tmp_path, tokenizer, OTHERS["qformer"])
    tensors = load_file(folder / "eyes.safetensors")
    save_file({name: tensors[name] for name in tensors if "queries" not in name}, folder / "eyes.safetensors")
    with pytest.raises(DataError, match=r"lacks tensor multi_modal_projector.queries"):
        load_release(folder)
    (folder / "eyes.safetensors").unlink()
    with pytest.raises(DataError, match=r"lacks tensor vision_tower"):
        load_release(folder)


def test_a_llava_from_elsewhere_is_read(tokenizer: Path, tmp_path: Path) -> None:
    ours, folder = released(tmp_path, tokenizer, LLAVAS["class token, crop"])
    LlavaForConditionalGeneration.from_pretrained(folder).save_pretrained(tmp_path / "theirs")
    again = load_release(tmp_path / "theirs")
    assert again.config.eyes is not None
    assert again.config.eyes.encoder.class_token
    assert again.config.eyes.fit == "crop"
    assert torch.equal(again.model.join.linear_1.weight, ours.model.join.linear_1.weight)
    assert torch.equal(again.model.encoder.positions, ours.model.encoder.positions)
