"""One server for all tests of the room that do not change its settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from stages.serve.http.server import Server
from tests.stages.serve.taught import TOOLBOX, write_taught
from tests.stages.serve.world import serving, write_models

Models = tuple[dict[str, Path], Path]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Folders of models by name, and their tokenizer."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def server(models: Models) -> Iterator[Server]:
    """A server of all models."""
    with serving(*models) as served:
        yield served


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Path, list[Path]]:
    """The model that knows one conversation, its tokenizer and its documents."""
    return write_taught(tmp_path_factory.mktemp("taught"))


@pytest.fixture(scope="session")
def taught(known: tuple[dict[str, Path], Path, list[Path]]) -> Iterator[Server]:
    """A server of it, with tools of its own."""
    with serving(*known, toolbox=TOOLBOX) as served:
        yield served


@pytest.fixture(scope="session")
def inline(known: tuple[dict[str, Path], Path, list[Path]]) -> Iterator[Server]:
    """A server of it whose tools are called within texts."""
    with serving(*known, toolbox=TOOLBOX, notation="inline") as served:
        yield served


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[openai.OpenAI]:
    """OpenAI's own client."""
    with openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key=server.token, max_retries=0) as made:
        yield made
