"""Coloured pictures, chats about them, their tokenizer and small settings: the start of the tests of `vision.train`."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages.formats.chat.chats import Chat, Message, Part, text_message, write_chats
from stages.formats.chat.templates import PICTURE
from stages.formats.pictures.collections import CollectionWriter, Picture
from stages.formats.pictures.tars import key_of
from stages.shared.contract import InputFile
from stages.vision.train.config import VisionTrainConfig
from tests.stages.align.sft.world import CONTROLS, MODEL, chats, write_world

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 220), "white": (240, 240, 240)}
ENCODER = {"picture_size": 16, "patch_size": 8, "num_layers": 2, "dim": 32, "num_heads": 2, "layer": -1}
SETTINGS: dict[str, Any] = {
    "model": {**MODEL, "extra_tokens": [*CONTROLS, PICTURE], "eyes": {"encoder": ENCODER, "join": {"kind": "mlp"}}},
    "train": ["encoder", "join", "decoder"],
    **{"steps": 6, "global_batch": 4, "microbatch": 2, "lr": 2e-3, "warmup_steps": 1},
}
SIZES = [(24, 16), (16, 16), (16, 40)]


def png(colour: tuple[int, int, int], draw: np.random.RandomState, size: tuple[int, int]) -> bytes:
    """Return a picture of a colour with noise."""
    pixels = np.array(colour) + draw.randint(-15, 16, (size[1], size[0], 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_pictures(folder: Path, count: int) -> dict[str, str]:
    """Write a collection of pictures, sizes and colours in turn; return the colour of each key."""
    draw, found = np.random.RandomState(7), {}
    with CollectionWriter(folder) as writer:
        for number in range(count):
            name, size = [*COLOURS][number % len(COLOURS)], SIZES[number % len(SIZES)]
            data = png(COLOURS[name], draw, size)
            found[key_of(data)] = name
            picture = Picture(key=key_of(data), suffix="png", data=data, width=size[0], height=size[1])
            writer.add(picture, hash=number, colours=bytes(48))
    return found


def about(*keys: str, answer: str, text: str = "What colour is it?") -> tuple[Message, ...]:
    """Return a question about pictures with its answer."""
    parts = (*(Part("picture", key=key) for key in keys), Part("text", text))
    return Message("user", parts), text_message("assistant", answer)


def picture_chats(colours: Mapping[str, str], count: int, seed: int = 1) -> list[Chat]:
    """Return chats about one or two pictures, and about none."""
    draw, keys, found = random.Random(seed), [*colours], []
    for number in range(count):
        one, other = draw.sample(keys, 2)
        if number % 4 == 3:
            messages = about(one, other, answer=f"{colours[one]} and {colours[other]}.", text="Which colours?")
        else:
            messages = about(one, answer=f"It is {colours[one]}.")
        found.append(Chat(id=str(number), messages=messages))
    return found + chats(count // 4, seed=seed)


def write_seen(folder: Path) -> dict[str, tuple[InputFile, ...]]:
    """Write pictures, a tokenizer and two sources of chats; return them as inputs."""
    world = write_world(folder)
    colours = write_pictures(folder / "pictures", 24)
    for name, size, seed in (("seen", 60, 1), ("more", 20, 2)):
        write_chats(folder / f"{name}.jsonl", picture_chats(colours, size, seed))
    return {
        **world,
        "chats": tuple(InputFile(folder / f"{name}.jsonl", name, mb=0.1) for name in ("seen", "more")),
        "pictures": (InputFile(folder / "pictures", ""),),
    }


def settings(**changes: Any) -> VisionTrainConfig:
    """Return the settings with changes; those of `model` are merged."""
    model: Mapping[str, Any] = changes.pop("model", {})
    merged = {**SETTINGS, **changes, "model": {**SETTINGS["model"], **model}}
    return VisionTrainConfig.model_validate({"chats": "x", "tokenizer": "x", "pictures": "x", **merged})
