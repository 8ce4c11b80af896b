"""The packed sources of a training on chats or on compared responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from stages.chats.encoded import rows_name
from stages.train.data.corpus import SourceDataset
from stages.train.data.packed import PackedSource


def packed_sources(names: Iterable[str], folder: Path, mixture: Mapping[str, float] | None) -> list[PackedSource]:
    """Return the rows of sources as the step `pack` wrote them into a folder."""
    return [
        PackedSource(
            rows=SourceDataset(name, folder / rows_name(name), (mixture or {}).get(name)),
            heldout=SourceDataset(name, folder / rows_name(name, is_heldout=True)),
        )
        for name in names
    ]
