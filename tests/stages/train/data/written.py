"""Small datasets written for the tests of the data, and the sequences that a training reads from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stages.model import parallel
from stages.pretrain.config import PretrainConfig
from stages.shared.task import Ranks
from stages.tokens.indexed import DatasetWriter
from stages.train.data.corpus import SourceDataset, open_corpus
from stages.train.data.datasets import EndOfDocument, build_dataset

EOD = 2
NO_MODELS: Any = None
"""For feeds that run none."""
SETTINGS: dict[str, Any] = {"steps": 10, "global_batch": 8, "microbatch": 2, "warmup_steps": 1}


def settings(**changes: Any) -> PretrainConfig:
    model = {"seq_len": 16}
    return PretrainConfig(tokens="x", tokenizer="x", **{**SETTINGS, "model": model, **changes})


def write(folder: Path, name: str, documents: int, first: int = 100, weight: float | None = None) -> SourceDataset:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.bin"
    with DatasetWriter(path, 60_000) as writer:
        for number in range(documents):
            writer.write([*range(first + 10 * number, first + 10 * number + 9), EOD])
    return SourceDataset(name, path, weight)


def build(folder: Path, sources: list[SourceDataset], config: PretrainConfig) -> list[torch.Tensor]:
    parallel.start(Ranks())
    dataset = build_dataset(
        open_corpus(sources),
        config,
        folder / "index",
        EndOfDocument(EOD, 60_000),
        config.schedule.sequences({}),
    )
    return [dataset[i]["tokens"] for i in range(config.steps * config.global_batch)]
