"""What a report shows: plain values, read by `collect`, drawn by `render`. A part that could not be read says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.formats.funnel import Funnel
from stages.formats.layers import LayerRow
from stages.formats.metrics import Metrics
from stages.formats.rank_times import RankTimes
from stages.formats.readings import Reading
from stages.formats.results import Generation, Results
from stages.formats.tables import Tables
from stages.formats.token_counts import Counts


@dataclass(frozen=True)
class Missing:
    """A part of the journey that has nothing to show, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A rejected page, cut to what fits on a screen."""

    url: str
    text: str
    is_cut: bool


@dataclass(frozen=True, kw_only=True)
class Pages:
    """The way of the pages through the web stage."""

    funnel: Funnel
    by_source: Mapping[str, Funnel]
    """The same for each dump."""
    examples: Mapping[tuple[str, str], tuple[Example, ...]]
    """A few rejected pages by (step, reason)."""
    tables: Tables | None
    """Hosts and languages; None where the recipe does not give them to the report."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One start of one array element, from the ledger."""

    job: str
    element: int
    restart: int
    shards: tuple[int, ...]
    slurm_id: str
    """Empty on a machine without Slurm."""
    node: str
    started: float
    """Unix seconds."""
    ended: float | None
    """None if the ledger has no end."""
    verdict: str
    """done, requeue, failed, never, bad-node or lost as the ledger has it; `running` while there is no end and no
    successor, `lost` if there is a successor."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything on the page."""

    run: str
    """The run's name."""
    made: float
    """When the report was made, Unix seconds; attempts that still run are drawn up to here."""
    pages: Pages | Missing
    tokens: Counts | Missing
    training: list[Metrics] | Missing
    """One row a step, in order; never empty."""
    readings: Sequence[Reading] = ()
    """What it read; empty where the recipe does not give it to the report."""
    layers: Sequence[LayerRow] = ()
    """Norms by part of the model, in order of step; empty unless the training was told to measure them."""
    ranks: RankTimes | None = None
    """Its ranks' own times; None where the recipe does not give them to the report."""
    results: list[Results] | Missing
    generations: list[Generation] | Missing
    attempts: list[Attempt] | Missing
    """In order of start."""
