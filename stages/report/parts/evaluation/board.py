"""The leaderboard: a row for each checkpoint, a column for each task with its main metric. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from stages.formats.results import UNTRAINED, Results, Score, main_metric_order
from stages.report.parts.evaluation.checkpoints import in_order, role_of
from stages.report.parts.evaluation.comparison import CheckpointScore, Comparison, protocol_of
from stages.report.parts.evaluation.published import MODELS, PublishedModel, PublishedScore


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One score of the board."""

    row: CheckpointScore | None
    """None if the checkpoint was not measured."""
    is_best: bool


@dataclass(frozen=True, kw_only=True)
class BoardRow:
    """A checkpoint."""

    checkpoint: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A published score in a column."""

    score: PublishedScore
    is_same_protocol: bool


@dataclass(frozen=True, kw_only=True)
class ReferenceRow:
    """A published model."""

    model: PublishedModel
    cells: tuple[Reference | None, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """The leaderboard."""

    columns: tuple[Comparison, ...]
    rows: tuple[BoardRow, ...]
    """The newest checkpoint first: of many rows the page shows the first ones without scrolling."""
    references: tuple[ReferenceRow, ...]
    """Models with a score in one of the columns."""

    @property
    def chances(self) -> tuple[Score | None, ...]:
        """A score of each column that knows the level of chance; None if guessing has no meaning."""
        return tuple(
            next((row.score for row in column.rows if row.score.chance is not None), None) for column in self.columns
        )


def leaderboard(results: Sequence[Results], comparisons: Sequence[Comparison]) -> Board:
    """Return the board of the main metrics of everything that was measured."""
    main = {name for result in results for name in _main_metrics(result)}
    columns = tuple(each for each in comparisons if (each.task, each.metric, each.protocol, each.source) in main)
    by_source = [{row.source: row for row in column.rows} for column in columns]
    sources = in_order(result.key.source for result in results)[::-1]
    rows = [
        BoardRow(checkpoint=source, cells=tuple(map(_cell, columns, [rows.get(source) for rows in by_source])))
        for source in sources
    ]
    references = [
        ReferenceRow(model=model, cells=tuple(_reference(model, column) for column in columns)) for model in MODELS
    ]
    return Board(
        columns=columns,
        rows=tuple(row for row in rows if any(cell.row for cell in row.cells)),
        references=tuple(row for row in references if any(row.cells)),
    )


def _main_metrics(result: Results) -> list[tuple[str, str, str, str]]:
    """Return the columns of a result: the task itself; all its tasks if they have no common score."""
    tasks = {score.task for score in result.scores}
    shown = {result.key.task} if result.key.task in tasks else tasks
    found = []
    for task in sorted(shown):
        metrics = [score.metric for score in result.scores if score.task == task]
        metric = min(metrics, key=partial(main_metric_order, task, result.key.variant))
        found.append((task, metric, protocol_of(result.key), result.protocol))
    return found


def _cell(column: Comparison, row: CheckpointScore | None) -> Cell:
    trained = [each.score.value for each in column.rows if role_of(each.source) != UNTRAINED]
    best = (max if column.higher_is_better else min)(trained, default=None)
    is_best = row is not None and len(trained) > 1 and role_of(row.source) != UNTRAINED and row.score.value == best
    return Cell(row=row, is_best=is_best)


def _reference(model: PublishedModel, column: Comparison) -> Reference | None:
    score = model.scores.get(column.task)
    if score is None:
        return None
    return Reference(score=score, is_same_protocol=score.same == (column.metric, column.protocol))
