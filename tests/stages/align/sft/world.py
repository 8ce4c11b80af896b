"""A few chats, their tokenizer and small settings: what the tests of `align` start from."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.align.sft.config import AlignConfig
from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.chat.templates import load_template
from stages.formats.kinds import KINDS
from stages.shared.contract import InputFile
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.hf import to_tokenizer_json
from stages.tokenizer.spm import train

CONTROLS = load_template("stagecoach").controls
MODEL = {"num_layers": 2, "dim": 64, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 128, "seq_len": 64}
SETTINGS: dict[str, Any] = {
    "model": {**MODEL, "extra_tokens": [*CONTROLS]},
    **{"steps": 6, "global_batch": 4, "microbatch": 2, "lr": 2e-3, "warmup_steps": 1},
}
THINGS = ["bread", "milk", "a lamp", "an inkwell", "a kettle", "rope"]
TOWNS = ["Amble", "Bexley", "Corby", "Dover"]


def chats(count: int, seed: int = 1) -> list[Chat]:
    """Return chats of one to three turns about prices."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        messages = []
        for _ in range(draw.choice((1, 1, 2, 3))):
            thing, town = draw.choice(THINGS), draw.choice(TOWNS)
            messages.append(text_message("user", f"What is the price of {thing} in {town}?"))
            messages.append(text_message("assistant", f"{thing} is {draw.randrange(1, 40)} pence."))
        found.append(Chat(id=str(number), messages=tuple(messages)))
    return found


def write_world(folder: Path) -> dict[str, tuple[InputFile, ...]]:
    """Write a tokenizer and two sources of chats, one of them in two files; return them as inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [message.text for chat in chats(200, seed=9) for message in chat.messages]
    model = train(texts, TokenizerConfig(documents="unused", vocab_size=300))
    (folder / KINDS.tokenizer.file).write_bytes(model)
    (folder / "tokenizer.json").write_text(to_tokenizer_json(model), encoding="utf-8")
    large, small = chats(120, seed=1), chats(30, seed=2)
    for name, part in (("large-0", large[:70]), ("large-1", large[70:]), ("small", small)):
        write_chats(folder / f"{name}.jsonl", part)
    files = (("large-0", "large"), ("large-1", "large"), ("small", "small"))
    return {
        "chats": tuple(InputFile(folder / f"{name}.jsonl", source, mb=0.1) for name, source in files),
        "tokenizer": (InputFile(folder / KINDS.tokenizer.file, "", count=300),),
    }


def settings(**changes: Any) -> AlignConfig:
    """Return the settings with changes; those of `model` are merged."""
    model: Mapping[str, Any] = changes.pop("model", {})
    merged = {**SETTINGS, **changes, "model": {**SETTINGS["model"], **model}}
    return AlignConfig.model_validate({"chats": "x", "tokenizer": "x", **merged})
