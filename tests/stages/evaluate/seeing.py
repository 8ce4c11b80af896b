"""A small exam on pictures, and the shape of small eyes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from stages.formats.chat.templates import PICTURE
from stages.formats.pictures.collections import CollectionWriter, Picture
from stages.formats.pictures.tars import key_of
from tests.stages.evaluate.world import define
from tests.stages.pictures.made import encoded

COLOURS = {"red": (230, 20, 20), "green": (20, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250)}
CONTROLS = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>", PICTURE)
SIDE, QUERIES = 8, 4
EYES: dict[str, Any] = {
    "encoder": {
        "picture_size": SIDE,
        "patch_size": 4,
        "num_layers": 2,
        "dim": 16,
        "num_heads": 2,
        "init_std": 0.3,
    },
    "join": {"kind": "mlp", "init_std": 0.5},
    "fit": "stretch",
}
"""Four positions a picture. Weights are large, so that pictures change answers."""
CHOICE: dict[str, Any] = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_image": ["picture"],
    "doc_to_choice": "choices",
    "doc_to_target": "answer",
    "target_delimiter": "",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}
CAPTION: dict[str, Any] = {
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_image": ["picture"],
    "doc_to_target": "{{value}}",
    "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 6},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}


def colour_of(number: int) -> str:
    return [*COLOURS][number % len(COLOURS)]


def make_pictures(folder: Path, count: int) -> list[str]:
    """Write a collection of one-coloured pictures, all different; return their keys."""
    keys = []
    with CollectionWriter(folder) as writer:
        for number in range(count):
            red, green, blue = COLOURS[colour_of(number)]
            image = Image.new("RGB", (SIDE + number % 3, SIDE), (red, green, blue - number % 20))
            data = encoded(image)
            keys.append(key_of(data))
            picture = Picture(key=keys[-1], suffix="png", data=data, width=image.width, height=image.height)
            writer.add(picture, number, bytes(48))
    return keys


def make_exam(folder: Path, keys: Sequence[str]) -> list[Path]:
    """Write a choice, a yes/no and a caption task on pictures, and a choice on text alone; return their files."""
    rows = [
        {
            "picture": key,
            "question": "Which colour?",
            "choices": [*COLOURS],
            "answer": number % 4,
            "value": colour_of(number),
            "words": [[colour_of(number), colour_of(number).upper()]],
        }
        for number, key in enumerate(keys)
    ]
    asked = [
        {**row, "question": f"Is it {colour_of(at + at % 2)}?", "choices": ["no", "yes"], "answer": 1 - at % 2}
        for at, row in enumerate(rows)
    ]
    whether = define(folder, "whether", {"test": asked}, **CHOICE)
    colour = define(folder, "colour", {"test": rows}, **CHOICE)
    text = define(folder, "words", {"test": rows}, **{k: v for k, v in CHOICE.items() if k != "doc_to_image"})
    return [*whether, *colour, *text, *define(folder, "caption", {"test": rows}, **CAPTION)]
