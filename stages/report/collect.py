"""Read the files of a run, as many as there are, into ReportData."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from stages.formats.documents import read_documents
from stages.formats.funnel import Funnel, merge, read_funnel
from stages.formats.layers import read_layers
from stages.formats.metrics import Metrics, read_metrics
from stages.formats.rank_times import read_ranks
from stages.formats.readings import read_readings
from stages.formats.results import Generation, Results, read_generations, read_results
from stages.formats.tables import merge as merge_tables
from stages.formats.tables import read_tables
from stages.formats.token_counts import Counts, read_token_counts
from stages.report.attempts import read_attempts
from stages.report.data import Example, Missing, Pages, ReportData

Files = Mapping[str, Sequence[tuple[Path, str]]]
"""(path, source) of the files that exist, by field of ReportConfig. A field that the recipe does not set is absent."""
Part = TypeVar("Part")

EXAMPLES = 3
"""Rejected pages shown for each reason."""
EXAMPLE_CHARS = 1200
"""A page's text is cut here: enough to see why it was rejected."""
PRODUCERS = {
    "web": "the web stage",
    "tokens": "the tokens stage",
    "metrics": "the pretrain stage",
    "results": "the evaluate stage",
    "generations": "the task `generate` of the evaluate stage",
}
"""Who makes what, to say who is missing."""
MEANWHILE = {"metrics": "; meanwhile `tensorboard --logdir` of the run's folder draws its curves"}
"""Where to look until then."""


def collect(files: Files, run_dir: Path, made: float) -> ReportData:
    """Return what there is to show now. Raises DataError, naming the file, for one that is damaged."""
    return ReportData(
        run=run_dir.name,
        made=made,
        pages=_part(files, "web", lambda found: _pages(found, files.get("rejects", ()), files.get("tables", ()))),
        tokens=_part(files, "tokens", _tokens),
        training=_part(files, "metrics", _training),
        readings=[reading for path, _ in files.get("readings", ()) for reading in read_readings(path)],
        layers=[row for path, _ in files.get("layers", ()) for row in read_layers(path)],
        ranks=next((read_ranks(path) for path, _ in files.get("ranks", ())), None),
        results=_part(files, "results", _results),
        generations=_part(files, "generations", _generations),
        attempts=read_attempts(run_dir) or Missing("this run has no ledger: it was not started by the launcher"),
    )


def _part(files: Files, field: str, read: Callable[[Sequence[tuple[Path, str]]], Part | None]) -> Part | Missing:
    if field not in files:
        return Missing(f"this recipe does not give the report the output of {PRODUCERS[field]}")
    if not files[field]:
        return Missing(f"{PRODUCERS[field]} has not finished{MEANWHILE.get(field, '')}")
    return read(files[field]) or Missing(f"{PRODUCERS[field]} has written nothing")


def _pages(
    files: Sequence[tuple[Path, str]], rejects: Sequence[tuple[Path, str]], tables: Sequence[tuple[Path, str]]
) -> Pages:
    by_source: dict[str, list[Funnel]] = {}
    for path, source in files:
        by_source.setdefault(source, []).append(read_funnel(path))
    funnel = merge(funnel for funnels in by_source.values() for funnel in funnels)
    wanted = {(step.name, reason) for step in funnel for reason in step.reasons}
    return Pages(
        funnel=funnel,
        by_source={source: merge(funnels) for source, funnels in by_source.items()},
        examples=_examples((path for path, _ in rejects), wanted),
        tables=merge_tables(read_tables(path) for path, _ in tables) if tables else None,
    )


def _examples(paths: Iterable[Path], wanted: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[Example, ...]]:
    """Return the first few rejected pages of each reason; stops reading when no reason wants more."""
    found: dict[tuple[str, str], list[Example]] = {}
    open_reasons = set(wanted)
    for path in paths:
        if not open_reasons:
            break
        for page in read_documents(path):
            where = (str(page.get("step", "")), str(page.get("reason", "")))
            if where not in open_reasons:
                continue
            text = page["text"]
            example = Example(url=str(page.get("url", "")), text=text[:EXAMPLE_CHARS], is_cut=len(text) > EXAMPLE_CHARS)
            found.setdefault(where, []).append(example)
            if len(found[where]) == EXAMPLES:
                open_reasons.discard(where)
    return {where: tuple(examples) for where, examples in found.items()}


def _tokens(files: Sequence[tuple[Path, str]]) -> Counts:
    total: Counts = {}
    for path, _ in files:
        for source, counts in read_token_counts(path).items():
            into = total.setdefault(source, dict.fromkeys(counts, 0))
            for name, count in counts.items():
                into[name] = into.get(name, 0) + count
    return total


def _training(files: Sequence[tuple[Path, str]]) -> list[Metrics]:
    return [row for path, _ in files for row in read_metrics(path)]


def _results(files: Sequence[tuple[Path, str]]) -> list[Results]:
    return [read_results(path) for path, _ in files]


def _generations(files: Sequence[tuple[Path, str]]) -> list[Generation]:
    return [generation for path, _ in files for generation in read_generations(path)]
