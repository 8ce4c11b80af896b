"""Writes the questions of a task as lm-eval defines them, without what all of its questions share.

A task that names a query for decontamination is asked for that; of others the prompt without solved examples counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lm_eval.utils import handle_non_serializable, hash_string

from stages.evaluate.cells import FACTS, Cell
from stages.evaluate.items.config import ItemsConfig
from stages.evaluate.scores import HASH_CHARS
from stages.evaluate.tasks.loading import load_cell, use_datasets
from stages.evaluate.tasks.own import as_loaded, facts_tasks
from stages.formats.corpus.contamination import Item, write_items
from stages.formats.kinds import KINDS
from stages.shared.contract import unique_keys
from stages.shared.task import Task


def run(task: Task[ItemsConfig]) -> dict[str, Any]:
    """Write the items of the unit's task into task.out; return their number by task."""
    loaded = _load(Cell(task=task.unit), task)
    found = {name: items_of(name, each) for name, each in sorted(loaded["tasks"].items())}
    write_items(task.out / KINDS.items.file, (item for items in found.values() for item in items))
    return {name: len(items) for name, items in found.items()}


def _load(cell: Cell, task: Task[ItemsConfig]) -> dict[str, Any]:
    facts, datasets, definitions = (
        [file.path for file in task.inputs.get(field, ())] for field in ("facts", "datasets", "definitions")
    )
    if cell.task == FACTS:
        return as_loaded(facts_tasks(facts))
    use_datasets(task.work / "home", datasets)
    return load_cell(cell, definitions, datasets)


def items_of(name: str, task: Any) -> list[Item]:
    """Return the questions of a loaded task of lm-eval, in order."""
    docs = list(task.eval_docs)
    names = unique_keys(item_name(doc) for doc in docs)
    texts = without_form([_text(task, doc) for doc in docs])
    return [Item(task=name, item=item, text=text) for item, text in zip(names, texts, strict=True)]


def item_name(doc: Any) -> str:
    """Return the name of a question in the outcomes of results. Equal questions get numbers there."""
    text = json.dumps(doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
    return str(hash_string(text))[:HASH_CHARS]


def _text(task: Any, doc: Any) -> str:
    """Return what a document must not hold: the query, else the prompt, else the target that is scored."""
    found = task.doc_to_decontamination_query(doc) if task.config.should_decontaminate else None
    for text in (found, task.doc_to_text(doc), task.doc_to_target(doc)):
        if isinstance(text, str) and text.strip():
            return text
    choices = task.doc_to_choice(doc) if task.config.doc_to_choice else []
    return "\n".join(map(str, choices))


def without_form(texts: Sequence[str]) -> list[str]:
    """Return texts without the words with which all of them begin and end, such as `Question:` and `Answer:`."""
    if len(texts) < 2:
        return list(texts)
    words = [text.split() for text in texts]
    first = _common(words)
    last = _common([each[: first - 1 if first else None : -1] for each in words])
    return [" ".join(each[first : len(each) - last]) for each in words]


def _common(words: Sequence[Sequence[str]]) -> int:
    """Return the number of words with which all lists begin."""
    shortest = min(len(each) for each in words)
    return next((place for place in range(shortest) if len({each[place] for each in words}) > 1), shortest)
