"""Samples read before they are asked for, on a thread: storage may take longer than a step's first microbatch waits."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from torch.utils.data import Dataset

from stages.train.objectives.base import Batch


class ReadAhead(Dataset[Batch]):
    """A dataset whose expected samples are read by a thread.

    A sample is a function of its number: it is the same with and without. Nothing of this is state: after a kill, the
    samples are read again. An error in a sample is raised where the sample is asked for.
    """

    def __init__(self, dataset: Dataset[Batch]) -> None:
        self._dataset = dataset
        self._reader = ThreadPoolExecutor(1)
        self._coming: dict[int, Future[Batch]] = {}

    def __getitem__(self, number: int) -> Batch:
        coming = self._coming.get(number)
        return self._dataset[number] if coming is None else coming.result()

    def expect(self, numbers: Iterable[int]) -> None:
        """Begin to read the samples that are not read yet, in order; forget all others."""
        wanted = dict.fromkeys(numbers)
        for number in self._coming.keys() - wanted.keys():
            self._coming.pop(number).cancel()
        for number in (number for number in wanted if number not in self._coming):
            self._coming[number] = self._reader.submit(self._dataset.__getitem__, number)
