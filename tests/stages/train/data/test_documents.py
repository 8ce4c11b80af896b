"""Documents of a sequence, by their lengths."""

from __future__ import annotations

from pathlib import Path

from stages.model import parallel
from stages.shared.task import Ranks
from stages.train.data.batches import microbatches
from stages.train.data.corpus import open_corpus
from stages.train.data.datasets import EndOfDocument, build_dataset
from stages.train.data.feed import Window
from stages.train.objectives.next_token import NextToken
from tests.stages.train.data.written import EOD, settings, write


def test_documents_that_shall_be_apart_come_with_their_lengths(tmp_path: Path) -> None:
    source = write(tmp_path, "a", 132)
    parallel.start(Ranks())
    config = settings(attend_across_documents=False)
    texts = build_dataset(
        open_corpus([source]),
        config,
        tmp_path / "index",
        EndOfDocument(EOD, 60_000),
        config.schedule.sequences({}),
    )
    objective = NextToken(config, EOD)
    samples = Window(objective.dataset(texts), 0, 8)
    for batch in microbatches(samples, objective.columns, config.microbatch, 1):
        for row, lengths in zip(batch["tokens"], by_row(batch["document_lengths"].tolist()), strict=True):
            parts = row.split(lengths)
            assert all(EOD not in part[:-1] for part in parts)
            assert all(part[-1] == EOD for part in parts[:-1])
            assert all((part.diff()[:-1] == 1).all() for part in parts)


def by_row(lengths: list[int]) -> list[list[int]]:
    rows: list[list[int]] = [[]]
    for length in lengths:
        if sum(rows[-1]) == 16:
            rows.append([])
        rows[-1].append(length)
    return rows
