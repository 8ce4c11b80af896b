"""Feeds: which samples a step trains on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch.utils.data import Dataset

from stages.train.data.schedule import Schedule
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
    """Takes the samples of a dataset in order: an arithmetic of the step, with nothing to remember."""

    def __init__(self, dataset: Dataset[Batch], schedule: Schedule) -> None:
        self._dataset, self._schedule = dataset, schedule

    def take(self, step: int, state: FeedState) -> tuple[Sequence[Batch], FeedState]:
        """Return the samples after those of the earlier steps."""
        return Window(self._dataset, self._schedule.sequences_before(step), self._schedule.batch_size(step)), state


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
