"""Trains the vocabulary: documents -> lines -> SentencePiece -> tokenizer.model and tokenizer.json."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.formats.documents import read_documents
from stages.formats.kinds import KINDS
from stages.formats.pieces import TOKENIZER_JSON
from stages.formats.tokenizer import Tokenizer
from stages.shared import log
from stages.shared.files import write_atomic
from stages.shared.task import Task
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.hf import is_equal, to_tokenizer_json
from stages.tokenizer.spm import train

CHECKED = 2000
"""Lines on which tokenizer.json must give the model's ids."""
MAX_LINE_BYTES = 4000
"""Longer lines are cut: SentencePiece drops sentences above its max_sentence_length (4192 bytes)."""


def run(task: Task[TokenizerConfig]) -> dict[str, Any]:
    """Write the tokenizer into task.out; return its size, its digest and the number of lines it was trained on."""
    config = task.config
    sources: dict[str, list[Path]] = {}
    for file in task.inputs["documents"]:
        sources.setdefault(file.source if config.mixture else "", []).append(file.path)
    lines: list[str] = []
    for source, most in lines_by_source(list(sources), config).items():
        texts = (document["text"] for path in sources[source] for document in read_documents(path))
        lines += sample_lines(lines_of(texts), most, config.seed)
    model = train(lines, config)
    write_atomic(task.out / KINDS.tokenizer.file, model)
    exact = to_tokenizer_json(model) if config.normalization == "identity" else None
    if exact is not None and is_equal(exact, model, lines[:CHECKED]):
        write_atomic(task.out / TOKENIZER_JSON, exact)
    else:
        log.warning("no tokenizer.json: none gives the same ids as the model; a release needs one")
    tokenizer = Tokenizer(task.out / KINDS.tokenizer.file)
    return {"vocab_size": tokenizer.vocab_size, "lines": len(lines), "sha256": tokenizer.sha256}


def lines_by_source(sources: Sequence[str], config: TokenizerConfig) -> dict[str, int]:
    """Return the most lines of each source: `max_lines` in the mixture's shares."""
    mixture = config.mixture or dict.fromkeys(sources, 1.0)
    return {name: max(1, int(config.max_lines * mixture[name] / sum(mixture.values()))) for name in sources}


def lines_of(texts: Iterable[str]) -> Iterator[str]:
    """Yield the non-empty lines of texts, cut at spaces where a line is longer than MAX_LINE_BYTES.

    A newline is never part of a piece (it is spelled as a byte), so a split there loses nothing. The space at a cut is
    dropped: SentencePiece starts every line with a space of its own.
    """
    for text in texts:
        for line in text.encode("utf-8", errors="replace").decode().split("\n"):
            while len(line.encode()) > MAX_LINE_BYTES:
                head = line.encode()[:MAX_LINE_BYTES].decode("utf-8", errors="ignore")
                cut = head.rfind(" ")
                cut = cut if cut > 0 else len(head)
                yield line[:cut]
                line = line[cut:].removeprefix(" ")  # noqa: PLW2901
            if line:
                yield line


def sample_lines(lines: Iterable[str], max_lines: int, seed: int) -> list[str]:
    """Return all lines, or a uniform sample of `max_lines` of them, in order (reservoir sampling, algorithm R)."""
    draw = random.Random(seed)
    kept: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        if number < max_lines:
            kept.append((number, line))
        elif (slot := draw.randrange(number + 1)) < max_lines:
            kept[slot] = (number, line)
    return [line for _, line in sorted(kept)]
