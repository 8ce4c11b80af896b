"""The step of `curated.arxiv`: the papers of one file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages.curated.arxiv.config import ArxivConfig
from stages.curated.arxiv.latex import body_of
from stages.curated.arxiv.macros import expand, without_definitions
from stages.curated.arxiv.sources import Paper, identifier_of, papers, whole_text
from stages.curated.items import Damaged, Dropped, Found, Item
from stages.curated.reading.unit import damage_of, read_unit
from stages.shared import log
from stages.shared.task import Task


def read(task: Task[ArxivConfig]) -> dict[str, Any]:
    """Write the papers of one file."""
    return read_unit(task, items(task))


def items(task: Task[ArxivConfig]) -> Iterator[Found]:
    """Yield the papers and what is none."""
    (file,) = task.inputs["files"]
    damages: list[Damaged] = []
    for found in papers(file.path, int(task.config.max_paper_mb * 1e6), damages.append):
        yield document(found, file.source, task.config) if isinstance(found, Paper) else found
    for damage in damages:
        yield damage_of(damage, file.path)


def document(paper: Paper, source: str, config: ArxivConfig) -> Found:
    """Return a paper's text, or the reason why it gives none."""
    limit = int(config.max_paper_mb * 1e6)
    number = identifier_of(paper.name)
    url = f"https://arxiv.org/abs/{number}" if number else ""
    whole = whole_text(paper, limit)
    if whole is None:
        return Dropped(reason="no_latex", id=paper.name, url=url, text="\n".join(sorted(paper.files)))
    plain, macros = without_definitions(whole)
    body = body_of(plain, config.before_section, config.appendix == "keep")
    if body is None:
        return Dropped(reason="no_section", id=paper.name, url=url, text=plain[:2000])
    expanded = expand(body, macros, config.max_expansions, limit)
    if not expanded.is_whole:
        log.warning(f"{paper.name}: expansion_stopped: its macros need more than max_expansions or max_paper_mb")
    return Item(id=f"{source}/{number or paper.name}", url=url, text=expanded.text)
