"""Tones, chats about them, their tokenizer and small settings: the start of the tests of `speech.train`."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from stages.formats.chat.chats import Chat, Message, Part, text_message, write_chats
from stages.formats.chat.templates import SOUND
from stages.formats.pictures.tars import key_of
from stages.formats.sounds.collections import Sound, SoundsWriter
from stages.shared.contract import InputFile
from stages.speech.train.config import SpeechTrainConfig
from tests.stages.align.sft.world import CONTROLS, MODEL, chats, write_world

TONES = {"red": 300.0, "green": 800.0, "blue": 2000.0, "white": 4500.0}
"""Frequencies in Hz, by a word that the tokenizer knows."""
LENGTHS = [(2400, 16_000), (2200, 8_000), (4000, 16_000)]
"""Samples and rates."""
ENCODER = {"num_mels": 16, "halvings": 2, "channels": 4, "num_layers": 1, "dim": 16, "num_heads": 2, "kernel": 3}
EARS: dict[str, Any] = {"encoder": ENCODER, "stack": 2, "join": {"kind": "mlp"}}
SETTINGS: dict[str, Any] = {
    "model": {**MODEL, "extra_tokens": [*CONTROLS, SOUND], "ears": EARS},
    "train": ["encoder", "join", "decoder"],
    "ctc": 0.3,
    **{"steps": 6, "global_batch": 4, "microbatch": 2, "lr": 3e-3, "warmup_steps": 1},
}


def sound(tone: float, size: tuple[int, int], seed: int, transcript: str = "") -> Sound:
    """Return a tone with noise."""
    count, rate = size
    noise = 0.02 * np.random.RandomState(seed).randn(count)
    file = io.BytesIO()
    soundfile.write(file, 0.4 * np.sin(2 * np.pi * tone / rate * np.arange(count)) + noise, rate, format="WAV")
    data = file.getvalue()
    return Sound(key=key_of(data), suffix="wav", data=data, samples=count, rate=rate, transcript=transcript)


def write_sounds(folder: Path, count: int) -> dict[str, str]:
    """Write a collection of tones, lengths in turn; return the word of each key."""
    found = {}
    with SoundsWriter(folder) as writer:
        for number in range(count):
            word = [*TONES][number % len(TONES)]
            size = LENGTHS[number % 3]
            made = sound(TONES[word] * (1 if size[1] > 8_000 else 0.8), size, number, word)
            found[made.key] = word
            writer.add(made)
    return found


def about(*keys: str, answer: str, text: str = "What colour is it?") -> tuple[Message, ...]:
    """Return a question about sounds with its answer."""
    parts = (*(Part("audio", key=key) for key in keys), Part("text", text))
    return Message("user", parts), text_message("assistant", answer)


def sound_chats(words: Mapping[str, str], count: int, seed: int = 1) -> list[Chat]:
    """Return chats about one or two sounds, and about none."""
    draw, keys, found = random.Random(seed), [*words], []
    for number in range(count):
        one, other = draw.sample(keys, 2)
        if number % 4 == 3:
            messages = about(one, other, answer=f"{words[one]} and {words[other]}.", text="Which colours?")
        else:
            messages = about(one, answer=f"It is {words[one]}.")
        found.append(Chat(id=str(number), messages=messages))
    return found + chats(count // 4, seed=seed)


def write_heard(folder: Path) -> dict[str, tuple[InputFile, ...]]:
    """Write sounds, a tokenizer and chats; return them as inputs."""
    world = write_world(folder)
    words = write_sounds(folder / "sounds", 24)
    write_chats(folder / "heard.jsonl", sound_chats(words, 60))
    return {
        **world,
        "chats": (InputFile(folder / "heard.jsonl", "heard", mb=0.1),),
        "sounds": (InputFile(folder / "sounds", ""),),
    }


def settings(**changes: Any) -> SpeechTrainConfig:
    """Return the settings with changes; those of `model` are merged."""
    model: Mapping[str, Any] = changes.pop("model", {})
    merged = {**SETTINGS, **changes, "model": {**SETTINGS["model"], **model}}
    return SpeechTrainConfig.model_validate({"chats": "x", "tokenizer": "x", "sounds": "x", **merged})
