"""The synthesis format: how chats came to be. `synthesize` writes it; the report reads it.

`synthesis.json`: {"method", "noun", "requests": {prompt: ...}, "prompt_tokens", "answer_tokens", "candidates", "kept",
"rejected": {reason: ...}, "mended": {...}, "samples": [...], "rounds": [...], "families": [...]}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.formats.chat.rejects import Rejects
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round over a pool."""

    candidates: int
    """Instructions that the teacher wrote."""
    kept: int
    pool: int
    """Instructions in the pool after it."""


@dataclass(frozen=True, kw_only=True)
class Relative:
    """An instruction in a family tree."""

    id: str
    text: str
    how: str
    """How it was made of its parents: a prompt or an operation; of a person's `human`."""
    round: int = 0
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Synthesis:
    """What one unit asked, kept and rejected."""

    method: str
    noun: str
    """Name of one candidate: record, instruction, instance, evolution."""
    requests: Mapping[str, int] = field(default_factory=dict)
    """Different requests by the name of their prompt, answered before or now."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    candidates: int
    kept: int
    rejected: Mapping[str, int]
    """By reason."""
    mended: Mapping[str, int] = field(default_factory=dict)
    """Chats that were kept without a part of them, by reason."""
    samples: tuple[Mapping[str, Any], ...] = ()
    """Some of the rejected, with their reasons."""
    rounds: tuple[Round, ...] = ()
    families: tuple[tuple[Relative, ...], ...] = ()
    """Some of the kept instructions, each after its ancestors."""


def synthesis_of_reading(noun: str, kept: int, rejects: Rejects, mended: Counter[str]) -> Synthesis:
    """Return the synthesis of a unit that read published samples, each kept or rejected."""
    return Synthesis(
        method="read",
        noun=noun,
        candidates=kept + rejects.counts.total(),
        kept=kept,
        rejected=dict(rejects.counts),
        mended=dict(+mended),
        samples=tuple(rejects.samples),
    )


def write_synthesis(path: Path, synthesis: Synthesis) -> None:
    """Write a synthesis, atomically."""
    write_json(path, asdict(synthesis))


def read_synthesis(path: Path) -> Synthesis:
    """Return the synthesis of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        rounds = tuple(Round(**each) for each in value.pop("rounds"))
        families = tuple(
            tuple(Relative(**{**each, "parents": tuple(each["parents"])}) for each in family)
            for family in value.pop("families")
        )
        return Synthesis(**{**value, "samples": tuple(value["samples"]), "rounds": rounds, "families": families})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"not a synthesis ({error!r})", "Run the unit that wrote it again") from error
