"""Settings of the toy stage: words are made in shards, a march resumes where it was stopped, all is gathered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from stages.shared.contract import InputFile, Inputs, Output, Reads, StageConfig, StagePlan, Step


class ToyConfig(StageConfig):
    """A stage of three steps that takes no time and does as it is told by files in `moods`."""

    stage: ClassVar[str] = "toy"

    words: Annotated[Inputs | None, Reads("words")] = None
    """Another toy's words, or files of words."""
    text: str = "hello"
    shards: int = 3
    paces: int = 3
    walkers: int = 1
    """Ranks of the march."""
    pause_s: float = 0.0
    """Seconds for one pace. Not part of the identity."""
    moods: str
    """Folder of files `<step>.<shard>` that say how a shard shall behave. Not part of the identity."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the three steps."""
        run = "stages.toy.run"
        return StagePlan(
            steps=(
                Step(name="make", run=f"{run}:make", shards=self.shards, uses=("text", "shards"), reads=("words",)),
                Step(
                    name="march",
                    run=f"{run}:march",
                    shards=1,
                    uses=("paces",),
                    after=("make",),
                    ranks=self.walkers,
                    resumes=True,
                    shape="train",
                ),
                Step(name="gather", run=f"{run}:gather", shards=1, uses=(), after=("make", "march"), shape="small"),
            ),
            outputs=(Output("gather", 0, "all.txt", "words", "toy"),),
        )


Config = ToyConfig
