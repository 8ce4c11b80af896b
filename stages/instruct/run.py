"""The steps of the instruct stage: render a task file, draw the mixture once, write a share of its chats."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from stages.formats.chat.chats import Chat, text_message, write_chats
from stages.formats.chat.mixtures import DrawnCell, Mixture, TaskState, read_mixture, write_mixture
from stages.formats.chat.rejects import Reject, Rejects
from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.instruct.config import STYLES, InstructConfig, Style
from stages.instruct.leaks import Leaks
from stages.instruct.options import read_formats
from stages.instruct.rates import Cell, draws, picks, rate, shares
from stages.instruct.rendering import Limits, Renderer
from stages.instruct.rows import Row, read_rows
from stages.instruct.templates import templates_of
from stages.shared import log
from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json
from stages.shared.task import Task

COUNTS, REJECTS = "counts.json", "rejects.json"
"""Files of `render`: rows, examples by style and rejects by reason; samples of the rejects."""
Files = list[tuple[Path, int]]
"""Files of one task's examples in one style, with the number of examples in each."""


def render(task: Task[InstructConfig]) -> dict[str, Any]:
    """Write the examples of a task file, a file a style; return the counts."""
    (file,) = task.inputs["files"]
    settings = task.config.tasks[file.source]
    prompts = [each.path for each in task.inputs.get("prompts", ())]
    rejects = Rejects()
    rows: list[Row | None] = []
    for number, row in enumerate(read_rows(file.path, settings.columns, settings.inline_options), start=1):
        if isinstance(row, Reject):
            rejects.add(row, row=number)
        rows.append(None if isinstance(row, Reject) else row)
    renderer = Renderer(
        name=task.unit,
        seed=task.config.seed,
        templates=templates_of(settings.templates, prompts, settings.only),
        formats=read_formats(),
        limits=Limits.of(task.config, Tokenizer(task.inputs["tokenizer"][0].path), Leaks(_items(task))),
    )
    examples: Counter[str] = Counter()
    with ExitStack() as stack:
        writers: dict[Style, TextIO] = {}
        for example in renderer.render(rows, rejects):
            if example.style not in writers:
                path = task.out / f"{example.style}.jsonl"
                writers[example.style] = stack.enter_context(path.open("w", encoding="utf-8"))
            writers[example.style].write(json.dumps(asdict(example)) + "\n")
            examples[example.style] += 1
            task.progress(examples.total())
    counts = {"rows": len(rows), "examples": dict(examples), "rejects": dict(rejects.counts)}
    write_json(task.out / COUNTS, {**counts, "task": file.source, "unit": task.unit})
    write_json(task.out / REJECTS, rejects.samples)
    if not examples:
        log.warning(f"{file.path}: no example can be made ({dict(rejects.counts)}); the mixture does without")
    return counts


def _items(task: Task[InstructConfig]) -> Iterator[Row]:
    """Yield the items of evaluations. Raises DataError for one that cannot be read: it could be trained on."""
    for file in task.inputs.get("evaluations", ()):
        for number, item in enumerate(read_rows(file.path, ()), start=1):
            if isinstance(item, Reject):
                raise DataError(file.path, f"{item.reason}: {item.detail}", "Mend the file", record=number)
            yield item


def draw(task: Task[InstructConfig]) -> dict[str, Any]:
    """Write the table of the mixture: examples, shares that are promised, draws. Raises DataError if it is empty."""
    config = task.config
    cells = [cell for cell, _ in _cells(config, task.steps["render"])]
    promised = shares(cells, config.mixtures)
    counts = [read_json(folder / COUNTS) for folder in task.steps["render"]]
    if not any(promised):
        remedy = f"Read the samples of rejects in {REJECTS} of the units of `render`"
        raise DataError("instruct", f"no task has an example in a style with a weight ({_rejects(counts)})", remedy)
    drawn = Counter(cell for cell, _ in draws(promised, config.draws, config.seed))
    table = (
        DrawnCell(**asdict(cell), rate=rate(cell, config.mixtures), share=share, drawn=drawn[place])
        for place, (cell, share) in enumerate(zip(cells, promised, strict=True))
    )
    mixture = Mixture(draws=config.draws, cells=tuple(table), tasks=_tasks(config, counts))
    write_mixture(task.out / KINDS.mixture.file, mixture)
    return {"draws": config.draws, "examples": sum(cell.examples for cell in cells), "rejects": _rejects(counts)}


