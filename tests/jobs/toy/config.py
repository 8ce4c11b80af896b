"""Settings of the toy stage: words are made in units, a march resumes where it was stopped, all is gathered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

from stages.shared.contract import (
    PARTS,
    WHOLE,
    After,
    InputFile,
    Inputs,
    Kind,
    Output,
    Reads,
    StageConfig,
    StagePlan,
    Step,
    Unit,
    file_key,
    unique_keys,
)

WORDS = Kind("words", "all.txt")
STEPS = Kind("steps")


class ToyConfig(StageConfig):
    """A stage of three steps that takes no time and behaves as files in `moods` say."""

    stage: ClassVar[str] = "toy"
    tools: ClassVar[Mapping[str, str]] = {"tune": "stages.toy.tool:tune"}

    words: Annotated[Inputs | None, Reads(WORDS)] = None
    """Another toy's words, or files of words. Every unit of `make` reads all of them."""
    letters: Annotated[Inputs | None, Reads(Kind("letters"))] = None
    """Files of letters: `make` then has one unit for each, which reads this file alone."""
    text: str = "hello"
    units: int = 3
    shares: int = 0
    """Parts of the first unit of `make`, which `mend` puts together; 0: there is no such step."""
    paces: int = 3
    walkers: int = 1
    """Ranks of the march."""
    milestones: tuple[int, ...] = ()
    """Paces after which the march publishes how far it is."""
    pause_s: float = 0.0
    """Seconds for one pace. Not part of the identity."""
    moods: str
    """Folder of files `<step>.<place>` that say how a unit shall behave. Not part of the identity."""

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the three steps."""
        run = "stages.toy.run"
        letters = inputs.get("letters")
        if letters is None:
            units = tuple(Unit(key=str(number)) for number in range(self.units))
        else:
            keys = unique_keys(map(file_key, letters))
            units = tuple(Unit(key=key, inputs={"letters": (file,)}) for key, file in zip(keys, letters, strict=True))
        march = Step(
            name="march",
            run=f"{run}:march",
            units=WHOLE,
            uses=("paces", "milestones"),
            after=(After("make"),),
            ranks=self.walkers,
            resumes=True,
            shape="train",
        )
        gathered = (After("make"), After("march"))
        shares = Step(name="share", run=f"{run}:make", units=(), uses=("text",))
        parted = (replace(units[0], parts=self.shares), *units[1:])
        mend = Step(name="mend", run=f"{run}:mend", units=parted, uses=("text",), after=(After("share", PARTS),))
        return StagePlan(
            steps=(
                Step(name="make", run=f"{run}:make", units=units, uses=("text",), reads=("words", "letters")),
                *((shares, mend) if self.shares else ()),
                march,
                Step(name="gather", run=f"{run}:gather", units=WHOLE, uses=(), after=gathered, shape="small"),
            ),
            outputs=(
                Output(step="gather", unit="all", kind=WORDS, source="toy"),
                *(
                    Output(step="march", unit="all", kind=STEPS, source=f"pace-{n}", name=f"pace-{n}", during=True)
                    for n in self.milestones
                ),
            ),
        )


Config = ToyConfig
