"""The format of rounds: JSON lines, one a round of a reinforcement learning. Written by stages/align/ppo.

    {"round": 0, "step": 0, "policy": "4be1...", "beta": 0.02, "next_beta": 0.02,
     "numbers": {"score": 0.4, "kl": 0.0, "length": 31.5, ...}, "finishes": {"eos": 60, "length": 4},
     "samples": [{"prompt": "web/17", "question": "...", "text": "...", "finish": "eos", "score": 0.7, "kl": 0.1}, ...]}

`step` counts the updates before the round: checkpoint `step-N` sampled it. `numbers` are means over the round's
responses, or over their tokens. `kl` is summed over a response. Equal runs have equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.formats.jsonl import read_rows
from stages.shared.files import write_atomic

FIELDS = ("round", "step", "policy", "beta", "next_beta", "numbers", "finishes", "samples")

RoundRow = dict[str, Any]


def write_rounds(path: Path, rows: Iterable[RoundRow]) -> None:
    """Write all rounds, replacing the file."""
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    write_atomic(path, "".join(lines).encode("utf-8", "replace"))


def read_rounds(path: Path) -> list[RoundRow]:
    """Return the rounds in order. Raises DataError, naming file and line, if one lacks one of FIELDS."""
    return read_rows(path, FIELDS, "round")