def mix(task: Task[InstructConfig]) -> dict[str, Any]:
    """Write this unit's share of the chats, in the order of their draws."""
    config = task.config
    mixture = read_mixture(task.steps["draw"][0] / KINDS.mixture.file)
    begin, end = (mixture.draws * place // config.shares for place in (task.place, task.place + 1))
    wanted: dict[int, list[tuple[int, int]]] = {}
    promised = [cell.share for cell in mixture.cells]
    for number, (cell, ordinal) in enumerate(draws(promised, end, config.seed)):
        if number >= begin:
            wanted.setdefault(cell, []).append((number, ordinal))
    cells = _cells(config, task.steps["render"])
    chats = dict(pair for place, numbers in wanted.items() for pair in _chats(*cells[place], numbers, config.seed))
    write_chats(task.out / KINDS.chats.file, (chats[number] for number in range(begin, end)))
    return {"chats": end - begin}


def _cells(config: InstructConfig, folders: Sequence[Path]) -> list[tuple[Cell, Files]]:
    """Return the cells that have examples, in the order of the units, with the files of each."""
    found: dict[tuple[str, Style], Files] = {}
    for folder in folders:
        counts = read_json(folder / COUNTS)
        for style in STYLES:
            if count := counts["examples"].get(style, 0):
                found.setdefault((counts["task"], style), []).append((folder / f"{style}.jsonl", count))
    return [
        (Cell(config.tasks[name].mixture, name, style, sum(count for _, count in files)), files)
        for (name, style), files in found.items()
    ]


def _chats(cell: Cell, files: Files, numbers: Sequence[tuple[int, int]], seed: int) -> Iterator[tuple[int, Chat]]:
    """Yield draws of a cell with their numbers; reads each file once."""
    taken = picks(cell, [ordinal for _, ordinal in numbers], seed)
    by_line: dict[int, list[int]] = {}
    for (number, _), line in zip(numbers, taken, strict=True):
        by_line.setdefault(line, []).append(number)
    first = 0
    for path, count in files:
        source = read_json(path.parent / COUNTS)["unit"]
        with path.open(encoding="utf-8") as lines:
            for place, text in enumerate(lines, start=first):
                for number in by_line.get(place, ()):
                    yield number, _chat(number, cell, source, json.loads(text))
        first += count


def _chat(number: int, cell: Cell, source: str, example: dict[str, Any]) -> Chat:
    messages = (text_message("user", example["prompt"]), text_message("assistant", example["target"]))
    kept = {name: example[name] for name in ("style", "template", "row", "shots")}
    provenance = {"source": source, "task": cell.task, "mixture": cell.mixture, **kept}
    return Chat(id=str(number), messages=messages, provenance=provenance)


def _tasks(config: InstructConfig, counts: Sequence[dict[str, Any]]) -> dict[str, TaskState]:
    tasks = {}
    for name in config.tasks:
        own = [each for each in counts if each["task"] == name]
        examples = sum(sum(each["examples"].values()) for each in own)
        tasks[name] = TaskState(
            state="held out" if config.is_held_out(name) else "used" if examples else "broken",
            rows=sum(each["rows"] for each in own),
            examples=examples,
            rejects=_rejects(own),
        )
    return tasks


def _rejects(counts: Sequence[dict[str, Any]]) -> dict[str, int]:
    return dict(sum((Counter(each["rejects"]) for each in counts), Counter()))
