"""A Chinese model to be added to the one of tests/stages/tokens/bpe/models.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.stages.tokens.bpe.models import model

CHINESE = ["早上好，市场上有新鲜的鱼和面包。", "多佛的鱼很新鲜，面包也很便宜。"] * 50


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def chinese(**settings: Any) -> bytes:
    return model(lines=CHINESE, **{"vocab_size": 340, **settings})
