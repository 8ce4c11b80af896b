"""The rate and the budget that the elements of a step share: a small file under a lock."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.shared.errors import EXIT_NEVER, StagecoachError
from stages.teacher.request import Answer, Request
from stages.teacher.settings import BudgetSettings
from stages.teacher.store import answers_folder

_LIMITS = ("requests", "tokens", "cost")


class BudgetError(StagecoachError):
    """The next request could exceed the budget."""

    exit_code = EXIT_NEVER


@dataclass(frozen=True)
class Spent:
    """Requests, tokens and money."""

    requests: float = 0
    tokens: float = 0
    cost: float = 0

    def plus(self, other: Spent, sign: int = 1) -> Spent:
        """Return the sum, or with sign -1 the difference."""
        return Spent(*(getattr(self, name) + sign * getattr(other, name) for name in _LIMITS))


def read_spent(run_dir: Path, section: str) -> Spent:
    """Return what a run has spent for a section; nothing if it asked no teacher, or replayed."""
    path = spent_file(run_dir, section)
    return Spent(**json.loads(path.read_bytes())["spent"]) if path.exists() else Spent()


def spent_file(run_dir: Path, section: str) -> Path:
    """Return the file of a section's meter."""
    return answers_folder(run_dir, section) / "spent.json"


class Meter:
    """Reserves room for a request before it is sent, and records what it took.

    Reserved is the most that a request can take, so a budget is never exceeded. What a killed writer had reserved
    counts as spent: the endpoint may have answered.
    """

    def __init__(self, path: Path, writer: str, budget: BudgetSettings, requests_per_minute: float | None) -> None:
        self._path, self._writer, self._budget = path, writer, budget
        self._interval = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._is_limited = bool(self._interval) or any(getattr(budget, name) is not None for name in _LIMITS)
        self._unwritten = Spent()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._state() as state:
            lost = state["reserved"].pop(writer, None)
            if lost is not None:
                _add(state, Spent(**lost))

    @contextmanager
    def _state(self) -> Iterator[dict[str, Any]]:
        """Give the shared state to read and change. Side effect: writes it back, under a lock."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            before = os.pread(file, os.fstat(file).st_size, 0)
            state = json.loads(before) if before else {"next": 0.0, "spent": vars(Spent()), "reserved": {}}
            yield state
            # Blanks in place of a cut: cutting a file that was just written costs a wait for the disk.
            os.pwrite(file, json.dumps(state).encode().ljust(len(before)), 0)
        finally:
            os.close(file)

    def reserve(self, request: Request) -> float:
        """Reserve room for a request. Returns the seconds to wait before it is sent. Raises BudgetError."""
        if not self._is_limited:
            return 0.0
        most = self._cost(*request.bound())
        with self._state() as state:
            self._require(state, most)
            mine = Spent(**state["reserved"].get(self._writer, {}))
            state["reserved"][self._writer] = vars(mine.plus(most))
            start = max(time.time(), float(state["next"]))
            state["next"] = start + self._interval
        return max(0.0, start - time.time())

    def settle(self, request: Request, answer: Answer | None) -> None:
        """Record what a request took; None: it was not answered, and cost nothing."""
        took = Spent() if answer is None else self._cost(answer.prompt_tokens, answer.answer_tokens)
        if not self._is_limited:
            self._unwritten = self._unwritten.plus(took)
            return
        with self._state() as state:
            mine = Spent(**state["reserved"].get(self._writer, {})).plus(self._cost(*request.bound()), -1)
            state["reserved"][self._writer] = vars(mine)
            _add(state, took)

    def flush(self) -> None:
        """Write what was spent without limits: it is no element's business until somebody asks."""
        if self._unwritten != Spent():
            with self._state() as state:
                _add(state, self._unwritten)
            self._unwritten = Spent()

    def spent(self) -> Spent:
        """Return what all elements have spent so far."""
        self.flush()
        with self._state() as state:
            return Spent(**state["spent"])

    def _cost(self, prompt: int, answer: int) -> Spent:
        money = (prompt * self._budget.price_in + answer * self._budget.price_out) / 1e6
        return Spent(1, prompt + answer, money)

    def _require(self, state: dict[str, Any], most: Spent) -> None:
        held = Spent(**state["spent"])
        for reserved in state["reserved"].values():
            held = held.plus(Spent(**reserved))
        for name in _LIMITS:
            limit = getattr(self._budget, name)
            if limit is not None and getattr(held.plus(most), name) > limit * (1 + 1e-9):
                raise BudgetError(
                    f"budget.{name} = {limit}: {getattr(held, name):g} are spent or reserved, and the next request may "
                    f"take {getattr(most, name):g}. Raise it, and the same command goes on; answers so far are kept"
                )


def _add(state: dict[str, Any], spent: Spent) -> None:
    state["spent"] = vars(Spent(**state["spent"]).plus(spent))
