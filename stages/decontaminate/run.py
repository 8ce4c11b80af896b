"""The steps of `decontaminate`: the index of all items, a file of documents against it, the sums over all files."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from datatrove.data import Document

from stages.decontaminate.config import DecontaminateConfig
from stages.formats.corpus.contamination import (
    Contamination,
    Item,
    Shared,
    TaskContamination,
    read_items,
    read_shared,
    write_contamination,
    write_items,
    write_shared,
)
from stages.formats.funnel import read_funnel
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.text.blocks.page_data import page_data
from stages.text.blocks.rejects import Rejects
from stages.text.blocks.rows import filter_file
from stages.text.overlap.block import Decontamination, Removal
from stages.text.overlap.index import Overlap, OverlapIndex, Sizes

INDEX_FILE = "index.npz"
PASSAGE_CHARS = 500
"""Characters of a passage that are kept to read."""
EXAMPLES = 50
"""Overlaps in the sums, the first of as many items."""


def index(task: Task[DecontaminateConfig]) -> dict[str, Any]:
    """Write the index and the items in its order into task.out; return its size."""
    config = task.config
    items = [item for file in task.inputs["items"] for item in read_items(file.path)]
    sizes = Sizes(words=config.words, characters=config.characters, least=config.least)
    made = OverlapIndex.of([item.text for item in items], sizes, config.most_items)
    made.save(task.out / INDEX_FILE)
    write_items(task.out / KINDS.items.file, items)
    return {"items": len(items), "short": len(made.short), "ngrams": len(made.grams), "mb": round(made.mb, 1)}


def remove(task: Task[DecontaminateConfig]) -> dict[str, Any]:
    """Write the documents that remain, the overlaps and the funnel into task.out; return the counts."""
    config, (folder,) = task.config, task.steps["index"]
    made, items = OverlapIndex.load(folder / INDEX_FILE), list(read_items(folder / KINDS.items.file))
    removal = Removal(config.remove, config.margin_chars, config.max_pieces, config.min_chars)
    found: list[Shared] = []

    def note(doc: Document, overlap: Overlap, passage: str) -> None:
        found.append(_shared(doc, items[overlap.item], overlap.words, passage))

    def gates(rejects: Rejects) -> list[Decontamination]:
        return [Decontamination(made, removal, note, rejects)]

    source = task.inputs["documents"][0].path
    (step,) = filter_file(source, task.out, task.work, gates, config.rejects_per_reason)
    write_shared(task.out / KINDS.overlaps.file, found)
    return {
        "documents": step.pages_out,
        "removed": step.dropped,
        "contaminated": len({each.document for each in found}),
        "items": len({(each.task, each.item) for each in found}),
    }


def _shared(doc: Document, item: Item, words: int, passage: str) -> Shared:
    source = str(page_data(doc).get("source", ""))
    return Shared(
        task=item.task,
        item=item.item,
        document=doc.id,
        source=source,
        words=words,
        passage=passage[:PASSAGE_CHARS],
    )


def sums(task: Task[DecontaminateConfig]) -> dict[str, Any]:
    """Write the sums over all files into task.out; return the number of items found by task."""
    (folder,) = task.steps["index"]
    items = list(read_items(folder / KINDS.items.file))
    made = OverlapIndex.load(folder / INDEX_FILE)
    number, short = Counter(item.task for item in items), Counter(items[place].task for place in made.short.tolist())
    documents: dict[tuple[str, str], set[tuple[int, str]]] = {}
    examples: dict[tuple[str, str], Shared] = {}
    sources, searched, contaminated = Counter[str](), 0, set[tuple[int, str]]()
    for place, (file, unit) in enumerate(zip(task.inputs["documents"], task.steps["remove"], strict=True)):
        searched += read_funnel(unit / KINDS.funnel.file)[0].pages_in
        mine = set()
        for each in read_shared(unit / KINDS.overlaps.file):
            key = each.task, each.item
            documents.setdefault(key, set()).add((place, each.document))
            examples.setdefault(key, each)
            mine.add((place, each.document))
        sources[file.source] += len(mine)
        contaminated |= mine
    tasks = {
        name: TaskContamination(
            items=count,
            short=short[name],
            found={item: len(documents[key]) for key in sorted(documents) if key[0] == name for item in [key[1]]},
        )
        for name, count in sorted(number.items())
    }
    write_contamination(
        task.out / KINDS.contamination.file,
        Contamination(
            documents=searched,
            contaminated=len(contaminated),
            remove=task.config.remove,
            tasks=tasks,
            sources=dict(sorted(sources.items())),
            examples=tuple(example for _, example in islice(sorted(examples.items()), EXAMPLES)),
        ),
    )
    return {"documents": searched, "contaminated": len(contaminated)} | {
        name: len(each.found) for name, each in tasks.items()
    }
