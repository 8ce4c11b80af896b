"""A small online alignment of the closed world: files, and a recipe of rounds over them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.chat.templates import load_template
from stages.formats.kinds import KINDS
from stages.formats.preferences import write_preferences
from stages.sample.preferences.gold import Gold
from stages.sample.preferences.make import Prompt, compare, demonstrate, prompts
from stages.sample.world import make_world
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.hf import to_tokenizer_json
from stages.tokenizer.spm import train

SEQ_LEN = 96
MODEL = {"num_layers": 2, "dim": 64, "num_heads": 4, "seq_len": SEQ_LEN}


def write_world(folder: Path, comparisons: int, pieces: int = 400) -> Path:
    """Write demonstrations, comparisons, prompts, held-out prompts and a tokenizer, all English; return the folder."""
    world = make_world(1)
    asked = [each for each in prompts(world) if each.language == "en"]
    known = [each for each in asked if not each.is_held_out]
    gold = Gold(world)
    write_chats(folder / "demonstrations.jsonl", (demonstrate(world, each) for each in known))
    spread = known[:: max(1, len(known) // comparisons)][:comparisons]
    write_preferences(folder / "ranked.jsonl", (compare(world, gold, each) for each in spread))
    write_chats(folder / "prompts.jsonl", _questions(known))
    write_chats(folder / "heldout.jsonl", _questions(each for each in asked if each.is_held_out))
    texts = [message.text for each in known for message in demonstrate(world, each).messages]
    model = train(texts, TokenizerConfig(documents="unused", vocab_size=pieces))
    (folder / KINDS.tokenizer.file).write_bytes(model)
    (folder / "tokenizer.json").write_text(to_tokenizer_json(model), encoding="utf-8")
    return folder


def _questions(asked: Iterable[Prompt]) -> list[Chat]:
    return [Chat(id=str(at), messages=(text_message("user", each.text),)) for at, each in enumerate(asked)]


def write_recipe(folder: Path, count: int, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """Write the recipe of so many rounds over the files of a world; return its path."""
    controls = [*load_template("stagecoach").controls]
    model = {**MODEL, "extra_tokens": controls}
    common: dict[str, Any] = {
        **{"tokenizer": str(folder / KINDS.tokenizer.file), "checkpoint_every": 1000, "tensorboard": False},
        **{"layout": {"dp": 1}, "warmup_steps": 2},
    }
    answers: dict[str, Any] = {
        **{"stage": "align.rollout", "tokenizer": common["tokenizer"], "max_new_tokens": 24},
        **{"policy": {"sft": "from:sft", "ppo": "from:ppo"}, "batch": 8, "shards": 2},
    }
    sections: dict[str, dict[str, Any]] = {
        "sft": {
            **{"stage": "align.sft", "chats": str(folder / "demonstrations.jsonl"), "model": model, "lr": 2e-3},
            **{"steps": 8, "global_batch": 16, "microbatch": 16, **common},
        },
        "reward": {
            **{"stage": "align.reward", "continue_from": "from:sft", "continue_with": "weights", "epochs": 100},
            "preferences": {"first": str(folder / "ranked.jsonl"), "online": "from:labels@earlier"},
            **{"model": {**model, "head": "scalar", "seq_len": 4 * SEQ_LEN}, "lr": 1e-3, "steps": 6},
            **{"global_batch": 4, "microbatch": 4, **common},
        },
        "ppo": {
            **{"stage": "align.ppo", "prompts": str(folder / "prompts.jsonl"), "policy": "from:sft", "model": model},
            **{"reward": "from:reward", "prompts_per_round": 16, "global_batch": 8, "microbatch": 8, "steps": 4},
            **{"max_new_tokens": 24, "rollout_batch": 4, "rollout_shards": 2, "lr": 1e-3, "value_lr": 1e-3, **common},
        },
        "answers": {**answers, "prompts": str(folder / "prompts.jsonl"), "limit": 16, "samples": 2, "round": "@round"},
        "labels": {"stage": "sample.label", "answers": "from:answers"},
        "checked": {**answers, "prompts": str(folder / "heldout.jsonl")},
        "gold": {"stage": "sample.label", "answers": "from:checked"},
    }
    for section, settings in (changes or {}).items():
        sections[section] = {**sections[section], **settings}
    rounds = {"count": count, "sections": ["reward", "ppo", "answers", "labels", "checked", "gold"]}
    path = folder / f"online-{count}.yaml"
    recipe = {"about": "Online alignment of the closed world.", "rounds": rounds, **sections}
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), "utf-8")
    return path


def scores(run: Path, number: int) -> dict[str, float]:
    """Return the mean gold score of each policy's held-out answers in a round."""
    (mark,) = (run / "steps" / f"gold-{number}").glob("*/done/*.json")
    found: dict[str, float] = json.loads(mark.read_text("utf-8"))["summary"]["scores"]
    return found
