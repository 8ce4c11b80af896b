"""A few ranked responses and small settings: what the tests of reward models and of DPO start from."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.align.dpo.config import DpoConfig
from stages.align.reward.config import RewardConfig
from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.preferences import Preference, Response, write_preferences
from stages.shared.contract import InputFile
from tests.stages.align.sft.world import CONTROLS, THINGS, TOWNS, write_world

MODEL = {"num_layers": 2, "dim": 64, "num_heads": 4, "num_kv_heads": 2, "ffn_dim": 128, "seq_len": 256}
SETTINGS: dict[str, Any] = {
    "model": {**MODEL, "head": "scalar", "extra_tokens": [*CONTROLS, "<|score|>"]},
    **{"steps": 8, "global_batch": 4, "microbatch": 2, "lr": 3e-3, "warmup_steps": 1, "epochs": 100.0},
}

HELD: dict[str, Any] = {"heldout": 0.2, "heldout_batches": 1, "heldout_every": 4}
REWARD: dict[str, Any] = {**SETTINGS, **HELD, "checkpoint_every": 3}
"""The reward model that is trained on ranks."""
LAYOUTS: list[dict[str, Any]] = [
    {"layout": {"tp": 2, "pp": 2}},
    {"layout": {"dp": 2, "zero": 3}, "engine": "deepspeed", "microbatch": 1},
]


@dataclass(frozen=True)
class Trained:
    """A finished stage."""

    folder: Path
    config: RewardConfig
    outputs: dict[str, tuple[InputFile, ...]]

    @property
    def final(self) -> Path:
        """The final checkpoint, with the scale of its scores."""
        return self.outputs["checkpoint"][0].path


def preference(number: int, draw: random.Random) -> Preference:
    """Return 2 to 4 prices, the cheapest best, of which some are equal."""
    thing, town = draw.choice(THINGS), draw.choice(TOWNS)
    prices = [draw.randrange(1, 9) for _ in range(draw.choice((2, 3, 4)))]
    if len(set(prices)) == 1:
        prices[0] += 1
    return Preference(
        prompt=(text_message("user", f"{number}: {thing} in {town}?"),),
        responses=tuple(Response(f"{thing} is {price} pence.", "world") for price in prices),
        ranks=tuple(1 + sorted(set(prices)).index(price) for price in prices),
        ranked_by="rule",
        source="world",
    )


def write_ranked(folder: Path) -> dict[str, tuple[InputFile, ...]]:
    """Write two sources of preferences, demonstrations and a tokenizer; return them as inputs."""
    tokenizer = write_world(folder)["tokenizer"]
    draw = random.Random(3)
    found = [preference(number, draw) for number in range(90)]
    write_preferences(folder / "people.jsonl", found[:60])
    write_preferences(folder / "rules.jsonl", found[60:])
    chats = [
        Chat(id=str(number), messages=(*each.prompt, text_message("assistant", each.responses[0].text)))
        for number, each in enumerate(found[:12])
    ]
    write_chats(folder / "shown.jsonl", chats)
    return {
        "preferences": tuple(InputFile(folder / f"{name}.jsonl", name, mb=0.1) for name in ("people", "rules")),
        "demonstrations": (InputFile(folder / "shown.jsonl", "", mb=0.1),),
        "tokenizer": tokenizer,
    }


def _merged(changes: dict[str, Any], head: str) -> dict[str, Any]:
    model: Mapping[str, Any] = changes.pop("model", {})
    merged = {**SETTINGS, **changes, "model": {**SETTINGS["model"], "head": head, **model}}
    return {"preferences": "x", "tokenizer": "x", **merged}


def reward_settings(**changes: Any) -> RewardConfig:
    """Return the settings of a reward model with changes; those of `model` are merged."""
    return RewardConfig.model_validate(_merged(changes, "scalar"))


def dpo_settings(**changes: Any) -> DpoConfig:
    """Return the settings of DPO with changes; those of `model` are merged."""
    return DpoConfig.model_validate({"continue_from": "x", **_merged(changes, "lm")})
