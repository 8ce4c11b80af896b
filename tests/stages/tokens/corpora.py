"""Documents for the tests of the tokens stage, and how they go through it."""

from __future__ import annotations

from pathlib import Path

from stages.formats.documents import DocumentWriter
from stages.shared.contract import InputFile
from stages.tokens.config import TokensConfig
from tests.stages.harness import run_stage

Documents = list[tuple[str, str]]
TEXTS: Documents = [(f"doc-{n}", f"Document {n} says: {'word ' * (n % 7)}😀\n") for n in range(300)]


def write(path: Path, documents: Documents) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with DocumentWriter(path) as writer:
        for name, text in documents:
            writer.write({"id": name, "text": text})
    return path


def files_of(folder: Path, layout: dict[str, list[Documents]]) -> tuple[InputFile, ...]:
    return tuple(
        InputFile(write(folder / f"{i}" / f"{j}.jsonl.zst", documents), source)
        for i, (source, parts) in enumerate(layout.items())
        for j, documents in enumerate(parts)
    )


def encode(folder: Path, tokenizer: InputFile, layout: dict[str, list[Documents]], **settings: float) -> Path:
    config = TokensConfig(documents="unused", tokenizer="unused", **{"heldout": 0.1, **settings})
    inputs = {"documents": files_of(folder / "in", layout), "tokenizer": (tokenizer,)}
    outputs = run_stage(config, inputs, folder / "run")
    assert [file.source for file in outputs["tokens"]] == list(layout)
    return outputs["token_counts"][0].path.parent
