"""Texts for the tests of the tokenizer, plain and tricky, and how they go through the stage."""

from __future__ import annotations

from pathlib import Path

from stages.formats.documents import DocumentWriter
from stages.shared.contract import InputFile
from stages.tokenizer.config import TokenizerConfig
from tests.stages.harness import run_stage

PROSE = [
    f"The {animal} of {place} counts {number} stones,\tand sleeps.\n\n  It wakes at {number % 24}:00; 数{number}。"
    for number, (animal, place) in enumerate(
        (animal, place)
        for animal in ("heron", "badger", "otter", "lynx", "raven", "toad")
        for place in ("Arlen", "Bostra", "Calvik", "Dorn", "Elmarket", "Fyrd", "Gellin")
    )
]
TRICKY = [
    "",
    " ",
    "  ",
    "a",
    " leading",
    "   three leading",
    "trailing   ",
    "double  space",
    "tab\there\t\ttwo",
    "new\nline\n\n\nlines\r\n",
    "😀👩‍👩‍👧‍👦🏳️‍🌈",
    "汉字かな한국어",
    "𠮷野家 𝒳",
    "e\u0301 vs é",
    "123456789 1,234.5",
    "</s><s><unk><0x0A> <0x41>",
    "\u200b\ufeff\u202e",
    "nul\x00byte\x07",
    "def f(x):\n\treturn {'a': x}  # ok",
    "İstanbul ﬁ ½ №",
    "The heron of Arlen counts 12 stones",
    "x" * 5000,
    " " * 300,
]


def write_documents(path: Path, texts: list[str]) -> InputFile:
    with DocumentWriter(path) as writer:
        for number, text in enumerate(texts):
            writer.write({"id": f"d{number}", "text": text})
    return InputFile(path, "dump")


def train(documents: InputFile, folder: Path, **settings: object) -> Path:
    config = TokenizerConfig.model_validate({"documents": "unused", "vocab_size": 400, **settings})
    return run_stage(config, {"documents": (documents,)}, folder)["tokenizer"][0].path
