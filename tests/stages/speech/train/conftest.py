"""One world of sounds and chats for all tests of `speech.train`."""

from __future__ import annotations

import pytest

from stages.shared.contract import InputFile
from tests.stages.speech.train.world import write_heard


@pytest.fixture(scope="session")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[InputFile, ...]]:
    """Sounds, chats and their tokenizer."""
    return write_heard(tmp_path_factory.mktemp("heard"))
