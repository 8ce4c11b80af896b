"""Prompts, a tokenizer, a rule and small settings: what the tests of `align.ppo` start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages.align.ppo.config import PpoConfig
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.tokens.indexed import DatasetWriter
from tests.stages.align.sft.world import CONTROLS, MODEL, chats, write_world

SHORTER = {"per_token": -1.0}
SETTINGS: dict[str, Any] = {
    "model": {**MODEL, "seq_len": 48, "extra_tokens": [*CONTROLS], "init_std": 0.05},
    **{"steps": 4, "global_batch": 4, "microbatch": 2, "lr": 1e-3, "value_lr": 1e-3, "warmup_steps": 2},
    **{"prompts_per_round": 8, "max_new_tokens": 8, "rollout_batch": 1, "checkpoint_every": 1},
    **{"checkpoint_keep": 4, "tensorboard": False},
}
"""Two rounds of two updates."""


def write_prompts(folder: Path) -> Path:
    """Write a tokenizer, prompts and the rule that shorter answers are better; return the folder."""
    write_world(folder)
    lines = [
        json.dumps({"id": chat.id, "messages": [{"role": "user", "content": chat.messages[0].text}]})
        for chat in chats(24, seed=5)
    ]
    (folder / "prompts.jsonl").write_text("\n".join(lines), "utf-8")
    tokenizer = Tokenizer(folder / KINDS.tokenizer.file)
    with DatasetWriter(folder / "tokens-pages.bin", tokenizer.vocab_size) as writer:
        for chat in chats(100, seed=6):
            writer.write([*tokenizer.encode(" ".join(message.text for message in chat.messages)), tokenizer.eos_id])
    (folder / "rule.json").write_text(json.dumps(SHORTER), "utf-8")
    return folder


def settings(**changes: Any) -> PpoConfig:
    """Return the settings with changes; those of `model` are merged."""
    model = {**SETTINGS["model"], **changes.pop("model", {})}
    given = {"prompts": "x", "tokenizer": "x", "rule": "x", **SETTINGS, **changes, "model": model}
    return PpoConfig.model_validate({name: value for name, value in given.items() if value is not None})
