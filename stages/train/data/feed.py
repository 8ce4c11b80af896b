"""Feeds: which samples a step trains on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from torch.utils.data import Dataset

from stages.train.data.batches import share_of_rank
from stages.train.data.read_ahead import ReadAhead
from stages.train.data.schedule import Schedule, Sequences
from stages.train.models import Models
from stages.train.objectives.base import Batch

FeedState = dict[str, Any]
"""JSON that a feed carries from step to step: part of a checkpoint."""


class Feed(Protocol):
    """Says which samples a step trains on. All ranks ask it the same and get the same."""

    def take(self, step: int, state: FeedState, models: Models, /) -> tuple[Sequence[Batch], FeedState]:
        """Return the samples of step `step`, counted from 0, and the state after it. The first step's state is empty.

        `models` are as the step finds them: a feed may run them, and leaves no trace in them. Collective.

        There are Schedule.batch_size(step) samples. They are read lazily, and again if the step runs again. Each is a
        function of the step and the state: a resumed run takes the same.
        """


class InOrder(Feed):
    """Takes the samples of a dataset in order: an arithmetic of the step.

    There is nothing to remember, except by a continued training, where it went on: Schedule.sequences_taken.
    """

    def __init__(
        self, build: Callable[[Sequences], Dataset[Batch]], schedule: Schedule, reads_ahead_of: int = 0
    ) -> None:
        """Take the samples of what `build` returns for their numbers. It is called once, in the first `take`.

        With `reads_ahead_of` data parallel ranks, this rank's share of the next step is read during a step.
        """
        self._build, self._schedule, self._replicas = build, schedule, reads_ahead_of
        self._dataset: Dataset[Batch] | None = None

    def take(self, step: int, state: FeedState, _models: Models, /) -> tuple[Sequence[Batch], FeedState]:
        """Return the samples after those of the earlier steps. The first call is collective."""
        if self._dataset is None:
            dataset = self._build(self._schedule.sequences(state))
            self._dataset = ReadAhead(dataset) if self._replicas else dataset
        if isinstance(self._dataset, ReadAhead):
            self._dataset.expect([*self._share(step, state), *self._share(step + 1, state)])
        first = self._schedule.sequences_taken(step, state)
        return Window(self._dataset, first, self._schedule.batch_size(step)), state

    def _share(self, step: int, state: FeedState) -> Iterator[int]:
        """Yield the numbers in the dataset of this rank's samples of a step; none after the last step."""
        if step < self._schedule.steps:
            first = self._schedule.sequences_taken(step, state)
            for number in share_of_rank(self._schedule.batch_size(step), self._replicas):
                yield first + number


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
