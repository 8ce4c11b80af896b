from pathlib import Path

import pytest
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from stages.text.blocks.executor import run_pipeline


class Source(PipelineStep):
    name = "source"
    type = "test"

    def run(self, data, rank=0, world_size=1):  # type: ignore[no-untyped-def]
        for number in range(3):
            self.stat_update("made")
            yield Document(text=f"{rank} of {world_size}: {number}", id=str(number))


class Sink(PipelineStep):
    name = "sink"
    type = "test"

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self.texts = texts

    def run(self, data, rank=0, world_size=1):  # type: ignore[no-untyped-def]
        for doc in data:
            if doc.text.endswith("2") and "fail" in self.texts:
                raise OSError("disk full")
            self.texts.append(doc.text)
            yield doc


def test_a_pipeline_runs_to_its_end_every_time_it_is_asked(tmp_path: Path) -> None:
    for _ in range(2):
        texts: list[str] = []
        stats = run_pipeline([Source(), Sink(texts)], tmp_path)
        assert texts == ["0 of 1: 0", "0 of 1: 1", "0 of 1: 2"]
        assert stats.stats[0]["made"].total == 3


def test_an_error_in_a_block_is_not_swallowed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full"):
        run_pipeline([Source(), Sink(["fail"])], tmp_path)
