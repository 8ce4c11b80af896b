"""The format of rollouts: responses that a policy sampled, with the token ids as sampled. JSON lines and arrays.

    NAME.jsonl   a response a line, for people and for what is no array
    NAME.npz     prompt, tokens, logprobs: the numbers of all responses, one after another; and how many each has

    {"prompt": "web/17", "messages": [{"role": "user", "content": "..."}], "sample": 0, "finish": "eos",
     "policy": "4be1...", "text": "...", "score": null, ...}

A training reads ids and log probabilities alone: text that is encoded again may be other ids. `.jsonl` is written last,
so a reader that finds it finds both.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.formats.chat.chats import Message, message_record, parse_message
from stages.formats.jsonl import read_rows
from stages.shared.errors import DataError
from stages.shared.files import write_atomic

ARRAYS = ".npz"
_FIELDS = ("prompt", "messages", "sample", "finish", "policy", "text", "inserted", "score")
_NUMBERS = {"context": np.int32, "tokens": np.int32, "logprobs": np.float64}
"""Types of the arrays."""
_REMEDY = "Remove it: it is sampled again"


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One response to one prompt."""

    prompt: str
    """Id of the prompt."""
    messages: tuple[Message, ...] = ()
    """The prompt's conversation, for people and judges; nothing is trained on it."""
    sample: int
    """Number of the response among those to its prompt, from 0."""
    finish: str
    """End of the response: `eos` by an end token, `length` at the limit, or a hook's reason."""
    policy: str
    """Digest of the weights that it was sampled with."""
    text: str
    """For people; nothing is trained on it."""
    context: tuple[int, ...]
    """Tokens of the prompt."""
    tokens: tuple[int, ...]
    """Tokens of the response as sampled, with the token that ended it."""
    logprobs: tuple[float, ...]
    """The sampler's log probability of each token, in nats; 0 for one that was inserted."""
    inserted: tuple[int, ...] = ()
    """Places of tokens that were put there and not sampled, such as a tool's result."""
    score: float | None = None
    """Score of the response; None: it is not scored yet."""

    def __post_init__(self) -> None:
        """Raise ValueError unless each token has its log probability."""
        if len(self.logprobs) != len(self.tokens):
            raise ValueError(f"{len(self.logprobs)} log probabilities of {len(self.tokens)} tokens")


def scored(rollouts: Sequence[Rollout], scores: Sequence[float]) -> list[Rollout]:
    """Return the responses with their scores."""
    return [replace(rollout, score=float(score)) for rollout, score in zip(rollouts, scores, strict=True)]


def write_rollouts(path: Path, rollouts: Sequence[Rollout]) -> None:
    """Write the responses to `path` (`.jsonl`) and the arrays beside it, in order. Equal responses are equal bytes."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, kind in _NUMBERS.items():
        values = [getattr(rollout, name) for rollout in rollouts]
        arrays[name] = np.array([number for each in values for number in each], dtype=kind)
        arrays[f"{name}_lengths"] = np.array([len(each) for each in values], dtype=np.int32)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_atomic(path.with_suffix(ARRAYS), buffer.getvalue())
    lines = "".join(json.dumps(_row(rollout), ensure_ascii=False) + "\n" for rollout in rollouts)
    write_atomic(path, lines.encode("utf-8", "replace"))


def _row(rollout: Rollout) -> dict[str, Any]:
    row = {name: getattr(rollout, name) for name in _FIELDS}
    return {**row, "messages": [message_record(each) for each in rollout.messages]}


def read_rollouts(path: Path) -> list[Rollout]:
    """Return the responses in order. Raises DataError, naming the file, if a part of one is missing."""
    rows = read_rows(path, _FIELDS, "rollout")
    arrays = path.with_suffix(ARRAYS)
    try:
        with np.load(arrays, allow_pickle=False) as found:
            columns = {name: _parts(found[name], found[f"{name}_lengths"]) for name in _NUMBERS}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(arrays, f"no arrays of rollouts ({error})", _REMEDY) from error
    if any(len(column) != len(rows) for column in columns.values()):
        raise DataError(arrays, f"other than {len(rows)} responses, which {path.name} has", _REMEDY)
    found_rollouts = []
    for number, row in enumerate(rows):
        values: dict[str, Any] = {name: tuple(column[number].tolist()) for name, column in columns.items()}
        values |= {name: row[name] for name in _FIELDS} | {"inserted": tuple(row["inserted"])}
        try:
            values["messages"] = tuple(map(parse_message, row["messages"]))
            found_rollouts.append(Rollout(**values))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(path, str(error), _REMEDY, record=number + 1) from error
    return found_rollouts


def _parts(numbers: NDArray[Any], lengths: NDArray[np.int32]) -> list[NDArray[Any]]:
    if int(lengths.sum()) != len(numbers):
        raise ValueError(f"{len(numbers)} numbers, where the lengths have {int(lengths.sum())}")
    return np.split(numbers, np.cumsum(lengths)[:-1]) if len(lengths) else []
