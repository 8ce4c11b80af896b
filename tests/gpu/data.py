"""Made-up data from a seed: the same tokens on every machine, so that losses can be compared between them."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

from stages.formats.kinds import KINDS
from stages.formats.tokenizer import Tokenizer
from stages.tokenizer.config import TokenizerConfig
from stages.tokenizer.spm import train
from stages.tokens.indexed import DatasetWriter

VOCABULARY = 2048
DATASET = "tokens-made.bin"
_DOCUMENTS = 900
_FIRST, _USED, _BRANCHES = 300, 200, 4
"""The tokens that are used, and how many may follow one: few, so that a loss falls within the first steps."""


def written(order: dict[str, Any]) -> dict[str, Any]:
    """Write the data into `folder`; return its digest."""
    return {"digest": write_data(Path(order["folder"]))}


def write_data(folder: Path) -> str:
    """Write a tokenizer and a dataset of 250,000 tokens into a new folder; return the digest of the tokens.

    The tokens do not come from the tokenizer: another version of SentencePiece changes none.
    """
    folder.mkdir(parents=True)
    draw = random.Random(11)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randrange(3, 9))) for _ in range(3_000)]
    config = TokenizerConfig(documents="unused", vocab_size=VOCABULARY)
    texts = [" ".join(draw.choices(words, k=40)) for _ in range(400)]
    (folder / KINDS.tokenizer.file).write_bytes(train(texts, config))
    eos = Tokenizer(folder / KINDS.tokenizer.file).eos_id
    with DatasetWriter(folder / DATASET, VOCABULARY) as writer:
        for _ in range(_DOCUMENTS):
            token, ids = draw.randrange(_USED), []
            for _ in range(draw.randrange(20, 540)):
                token = (token * 31 + draw.randrange(_BRANCHES)) % _USED
                ids.append(_FIRST + token)
            writer.write([*ids, eos])
    return hashlib.sha256((folder / DATASET).read_bytes()).hexdigest()[:16]
