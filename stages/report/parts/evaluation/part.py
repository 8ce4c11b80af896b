"""The part about evaluation: leaderboard, cost of fine-tuning, paired verdicts, curves, flipped samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stages.formats.corpus.contamination import read_contamination
from stages.formats.kinds import KINDS
from stages.formats.results import Base, EvaluationKey, Results, Sample
from stages.report.figures import Figure
from stages.report.part import Card, Material, Part, View
from stages.report.parts.evaluation.board import Board, leaderboard
from stages.report.parts.evaluation.checkpoints import in_order
from stages.report.parts.evaluation.clean import clean_scores, found_questions
from stages.report.parts.evaluation.comparison import CLEAR, Comparison, compare, headline
from stages.report.parts.evaluation.curves import Curve, curves
from stages.report.parts.evaluation.figures import curve_figure, scores_figure
from stages.report.parts.evaluation.flips import Flip, Place, Shown, flips, select, texts
from stages.report.parts.evaluation.read import find_samples, read, read_bases, sample_files
from stages.report.parts.evaluation.verdicts import Duel, duel, pairs
from stages.report.words import number, plural

MAX_CURVES = 24
"""Curves on the page."""
MAX_TAXES = 8
"""Fine-tuned checkpoints on the page that are compared with their base."""
MAX_TAX_FLIPS = 120
"""Samples on the page, shared by these and their tasks."""
MAX_OPEN = 40
"""Rows of the table of all metrics that is shown open."""


def show(material: Material) -> View:
    """Return the scores of one section, with the texts of the samples that flipped."""
    results, bases = read(material), read_bases(material)
    files = sample_files(material, results)
    measured = list(results.values())
    board = leaderboard(measured, compare(measured))
    wanted = [
        *select(_flips(measured, board, bases)),
        *(flip for found in _tax_flips(measured, _taxes(board, bases)) for flip in found),
    ]
    samples = find_samples([place for flip in wanted for place in (flip.one, flip.other)], files)
    inside = {key: path for key, path in files.items() if path.is_relative_to(material.run_dir)}
    shown = {key: path.relative_to(material.run_dir) for key, path in inside.items()}
    searched = [read_contamination(file.path) for file in material.of(KINDS.contamination)]
    return view(measured, samples, shown, bases, found_questions(searched) if searched else None)


def view(
    results: Sequence[Results],
    samples: Mapping[Place, Sample] | None = None,
    files: Mapping[EvaluationKey, Path] | None = None,
    bases: Mapping[str, Base] = MappingProxyType({}),
    found: Mapping[str, int] | None = None,
) -> View:
    """Return everything about results. Pure.

    `samples` holds the samples at the places of the selected flips, `files` the files of samples of each result,
    `bases` what read_bases returns, and `found` what found_questions returns, if documents were searched.
    """
    comparisons = compare(results)
    board = leaderboard(results, comparisons)
    drawn = curves(board.columns)
    taxes, chosen = _taxes(board, bases), _chosen(bases)
    figure = scores_figure(board.columns)
    return View(
        values={
            "comparisons": comparisons,
            "clear": CLEAR,
            "is_open": sum(len(each.rows) for each in comparisons) <= MAX_OPEN,
            "board": board,
            "is_searched": found is not None,
            "clean": (clean := clean_scores(results, found or {})),
            "clean_found": {row.full.task: row.documents for row in clean},
            "duels": _duels(board, chosen),
            "base": chosen,
            "flip_pair": next(iter(_pairs(board, bases)), ()),
            "taxes": [
                {"duel": each, "flips": _shown(found, samples or {}, files or {})}
                for each, found in zip(taxes, _tax_flips(results, taxes), strict=True)
            ],
            "curves": drawn[:MAX_CURVES],
            "curves_left": len(drawn[MAX_CURVES:]),
            **_flip_values(_flips(results, board, bases), samples or {}, files or {}),
        },
        figures={
            **({"chart-scores": figure} if figure else {}),
            **_curve_figures(drawn[:MAX_CURVES]),
        },
        cards=_cards(board.columns),
    )


def _chosen(bases: Mapping[str, Base]) -> str:
    """Return the base that the recipe names; empty: none."""
    return next((base.name for base in bases.values() if base.is_chosen), "")


def _pairs(board: Board, bases: Mapping[str, Base]) -> list[tuple[str, str]]:
    return pairs((row.checkpoint for row in reversed(board.rows)), _chosen(bases))


def _duels(board: Board, base: str) -> list[Duel]:
    """Return the pairs that share a task, without those with the base that the recipe names: they have a table."""
    found = (duel(*pair, board.columns) for pair in _pairs(board, {}) if not base or base not in pair)
    return [each for each in found if each.tasks]


def _flips(results: Sequence[Results], board: Board, bases: Mapping[str, Base]) -> list[Flip]:
    """Return the flips of the newest checkpoint against the base that the recipe names, else the one before it."""
    return flips(results, duel(*pair, board.columns)) if (pair := next(iter(_pairs(board, bases)), None)) else []


def _taxes(board: Board, bases: Mapping[str, Base]) -> list[Duel]:
    """Return each checkpoint that has a base against it, the newest first."""
    found = (duel(name, bases[name].name, board.columns) for name in reversed(in_order(bases)))
    return [each for each in found if each.tasks][:MAX_TAXES]


def _tax_flips(results: Sequence[Results], taxes: Sequence[Duel]) -> list[list[Flip]]:
    """Return the flips to show of each pair: an equal share of each pair and task."""
    return [select(flips(results, each), MAX_TAX_FLIPS // len(taxes)) for each in taxes]


def _curve_figures(drawn: Sequence[Curve]) -> dict[str, Figure]:
    return {f"chart-curve-{place}": curve_figure(curve) for place, curve in enumerate(drawn)}


def _flip_values(
    found: Sequence[Flip], samples: Mapping[Place, Sample], files: Mapping[EvaluationKey, Path]
) -> dict[str, Any]:
    shown = _shown(select(found), samples, files)
    return {
        "flips": shown,
        "flipped": len(found),
        "marks": {1: "right", 0: "wrong"},
        "verdicts": {1: "better", 0: "worse"},
        "flip_tasks": sorted({each.flip.task for each in shown}),
    }


def _shown(found: Sequence[Flip], samples: Mapping[Place, Sample], files: Mapping[EvaluationKey, Path]) -> list[Shown]:
    """Return the flips whose samples are there, with their texts."""
    return [text for text in (texts(flip, samples, files) for flip in found) if text]


def _cards(comparisons: Sequence[Comparison]) -> tuple[Card, ...]:
    best = headline(comparisons)
    if best is None:
        return ()
    comparison, shown = best
    score, others = shown.score, [row for row in comparison.rows if row.source != shown.source]
    notes = [] if score.chance is None else [f"chance {number(score.chance)}"]
    notes += [f"{other.source} {number(other.score.value)}" for other in others[:1]]
    return (
        Card(
            id="score",
            label=f"{comparison.task} {comparison.metric}",
            text=number(score.value),
            value=score.value,
            note="; ".join(notes) or plural(score.samples, "sample"),
        ),
    )


PART = Part(
    title="Evaluation",
    kinds=(KINDS.results, KINDS.samples),
    show=show,
    beside=(KINDS.contamination,),
    card="evaluation",
)
