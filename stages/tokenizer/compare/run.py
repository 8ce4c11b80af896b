"""Encodes the same documents with each tokenizer and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from stages.formats.corpus.compression import Amount, Comparison, Compression, write_comparison
from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.shared.task import Task
from stages.text.words.tokens import count_words
from stages.tokenizer.compare.config import CompareConfig

EXAMPLES = 40
"""Unused pieces that are named."""
BATCH = 256
Group = tuple[str, str]
"""A source and a language."""


def run(task: Task[CompareConfig]) -> dict[str, Any]:
    """Write the comparison into task.out; return the bytes a token of each tokenizer."""
    sources: dict[str, list[Path]] = {}
    for file in task.inputs["documents"]:
        sources.setdefault(file.source, []).append(file.path)
    counters = {file.source: _Counter(file.path) for file in task.inputs["tokenizers"]}
    amounts: dict[Group, Counter[str]] = {}
    for source, paths in sources.items():
        for batch in _batches(paths, task.config.max_documents):
            groups = [(source, str(document.get("language", ""))) for document in batch]
            texts = [document["text"].encode("utf-8", "replace").decode() for document in batch]
            for group, text in zip(groups, texts, strict=True):
                amount = {"documents": 1, "bytes": len(text.encode()), "words": count_words(text)}
                amounts.setdefault(group, Counter()).update(amount)
            for counter in counters.values():
                counter.add(groups, texts)
    order = sorted(amounts)
    comparison = Comparison(
        amounts=tuple(Amount(source=group[0], language=group[1], **amounts[group]) for group in order),
        tokenizers={name: counter.compression(order) for name, counter in counters.items()},
    )
    write_comparison(task.out / KINDS.compression.file, comparison)
    size = sum(amount.bytes for amount in comparison.amounts)
    return {name: round(size / max(1, sum(found.tokens)), 3) for name, found in comparison.tokenizers.items()}


def _batches(paths: Sequence[Path], count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the first documents of each file in turn, some at a time."""
    turns = (document for turn in zip_longest(*map(read_documents, paths)) for document in turn if document is not None)
    documents = islice(turns, count)
    while batch := list(islice(documents, BATCH)):
        yield batch


class _Counter:
    """Counts the tokens of one tokenizer."""

    def __init__(self, path: Path) -> None:
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
        size = self._pieces.get_piece_size()
        self._is_byte = np.array([self._pieces.is_byte(number) for number in range(size)])
        self._uses = np.zeros(size, np.int64)
        self._tokens: Counter[Group] = Counter()
        self._bytes: Counter[Group] = Counter()

    def add(self, groups: Sequence[Group], texts: Sequence[str]) -> None:
        """Encode texts, each of a group."""
        for group, ids in zip(groups, self._pieces.encode(list(texts), num_threads=1), strict=True):
            found = np.array(ids, np.int64)
            self._uses += np.bincount(found, minlength=len(self._uses))
            self._tokens[group] += len(found)
            self._bytes[group] += int(self._is_byte[found].sum())

    def compression(self, groups: Sequence[Group]) -> Compression:
        """Return the counts, those of groups in their order."""
        pieces = self._pieces
        special = [pieces.is_control(n) or pieces.is_unknown(n) or pieces.is_unused(n) for n in range(len(self._uses))]
        unused = np.flatnonzero((self._uses == 0) & ~self._is_byte & ~np.array(special))
        return Compression(
            pieces=len(self._uses),
            unused=len(unused),
            examples=tuple(pieces.id_to_piece(int(number)) for number in unused[:EXAMPLES]),
            tokens=tuple(self._tokens[group] for group in groups),
            byte_tokens=tuple(self._bytes[group] for group in groups),
        )
