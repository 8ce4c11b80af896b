"""A small made-up corpus with its tokenizer, in two sources: what the training tests read."""

from __future__ import annotations

import random
from pathlib import Path

from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train
from stages.tokens.indexed import DatasetWriter

SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ly", "ran", "mel", "tok", "sip", "vur"]


def write_corpus(folder: Path) -> Path:
    """Write tokenizer.model and two datasets, about 30,000 tokens, into `folder`; return it."""
    draw = random.Random(7)
    words = ["".join(draw.sample(SYLLABLES, 2)) for _ in range(60)]
    texts = [" ".join(draw.choices(words, k=draw.randrange(3, 60))) + "." for _ in range(400)]
    folder.mkdir(parents=True, exist_ok=True)
    model = train(texts, TokenizerConfig(documents="unused", vocab_size=300))
    (folder / KINDS.tokenizer.file).write_bytes(model)
    tokenizer = Tokenizer(folder / KINDS.tokenizer.file)
    for name, part in (("large", texts[50:]), ("small", texts[:50])):
        with DatasetWriter(folder / f"tokens-{name}.bin", tokenizer.vocab_size) as writer:
            for text in part:
                writer.write([*tokenizer.encode(text), tokenizer.eos_id])
    return folder
