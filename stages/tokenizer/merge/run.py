"""Writes the merged tokenizer, and its tokenizer.json where that gives the same ids."""

from __future__ import annotations

from typing import Any

from stages.formats.kinds import KINDS
from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.shared import log
from stages.shared.files import write_atomic
from stages.shared.task import Task
from stages.tokenizer.hf import to_tokenizer_json
from stages.tokenizer.merge.config import MergeConfig
from stages.tokenizer.merge.merging import merged


def run(task: Task[MergeConfig]) -> dict[str, Any]:
    """Write the tokenizer into task.out; return its size, the number of new pieces and its digest."""
    base, added = (task.inputs[name][0].path for name in ("tokenizer", "added"))
    model = merged(base, added, task.config.order)
    write_atomic(task.out / KINDS.tokenizer.file, model)
    if task.config.order == "last":
        write_atomic(task.out / TOKENIZER_JSON, to_tokenizer_json(model))
    else:
        log.warning("no tokenizer.json: pieces of equal score are merged from the left, which that file cannot say")
    tokenizer = Tokenizer(task.out / KINDS.tokenizer.file)
    new = tokenizer.vocab_size - Tokenizer(base).vocab_size
    return {"vocab_size": tokenizer.vocab_size, "new": new, "sha256": tokenizer.sha256}
