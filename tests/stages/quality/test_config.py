"""What `quality` is planned with: steps by what is given, outputs by band, and settings that contradict each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.quality.config import QualityConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

FILE = InputFile(Path("a.jsonl.zst"), "web", mb=10.0)
FILES = {"documents": (FILE,), "good": (FILE,), "bad": (FILE,), "model": (InputFile(Path("m.bin"), ""),)}


def steps(**settings: Any) -> list[str]:
    return [step.name for step in QualityConfig(documents="x", **settings).plan(FILES).steps]


def test_a_given_model_needs_no_training_and_masks_alone_no_model() -> None:
    assert steps(good="g", bad="b") == ["train", "score", "sums"]
    assert steps(model="m") == ["score", "sums"]
    assert steps(pii={}) == ["score", "sums"]


def test_bands_are_sources_of_their_own() -> None:
    plan = QualityConfig(documents="x", model="m", bands=(0.3, 0.7)).plan(FILES)
    found = [(each.source, each.file) for each in plan.outputs if each.kind.name == "documents"]
    assert found == [(f"web/q{band}", f"q{band}.documents.jsonl.zst") for band in range(3)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"good": "g"}, "good = 'g': must be given together with `bad`"),
        ({"good": "g", "bad": "b", "model": "m"}, "model = 'm': must be absent with"),
        ({}, "a model, or `good` and `bad` to train one"),
        ({"pii": {}, "threshold": 0.5}, "threshold = 0.5: must be absent without a model"),
        ({"model": "m", "bands": (0.7, 0.3)}, "rising scores"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        QualityConfig(documents="x", **settings)
