"""Settings of mixtures: what contradicts itself or names no source is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.pretrain.config import PretrainConfig
from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError

FILES = {"tokens": (InputFile(Path("a.bin"), "a", 1.0), InputFile(Path("b.bin"), "b", 1.0))}


def config(**settings: Any) -> PretrainConfig:
    return PretrainConfig(tokens="x", tokenizer="y", steps=10, warmup_steps=1, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mixture": {"a": 1, "b": 1}, "mixing": {"temperature": 3}}, "mixing.temperature = 3.0: must be 1 with"),
        ({"mixing": {"weights": "epochs"}}, r"mixing\.weights = 'epochs': must be absent without"),
        ({"mixing": {"last": {"mixture": {"a": 0}}}}, "mixing.last.mixture.a = 0.0: must be a weight above 0"),
        ({"mixture": {"a": 60, "b": 39}, "mixing": {"total": 100}}, "must be weights that sum to 100, not 99"),
        ({"mixture": {"a": 1, "b": 1}, "mixing": {"sizes": {"a": 1, "b": 1}}}, "null with `weights: shares`"),
        (
            {"mixture": {"a": 1, "b": 1}, "mixing": {"weights": "epochs", "sizes": {"a": 1}}},
            r"a size for each source of `mixture`; see \['b'\]",
        ),
        (
            {"mixture": {"a": 1, "b": 3}, "mixing": {"published": {"a": 25.0, "b": 74.0}}},
            r"mixing\.published\.b = 74\.0: must be 75\.000, which",
        ),
        ({"mixture": {"a": -1, "b": 1}}, "mixture.a = -1.0: must be a weight above 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**settings)


def test_a_source_may_be_read_at_the_end_alone_but_must_be_one() -> None:
    config(mixture={"a": 1}, mixing={"last": {"mixture": {"b": 1}}}).plan(FILES)
    with pytest.raises(ConfigError, match=r"mixing\.last\.mixture\.c = 1\.0: must be a source of tokens"):
        config(mixture={"a": 1, "b": 1}, mixing={"last": {"mixture": {"c": 1}}}).plan(FILES)
    with pytest.raises(ConfigError, match="a weight for every source of tokens, 'b' too"):
        config(mixture={"a": 1}).plan(FILES)
