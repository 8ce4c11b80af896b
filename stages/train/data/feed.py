"""Feeds: which samples a step trains on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from torch.utils.data import Dataset

from stages.train.data.schedule import Schedule, Sequences
from stages.train.objectives.base import Batch

FeedState = dict[str, Any]
"""JSON that a feed carries from step to step: part of a checkpoint."""


class Feed(Protocol):
    """Says which samples a step trains on. All ranks ask it the same and get the same."""

    def take(self, step: int, state: FeedState) -> tuple[Sequence[Batch], FeedState]:
        """Return the samples of step `step`, counted from 0, and the state after it. The first step's state is empty.

        There are Schedule.batch_size(step) samples. They are read lazily, and again if the step runs again. Each is a
        function of the step and the state: a resumed run takes the same.
        """


class InOrder(Feed):
    """Takes the samples of a dataset in order: an arithmetic of the step.

    There is nothing to remember, except by a continued training, where it went on: Schedule.sequences_taken.
    """

    def __init__(self, build: Callable[[Sequences], Dataset[Batch]], schedule: Schedule) -> None:
        """Take the samples of what `build` returns for their numbers. It is called once, in the first `take`."""
        self._build, self._schedule = build, schedule
        self._dataset: Dataset[Batch] | None = None

    def take(self, step: int, state: FeedState) -> tuple[Sequence[Batch], FeedState]:
        """Return the samples after those of the earlier steps. The first call is collective."""
        if self._dataset is None:
            self._dataset = self._build(self._schedule.sequences(state))
        first = self._schedule.sequences_taken(step, state)
        return Window(self._dataset, first, self._schedule.batch_size(step)), state


class Window(Sequence[Batch]):
    """Consecutive samples of a dataset."""

    def __init__(self, dataset: Dataset[Batch], first: int, size: int) -> None:
        self._dataset, self.first, self._size = dataset, first, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < self._size:
            raise IndexError(f"sample {number} of {self._size}")
        return self._dataset[self.first + number]
