"""Reads funnels, samples of rejected pages and tables of hosts and languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.formats.documents import read_documents
from stages.formats.funnel import Funnel, merge, read_funnel
from stages.formats.kinds import KINDS
from stages.formats.tables import Tables, read_tables
from stages.formats.tables import merge as merge_tables
from stages.report.part import Material

EXAMPLES = 3
"""Rejected pages shown for each reason."""
EXAMPLE_CHARS = 1200
"""Characters of a rejected page that are shown: enough to see why it was rejected."""


@dataclass(frozen=True, kw_only=True)
class RejectedPage:
    """A rejected page, cut to what fits on a screen."""

    url: str
    text: str
    is_cut: bool


@dataclass(frozen=True, kw_only=True)
class PageCounts:
    """Pages of one section, step by step."""

    funnel: Funnel
    by_source: Mapping[str, Funnel]
    """The funnel of each dump."""
    examples: Mapping[tuple[str, str], tuple[RejectedPage, ...]]
    """A few rejected pages by (step, reason)."""
    tables: Tables | None
    """Hosts and languages; None if the section has counted none."""


def read(material: Material) -> PageCounts:
    """Return the pages of a section. Raises DataError, naming the file, for one that is damaged."""
    by_source: dict[str, list[Funnel]] = {}
    for file in material.of(KINDS.funnel):
        by_source.setdefault(file.source, []).append(read_funnel(file.path))
    funnel = merge(funnel for funnels in by_source.values() for funnel in funnels)
    tables = material.of(KINDS.tables)
    return PageCounts(
        funnel=funnel,
        by_source={source: merge(funnels) for source, funnels in by_source.items()},
        examples=read_examples(
            (file.path for file in material.of(KINDS.rejects)),
            {(step.name, reason) for step in funnel for reason in step.reasons},
        ),
        tables=merge_tables(read_tables(file.path) for file in tables) if tables else None,
    )


def read_examples(
    paths: Iterable[Path], wanted: set[tuple[str, str]]
) -> dict[tuple[str, str], tuple[RejectedPage, ...]]:
    """Return the first rejected pages of each (step, reason) wanted; stops reading when every reason has enough."""
    found: dict[tuple[str, str], list[RejectedPage]] = {}
    open_reasons = set(wanted)
    for path in paths:
        if not open_reasons:
            break
        for page in read_documents(path):
            where = (str(page.get("step", "")), str(page.get("reason", "")))
            if where not in open_reasons:
                continue
            url, text = str(page.get("url", "")), page["text"]
            found.setdefault(where, []).append(
                RejectedPage(url=url, text=text[:EXAMPLE_CHARS], is_cut=len(text) > EXAMPLE_CHARS)
            )
            if len(found[where]) == EXAMPLES:
                open_reasons.discard(where)
    return {where: tuple(examples) for where, examples in found.items()}
