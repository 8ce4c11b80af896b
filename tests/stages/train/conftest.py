"""One corpus and one undisturbed run for all training tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.train.corpus import write_corpus
from tests.stages.train.ranks import Run, train


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of the corpus; its name would break an unquoted path."""
    return str(write_corpus(tmp_path_factory.mktemp("corpus") / 'it\'s a "corpus"'))


@pytest.fixture(scope="session")
def undisturbed(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on one rank that nothing happened to."""
    run = Run(str(tmp_path_factory.mktemp("undisturbed")), corpus)
    assert train(run) == [0]
    return run


@pytest.fixture(scope="session")
def undisturbed_pair(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on two data parallel ranks that nothing happened to."""
    run = Run(str(tmp_path_factory.mktemp("pair")), corpus, {"layout": {"dp": 2}})
    assert train(run) == [0, 0]
    return run


@pytest.fixture(scope="session")
def eight(corpus: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on eight ranks, two in each of three dimensions."""
    run = Run(str(tmp_path_factory.mktemp("eight")), corpus, {"layout": {"tp": 2, "pp": 2, "dp": 2}})
    assert train(run) == [0] * 8
    return run


@pytest.fixture
def run(corpus: str, tmp_path: Path) -> Run:
    """A run of this test's own."""
    return Run(str(tmp_path / "run"), corpus)
