"""The step of the sample stage: one WARC file, its part of the answer key, and in the first unit the facts.

A unit is written page by page and needs no other unit: time grows with its pages, memory does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.sample.config import SampleConfig
from stages.sample.pages import SamplePage, is_damaged, is_truncated, make_page
from stages.sample.prose import question
from stages.sample.warc import damage, gzip_member, response_record, warcinfo_record
from stages.sample.world import World, fact_row, make_world
from stages.shared.task import Task


def run(task: Task[SampleConfig]) -> dict[str, Any]:
    """Write one WARC file and its answer key."""
    config = task.config
    world = make_world(config.seed)
    name = config.file_name(task.place)
    pages = config.pages_of(task.place)
    with (task.out / name).open("wb") as warc, (task.out / KINDS.key.file).open("w", encoding="utf-8") as key:
        for count, number in enumerate(pages):
            page = make_page(config, world, number)
            if count == 0:
                warc.write(gzip_member(warcinfo_record(name, page.key.dump, page.response.date)))
            warc.write(_member(page))
            key.write(_line(page.key_row()))
            task.progress(count + 1)
    if task.place == 0:
        write_lines(task.out / KINDS.facts.file, facts(world))
    return {"pages": len(pages)}


def facts(world: World) -> list[dict[str, Any]]:
    """Return the questions that no page asks, one for each held-out fact."""
    return [fact_row(world, fact, question(fact)) for fact in world.facts if fact.is_held_out]


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    path.write_text("".join(map(_line, rows)), encoding="utf-8")


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n"


def _member(page: SamplePage) -> bytes:
    member = gzip_member(response_record(page.response))
    if is_damaged(page):
        return damage(member)
    return member[: len(member) * 2 // 3] if is_truncated(page) else member
