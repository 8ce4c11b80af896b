"""One world of pictures and chats for all tests of `vision.train`."""

from __future__ import annotations

import pytest

from stages.shared.contract import InputFile
from tests.stages.vision.train.world import write_seen


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[InputFile, ...]]:
    """Pictures, chats and their tokenizer; the folder's name would break an unquoted path."""
    return write_seen(tmp_path_factory.mktemp("seen") / 'it\'s a "world"')
