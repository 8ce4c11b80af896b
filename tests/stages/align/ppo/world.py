"""Prompts, a tokenizer, a rule and small settings: what the tests of `align.ppo` start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.stages.align.sft.world import CONTROLS, MODEL, chats, write_world

SHORTER = {"per_token": -1.0}
SETTINGS: dict[str, Any] = {
    "model": {**MODEL, "seq_len": 48, "extra_tokens": [*CONTROLS], "init_std": 0.05},
    **{"steps": 6, "global_batch": 4, "microbatch": 2, "lr": 1e-3, "value_lr": 1e-3, "warmup_steps": 2},
    **{"prompts_per_round": 8, "max_new_tokens": 8, "rollout_batch": 2, "checkpoint_every": 1, "tensorboard": False},
}
"""Rounds of two updates."""


def write_prompts(folder: Path) -> Path:
    """Write a tokenizer, prompts and the rule that shorter answers are better; return the folder."""
    write_world(folder)
    lines = [
        json.dumps({"id": chat.id, "messages": [{"role": "user", "content": chat.messages[0].text}]})
        for chat in chats(24, seed=5)
    ]
    (folder / "prompts.jsonl").write_text("\n".join(lines), "utf-8")
    (folder / "rule.json").write_text(json.dumps(SHORTER), "utf-8")
    return folder
