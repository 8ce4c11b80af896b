"""A comparison needs a name for each tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.shared.contract import InputFile
from stages.shared.errors import ConfigError
from stages.tokenizer.compare.config import CompareConfig


@pytest.mark.parametrize("names", [(), ("",), ("old", "old")])
def test_tokenizers_have_names_of_their_own(names: tuple[str, ...]) -> None:
    files = tuple(InputFile(Path("t.model"), name) for name in names)
    with pytest.raises(ConfigError, match="a mapping with a name for each"):
        CompareConfig(tokenizers="x", documents="y").plan({"tokenizers": files})
