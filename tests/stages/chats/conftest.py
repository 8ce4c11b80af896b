"""The world of chats of the tests of `align.sft`."""

from __future__ import annotations

import pytest

from stages.shared.contract import InputFile
from tests.stages.align.sft.world import write_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[InputFile, ...]]:
    """Chats and their tokenizer; the folder's name would break an unquoted path."""
    return write_world(tmp_path_factory.mktemp("chats") / 'it\'s a "world"')
