"""SentencePiece models of several kinds on one small text, and texts in which encoders differ."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import Any

import sentencepiece

LINES = [
    f"The price of bread in Dover is {number}; 多佛的面包卖{number}克朗。 {'ab' * (number % 5)} {'x' * (number % 9)}"
    for number in range(400)
]
PARTS = [
    *(
        "a",
        "b",
        " ",
        "  ",
        "\n",
        "\t",
        "the",
        "\u2581",
        "面包",
        "多",
        "。",
        "é",
        "e\u0301",
        "😀",
        "0",
        "9",
        "<0x0A>",
        "<s>",
    ),
    *(
        "</s>",
        "\x00",
        "price",
        "日本",
        "한",
        "٣",
        "x" * 70,
        " " * 30,
        "ab" * 40,
        "\r\n",
        "ﬁ",
        "Ａ",
        "\U0010ffff",
        "\ud800",
    ),
]


def model(lines: Sequence[str] = LINES, **settings: Any) -> bytes:
    """Return a model of at most 380 pieces, by default with LLaMA's settings."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=written,
        **{
            "model_type": "bpe",
            "vocab_size": 380,
            "byte_fallback": True,
            "split_digits": True,
            "allow_whitespace_only_pieces": True,
            "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False,
            "hard_vocab_limit": False,
            "minloglevel": 2,
            **settings,
        },
    )
    return written.getvalue()


def hard_texts(count: int) -> list[str]:
    """Return random texts of the parts, the empty one, and long ones of one part."""
    draw = random.Random(1)
    texts = ["".join(draw.choices(PARTS, k=draw.randint(0, 40))) for _ in range(count)]
    return ["", *texts, *(part * 2000 for part in ("a", "ab", " ", "面包", "😀")), *LINES]
