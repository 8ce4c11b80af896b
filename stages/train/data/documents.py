"""Lengths of a sequence's documents, for objectives that keep documents apart."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset

from stages.train.objectives.base import Batch


class WithDocuments(Dataset[Batch]):
    """The sequences of another dataset, with `document_lengths`: a document ends with `eod` or with its sequence."""

    def __init__(self, texts: Dataset[Batch], eod: int) -> None:
        self.texts, self.eod = texts, eod

    def __getitem__(self, index: int) -> Batch:
        row = self.texts[index]
        ends = row["tokens"] == self.eod
        ends[-1] = True
        return row | {"document_lengths": torch.diff(ends.nonzero()[:, 0], prepend=torch.tensor([-1]))}
