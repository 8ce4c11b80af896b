"""Prompts for a policy: chats without their last answer, and those of a round."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.formats.chat.chats import Message, parse_chat
from stages.formats.chat.templates import ChatEncoder
from stages.shared.contract import InputFile, unique_keys
from stages.shared.errors import DataError


@dataclass(frozen=True)
class Prompt:
    """A conversation to answer."""

    id: str
    context: tuple[int, ...]
    """Its tokens, up to the begin of the answer."""
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Prompts:
    """The prompts of files."""

    all: tuple[Prompt, ...]
    left_out: dict[str, int]
    """Chats that are no prompts, by reason."""
    end_id: int | None
    """The token that ends an answer; None: the end of sequence alone does."""


def read_prompts(files: Sequence[InputFile], encoder: ChatEncoder, room: int) -> Prompts:
    """Return the prompts of chats: all before the last answer. Raises DataError if none is left.

    Prompts of more than `room` tokens are counted and left out.
    """
    found: list[Prompt] = []
    left_out: Counter[str] = Counter()
    for file in files:
        for number, line in _lines(file.path):
            try:
                chat = parse_chat(json.loads(line), number)
                messages = chat.messages[:-1] if chat.messages[-1].role == "assistant" else chat.messages
                context = encoder.prompt(messages)
            except (ValueError, KeyError, TypeError, AttributeError):
                left_out["unreadable or not in the template"] += 1
                continue
            if not messages:
                left_out["no prompt"] += 1
            elif len(context) > room:
                left_out["too long"] += 1
            else:
                found.append(Prompt(f"{file.source}/{chat.id}", tuple(context), tuple(messages)))
    if not found:
        problem = f"no prompt of at most {room} tokens ({dict(left_out)})"
        raise DataError(files[0].path, problem, "Give it chats, or lower max_new_tokens")
    ids = unique_keys(prompt.id for prompt in found)
    prompts = tuple(replace(prompt, id=id) for id, prompt in zip(ids, found, strict=True))
    return Prompts(prompts, dict(left_out), encoder.end_id)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace") as lines:
        yield from enumerate(lines, start=1)


def of_round(prompts: Sequence[Prompt], count: int, number: int, seed: int) -> list[Prompt]:
    """Return the prompts of a round: each epoch of the prompts has every one once, in an order of its own."""
    size, first = len(prompts), number * count
    epochs = range(first // size, (first + count - 1) // size + 1)
    orders = np.concatenate([permutation(size, f"prompts/{seed}/{epoch}") for epoch in epochs])
    start = first - epochs[0] * size
    return [prompts[place] for place in orders[start : start + count]]


def permutation(size: int, key: str) -> NDArray[np.int64]:
    """Return a permutation that is a function of the key."""
    seed = np.frombuffer(hashlib.sha256(key.encode()).digest(), np.uint32)
    return np.random.RandomState(seed).permutation(size)
